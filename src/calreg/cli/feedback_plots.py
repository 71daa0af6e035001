"""`--plot FILE` of `calreg feedback run` and `calreg feedback history`.

It hands what was found to the pictures, and those to `plots`, which renders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calreg.cli.plots import check_plots, write_picture

__all__ = ["check_plots", "write_feedback_plots"]


def write_feedback_plots(
    paths: Sequence[Path], document: Mapping[str, Any], history: Sequence[Mapping[str, Any]]
) -> list[Path]:
    """Draw a feedback run and its history into each file; each is put in place in one step.

    Args:
        paths: Names that `check_plots` let pass.
        document: A document of suggestions; empty where there is none yet.
        history: Rows of the history, oldest first; those of this run included if they are there.

    Returns:
        The files, in the order given.

    Raises:
        InputError: A file cannot be written.
    """
    from calreg.report.pictures import feedback_page, feedback_spec

    spec = feedback_spec(document, history)
    return write_picture(paths, spec, lambda: feedback_page(document, history))
