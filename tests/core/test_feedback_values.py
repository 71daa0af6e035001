from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joined_rows import joined

from calreg.feedback.values import Reject, digest_of_rows, rows_by_group


def texts(*values: str) -> np.ndarray:
    found = np.empty(len(values), dtype=np.object_)
    found[:] = values
    return found


def digest(keys=("a", "b"), numbers=((1.0, 2.0), (np.nan, 0.0)), sold=(1, -1), group=("x", "")):
    return digest_of_rows(
        texts(*keys),
        [np.array(one) for one in numbers],
        np.array(sold, dtype=np.int8),
        texts(*group),
    )


@given(st.lists(st.sampled_from(["", "new", "used", "parts"]), max_size=40))
def test_groups_part_the_rows(names):
    """Every row with a group is in exactly that group, ascending; the others are in none."""
    found = rows_by_group(texts(*names))

    assert list(found) == sorted(set(names) - {""})
    for name, rows in found.items():
        assert rows.tolist() == [row for row, one in enumerate(names) if one == name]


@pytest.mark.parametrize(
    "changed",
    [
        {"keys": ("a", "c")},
        {"keys": ("ab", "")},
        {"numbers": ((1.0, 2.5), (np.nan, 0.0))},
        {"numbers": ((1.0, 2.0), (0.0, np.nan))},
        {"numbers": ((np.nan, 0.0), (1.0, 2.0))},
        {"sold": (1, 0)},
        {"group": ("", "x")},
    ],
)
def test_other_rows_have_another_digest(changed):
    """No key, number, sale or group can change without the digest."""
    assert digest(**changed) != digest()


def test_equal_values_have_one_digest():
    """Two zeros, or two NaN of different bits, are the same evidence."""
    other = np.array([0x7FF8000000000001], dtype=np.uint64).view(np.float64)[0]

    assert digest(numbers=((1.0, 2.0), (other, -0.0))) == digest()


def test_a_pair_needs_both_prices_and_no_unsold_item():
    """Unsold items have no price unless asked for; where a sale is not known, the price counts."""
    rows = joined(
        5,
        predicted=[1.0, 2.0, np.nan, 4.0, 5.0],
        outcome=[1.0, np.nan, 3.0, 4.0, 5.0],
        sold=[1, 1, 1, 0, -1],
    )

    assert rows.price_pairs().tolist() == [True, False, False, False, True]
    assert rows.price_pairs("include").tolist() == [True, False, False, True, True]


def test_a_reject_says_where_it_stands():
    """Rows of Parquet are called rows, lines of text lines, and a value has its column."""
    line = Reject("sales.csv", 1234, "sold_price", "not_a_number", "'$27.50'")
    row = Reject("sales.parquet", 3, None, "no_key", "empty")

    assert str(line) == "sales.csv line 1,234: sold_price not a number ('$27.50')"
    assert str(row) == "sales.parquet row 3: without a key (empty)"
