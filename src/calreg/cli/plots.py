"""`--plot FILE`: pictures as files, by what the file's name ends in.

The one place that renders. The drawing library is an extra; whether it is there, and
whether a name can be served, is asked before anything is computed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calreg.errors import MissingExtraError, UsageError
from calreg.files import replace_file
from calreg.labelled import LabelledScores
from calreg.tuning import Tuned

if TYPE_CHECKING:
    from calreg.report.pictures import Page

__all__ = ["Spec", "check_plots", "write_picture", "write_tune_plots"]

Spec = dict[str, Any]
"""A picture, as Vega-Lite has it."""

_SCALE = 2.0  # pixels per point: sharp on today's screens, and on paper at this size


def check_plots(paths: Sequence[Path]) -> None:
    """Refuse what could not be drawn, while nothing has been done yet.

    Raises:
        UsageError: A name that ends in no known format.
        MissingExtraError: The drawing library is not installed.
    """
    for path in paths:
        if path.suffix.lower() not in _FORMATS:
            raise UsageError(
                f"--plot: expected a name that ends in {', '.join(_FORMATS)}, got {str(path)!r}",
                hint="A page with tooltips: --plot tuned.html. A picture: --plot tuned.png.",
            )
    if not paths:
        return
    try:
        import vl_convert  # noqa: F401  # found missing here, not after the work
    except ImportError as error:
        raise MissingExtraError(
            "report", needs="vl-convert-python, which --plot draws with"
        ) from error


def write_tune_plots(
    paths: Sequence[Path],
    head: str,
    tuned: Tuned,
    calibration: LabelledScores,
    holdout: LabelledScores | None,
) -> list[Path]:
    """Draw a tuned head into each file; each is put in place in one step.

    Args:
        paths: Names that `check_plots` let pass.
        head: The head's full name.
        tuned: What was found on these very sets.
        calibration: What it was chosen on.
        holdout: What it was judged on.

    Returns:
        The files, in the order given.

    Raises:
        InputError: A file cannot be written.
    """
    from calreg.report.pictures import tune_page, tune_spec

    spec = tune_spec(head, tuned, calibration, holdout)
    return write_picture(paths, spec, lambda: tune_page(head, tuned))


def write_picture(paths: Sequence[Path], spec: Spec, page: Callable[[], Page]) -> list[Path]:
    """Draw a picture into each file; each is put in place in one step.

    Args:
        paths: Names that `check_plots` let pass.
        spec: The picture.
        page: What stands around it where a file has room for words.

    Returns:
        The files, in the order given.

    Raises:
        InputError: A file cannot be written.
    """
    for path in paths:
        replace_file(path, _FORMATS[path.suffix.lower()](spec, page))
    return list(paths)


def _html(spec: Spec, page: Callable[[], Page]) -> bytes:
    import vl_convert

    from calreg.report.pictures import SNIPPET

    # The page says in words what the picture's title says.
    picture = {name: value for name, value in spec.items() if name != "title"}
    text = json.dumps(picture, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return page().html(text, vl_convert.javascript_bundle(SNIPPET)).encode()


def _png(spec: Spec, _page: Callable[[], Page]) -> bytes:
    import vl_convert

    return vl_convert.vegalite_to_png(spec, scale=_SCALE, allowed_base_urls=[])


def _svg(spec: Spec, _page: Callable[[], Page]) -> bytes:
    import vl_convert

    return vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]).encode()


_FORMATS: Mapping[str, Callable[[Spec, Callable[[], Page]], bytes]] = {
    ".html": _html,
    ".png": _png,
    ".svg": _svg,
}
