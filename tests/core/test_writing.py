"""Canonical text is what Python's own writer makes, only sooner."""

from __future__ import annotations

import json
from collections import OrderedDict
from enum import Enum
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calreg.documents import canonical_bytes

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30
)


def expected(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2, sort_keys=True)
    return text.encode("utf-8", "surrogatepass") + b"\n"


@given(st.dictionaries(st.text(), VALUES.filter(lambda v: "inf" not in str(v).lower())))
def test_equal_to_pythons_own_writer(value: dict[str, Any]) -> None:
    """Any JSON object has the bytes that the standard library gives it."""
    assert canonical_bytes(value) == expected(value)


def test_kinds_that_are_nearly_plain() -> None:
    """Tuples, numpy floats, subclasses and large numbers are written as the plain ones."""
    value = {
        "tuple": (1, 2),
        "numpy": np.float64(0.1),
        "ordered": OrderedDict(b=1, a=True),
        "large": [2**70, -1],
        "mixed": [True, 1, 1.0],
        "small": 5e-324,
        "empty": [[], {}, ""],
        "text": ['"\\\n\x00\x7f\u2028é'],
    }

    assert canonical_bytes(value) == expected(value)


class Odd(Enum):
    """No form in JSON."""

    ONE = 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_none(value: float) -> None:
    """NaN and infinity are refused wherever they stand."""
    with pytest.raises(ValueError, match="is not a JSON number"):
        canonical_bytes({"a": [{"b": value}]})


def test_what_json_has_no_form_for() -> None:
    """A value that JSON cannot say is a bug that shows at once."""
    with pytest.raises(TypeError, match="Odd has no form in JSON"):
        canonical_bytes({"a": Odd.ONE})
