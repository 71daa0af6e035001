"""numpy is told once, before it is imported, and only where it helps."""

import subprocess
import sys

import pytest

from calreg.cli.processor import sorts_slowly

ZEN_4 = (
    "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\nflags\t\t: fpu sse avx2 avx512f\n"
)


@pytest.mark.parametrize(
    ("processor", "is_slow"),
    [
        (ZEN_4, True),
        (ZEN_4.replace("25", "26"), False),
        (ZEN_4.replace(" avx512f", ""), False),
        (ZEN_4.replace("AuthenticAMD", "GenuineIntel"), False),
        ("", False),
        ("processor : 0\nBogoMIPS : 50.00\nFeatures : fp asimd\n", False),
    ],
)
def test_only_the_slow_processor_is_told(processor, is_slow):
    """AVX-512 is left alone wherever its sort is the fast one, or nothing is known."""
    assert sorts_slowly(processor) == is_slow


def test_numpy_takes_the_switch_without_a_word(monkeypatch):
    """The names are those that this numpy knows: it would warn about others."""
    monkeypatch.delenv("NPY_DISABLE_CPU_FEATURES", raising=False)
    code = (
        "from pathlib import Path; import os; from calreg.cli import processor;"
        "processor._first_processor = lambda: os.environ['BLOCK']; processor.prefer_fast_sort();"
        "import numpy; print(os.environ['NPY_DISABLE_CPU_FEATURES'])"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={"BLOCK": ZEN_4},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout.split() == ["X86_V4", "AVX512_ICL", "AVX512_SPR"]


def test_a_users_own_switch_is_kept():
    """Who set numpy's switch meant it."""
    code = (
        "import os; from calreg.cli.processor import prefer_fast_sort; prefer_fast_sort();"
        "print(os.environ['NPY_DISABLE_CPU_FEATURES'])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={"NPY_DISABLE_CPU_FEATURES": "AVX2"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout == "AVX2\n"
