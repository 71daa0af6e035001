"""`--plot FILE`: pictures as files, by what the file's name ends in.

The one place that renders. The drawing library is an extra; whether it is there, and
whether a name can be served, is asked before anything is computed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from calreg.cli.files import replace_file
from calreg.errors import MissingExtraError, UsageError
from calreg.labelled import LabelledScores
from calreg.tuning import Tuned

__all__ = ["check_plots", "write_tune_plots"]

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
    from calreg.report.pictures import tune_spec

    spec = tune_spec(head, tuned, calibration, holdout)
    for path in paths:
        replace_file(path, _FORMATS[path.suffix.lower()](spec, head, tuned))
    return list(paths)


_Spec = dict[str, Any]


def _html(spec: _Spec, head: str, tuned: Tuned) -> bytes:
    import vl_convert

    from calreg.report.pictures import SNIPPET, tune_page

    picture = {name: value for name, value in spec.items() if name != "title"}
    text = json.dumps(picture, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    script = vl_convert.javascript_bundle(SNIPPET)
    return tune_page(head, tuned, text, script).encode()


def _png(spec: _Spec, _head: str, _tuned: Tuned) -> bytes:
    import vl_convert

    return vl_convert.vegalite_to_png(spec, scale=_SCALE, allowed_base_urls=[])


def _svg(spec: _Spec, _head: str, _tuned: Tuned) -> bytes:
    import vl_convert

    return vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]).encode()


_FORMATS: Mapping[str, Callable[[_Spec, str, Tuned], bytes]] = {
    ".html": _html,
    ".png": _png,
    ".svg": _svg,
}
