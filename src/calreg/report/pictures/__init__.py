"""Pictures of tuned heads: reliability, curves with the chosen points, scores by truth.

Pure: `measured` sums arrays up into curves and bins, `panels` says how they are drawn,
`words` what they mean, `specification` and `page` put them together. Nothing here renders
or writes. A new panel is a function in `panels`, and a field of `LabelPicture` for its data.
"""

from __future__ import annotations

from calreg.report.pictures.page import SNIPPET, tune_page
from calreg.report.pictures.specification import MAX_LABELS, tune_spec

__all__ = ["MAX_LABELS", "SNIPPET", "tune_page", "tune_spec"]
