"""What was collected, as a document: ranges that are read as they were written, or refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calreg.documents import Move, Retention, checked_bytes, load_move, load_retention
from calreg.errors import InputError

NUMBERS = st.sets(st.integers(1, 200), min_size=1, max_size=40)


@given(NUMBERS, NUMBERS)
def test_what_is_added_is_there(first, then):
    """Whatever was collected is on record, nothing else is, and the bytes come back equal."""
    found = Retention().after({"m": first}, keep_runs=3).after({"m": then}, keep_runs=2)

    assert found.numbers("m") == first | then
    assert {number for number in range(1, 202) if found.has("m", number)} == first | then
    raw = checked_bytes("retention", found, where="r")
    assert load_retention(raw, where="r") == found
    assert not found.has("other", min(first))


@pytest.mark.parametrize(
    "ranges",
    [
        [{"first": 3, "last": 2}],
        [{"first": 1, "last": 3}, {"first": 3, "last": 4}],
        [{"first": 5, "last": 6}, {"first": 1, "last": 2}],
        [{"first": 0, "last": 2}],
        [],
    ],
)
def test_ranges_that_say_nothing_are_refused(ranges):
    """Ranges that overlap, end before they begin or are not in order are refused."""
    document = {"schema": "calreg/retention/1.0", "keep_runs": 1, "collected": {"m": ranges}}

    with pytest.raises(InputError):
        load_retention(json.dumps(document).encode(), where="retention.json")


def test_only_a_withdrawal_names_a_version():
    """A move of another kind with a version is refused, and a withdrawal without one."""
    withdrawal = Move(1, "2026-11-22T05:00:00.000Z", "withdraw", "m/h", 2, 1, "a", "b", version=2)
    raw = withdrawal.to_bytes()
    assert load_move(raw, where="m") == withdrawal

    for other in (
        raw.replace(b'"withdraw"', b'"promote"'),
        raw.replace(b',\n  "version": 2', b"").replace(b"move/1.1", b"move/1.0"),
    ):
        with pytest.raises(InputError, match="is said of a withdrawal"):
            load_move(other, where="m")
