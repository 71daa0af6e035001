"""What this processor is bad at, said to numpy before it is imported.

numpy sorts with AVX-512 where it can. On AMD's Zen 4 the instruction that this needs is
microcoded, and a sort of a million floats takes six times as long as with AVX2. numpy
listens to one environment variable, and only when it is imported.
See docs/decisions/0010-sorting-on-zen-4.md.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["prefer_fast_sort", "sorts_slowly"]

_SWITCH = "NPY_DISABLE_CPU_FEATURES"
_FEATURES = "X86_V4 AVX512_ICL AVX512_SPR"  # by these names from numpy 2.4 on
_FIRST_NUMPY = (2, 4)
_CPU_INFO = Path("/proc/cpuinfo")
_ENOUGH = 4096  # the first of many equal blocks
_ZEN_3_AND_4 = "25"


def prefer_fast_sort() -> None:
    """Set numpy's switch for this process, if that helps and nobody has set it."""
    if _SWITCH in os.environ or not sorts_slowly(_first_processor()) or not _knows_the_names():
        return
    os.environ[_SWITCH] = _FEATURES


def sorts_slowly(processor: str) -> bool:
    r"""Whether a block of /proc/cpuinfo is of a processor whose AVX-512 sort is the slow one.

    >>> sorts_slowly("vendor_id : AuthenticAMD\ncpu family : 25\nflags : sse avx2 avx512f")
    True
    """
    said = dict(re.findall(r"^(vendor_id|cpu family|flags)\s*: (.*)$", processor, re.MULTILINE))
    return (
        said.get("vendor_id") == "AuthenticAMD"
        and said.get("cpu family") == _ZEN_3_AND_4
        and "avx512f" in said.get("flags", "").split()
    )


def _first_processor() -> str:
    try:
        with _CPU_INFO.open("rb") as file:
            return file.read(_ENOUGH).decode("ascii", "replace")
    except OSError:  # not Linux, or not allowed to look
        return ""


def _knows_the_names() -> bool:
    # Not importlib.metadata, which looks at every package there is.
    from importlib.util import find_spec

    spec = find_spec("numpy")
    if spec is None or spec.origin is None:
        return False
    said = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    found = re.search(r"^version = .([0-9]+)\.([0-9]+)", said, re.MULTILINE)
    return found is not None and (int(found[1]), int(found[2])) >= _FIRST_NUMPY
