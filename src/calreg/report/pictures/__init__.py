"""Pictures: of tuned heads, and of the feedback loop.

Pure. Of tuned heads, `measured` sums arrays up into curves and bins, `panels` says how they
are drawn, `words` what they mean, `specification` and `page` put them together; a new panel
is a function in `panels`, and a field of `LabelPicture` for its data. Of the feedback loop,
the modules `feedback_*` do the same. What both need is in `phrases`, `style`, `views`,
`legend`, `reliability` and `frame`. Nothing here renders or writes.
"""

from __future__ import annotations

from calreg.report.pictures.feedback_page import feedback_page
from calreg.report.pictures.feedback_specification import feedback_spec
from calreg.report.pictures.frame import SNIPPET, Page
from calreg.report.pictures.page import tune_page
from calreg.report.pictures.specification import MAX_LABELS, tune_spec

__all__ = [
    "MAX_LABELS",
    "SNIPPET",
    "Page",
    "feedback_page",
    "feedback_spec",
    "tune_page",
    "tune_spec",
]
