"""What a comparison came to, in words and as a document."""

from __future__ import annotations

import pytest

from calreg.names import HeadName
from calreg.report.numbers import ASCII
from calreg.report.retag import retag_json, retag_lines
from calreg.retag import REASONS, LabelCounts, Mover, RetagCounts, RetagRules

MOOD, DANCE = HeadName("m", "mood"), HeadName("m", "dance")
RULES = RetagRules(0.05, (0.5,))
SIDES = ("run 2", "stable")
NONE = dict.fromkeys(REASONS, 0)
MOVER = Mover("t-9", MOOD, "happy", 0.8123456, 0.9, 0.75, "value+tier")


def counts(**changes):
    """A head of which 40 of 1,000 scores change, and one of which none does."""
    labels = (
        LabelCounts(DANCE, "danceable", 1_000, 0, NONE),
        LabelCounts(MOOD, "happy", 1_000, 40, {**NONE, "value": 38, "tier": 5}),
    )
    values = {"labels": labels, "items": 1_000, "changed_items": 40, "rows": 1_000,
              "unreadable": 0, "movers": (MOVER,)}  # fmt: skip
    return RetagCounts(**{**values, **changes})


def text(found, **options):
    return [str(line) for line in retag_lines(found, RULES, SIDES, width=None, **options)]


def test_the_worst_label_stands_first_and_the_sum_last():
    """Labels that do not change are counted only; the last line says what is saved."""
    assert text(counts()) == [
        "Retag  run 2 → stable  a value moves by 0.05 or more · fired · tier 0.5",
        "",
        "head    label  scores  change  share  value  tier",
        "m/mood  happy   1,000      40  4.0 %     38     5",
        "… 1 label does not change",
        "",
        "farthest  head    label   score  before   after  why",
        "t-9       m/mood  happy  0.8123  0.9000  0.7500  value+tier",
        "",
        "40 of 2,000 scores change: 38 value · 5 tier",
        "40 of 1,000 items to tag again · 96.0 % of the library saved",
    ]


def test_nothing_is_passed_over():
    """Unreadable scores, and heads that changed without scores here, are named."""
    absent = tuple(HeadName("m", name) for name in ("a", "b", "c", "d"))

    lines = text(counts(unreadable=3, absent=absent))

    assert "3 scores unreadable, left as they are" in lines
    assert "! changed too, but without scores here: m/a, m/b, m/c and 1 more" in lines


def test_without_names_of_items_scores_are_counted():
    """The share that is saved is then one of scores, and the line says so."""
    found = counts(items=None, changed_items=None)

    assert found.saved == 0.98
    assert text(found)[-1] == "98.0 % of the library saved (of scores: no column names the items)"


def test_many_labels_are_cut_short():
    """Twenty of the labels that change are shown, the worst, and the rest counted."""
    labels = tuple(
        LabelCounts(MOOD, f"l{n:02}", 100, n + 1, {**NONE, "value": n + 1}) for n in range(30)
    )

    lines = text(counts(labels=labels, movers=()), signs=ASCII)
    assert lines[3].split()[1] == "l29"
    assert lines[23] == "... 10 more change (all with --json)"


@pytest.mark.parametrize(("changed", "said"), [(0, "100 %"), (1, "> 99.9 %"), (5000, "0 %")])
def test_a_share_is_never_rounded_to_all_or_nothing(changed, said):
    """One item of thousands to tag again is not a whole library saved."""
    found = counts(items=5000, changed_items=changed)

    assert text(found)[-1].endswith(f"{said} of the library saved")


def test_the_document_has_everything():
    """Unrounded, of all labels, with reasons as a list."""
    document = retag_json(counts(absent=(DANCE,)), RULES, SIDES)

    assert document["heads"]["m/dance"]["danceable"] == {
        "scores": 1_000,
        "changed": 0,
        "reasons": NONE,
    }
    assert document["movers"][0]["why"] == ["value", "tier"]
    assert document["movers"][0]["score"] == 0.8123456
    assert (document["saved"], document["absent"]) == (0.96, ["m/dance"])
    assert (document["min_change"], document["tiers"]) == (0.05, [0.5])
