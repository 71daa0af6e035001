from __future__ import annotations

import math
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calreg.errors import InputError, UsageError
from calreg.feedback.bounds import (
    Bounds,
    FactorDecision,
    Suggested,
    bounded_factors,
    factors_after,
    read_suggested,
)

LAW = settings(deadline=None, max_examples=200)
ROUNDING = 1e-12

# Many a factor stands exactly on a bound, or one step from it.
factors = st.floats(0.01, 5.0) | st.sampled_from([0.4, 0.5, 0.85, 1.0, 1.15, 1.2, 1.3])
statuses = st.sampled_from(["ok", "ok", "ok", "too_few", "within_noise"])
suggested = st.builds(Suggested, factors, st.integers(0, 500), statuses)
names = st.sampled_from(["new", "like_new", "open_box", "used_fair", "for_parts"])
current = st.dictionaries(names, factors)
bounds = st.builds(
    lambda ends, step: Bounds(min(ends), max(ends), step),
    st.tuples(factors, factors),
    st.floats(1e-6, 1.0) | st.sampled_from([0.15, 0.5]),
)


@st.composite
def situations(draw):
    known = draw(current)
    wanted = draw(st.dictionaries(st.sampled_from(sorted(known)), suggested)) if known else {}
    return known, wanted, draw(bounds)


def one(before: float, wanted: float, limits: Bounds | None = None) -> FactorDecision:
    [found] = bounded_factors({"g": before}, {"g": Suggested(wanted, 40)}, limits or Bounds())
    return found


@LAW
@given(situations())
def test_sign_is_kept(situation):
    """No bound and no step turns a cut into a rise or the reverse."""
    known, wanted, limits = situation

    for found in bounded_factors(known, wanted, limits):
        if found.suggested is None:
            assert found.after == found.before
        else:
            moved, asked = found.after - found.before, found.suggested - found.before
            assert moved == 0.0 or math.copysign(1.0, moved) == math.copysign(1.0, asked)


@LAW
@given(situations())
def test_step_is_kept(situation):
    """No factor changes by more than the largest step, relative to where it was."""
    known, wanted, limits = situation

    for found in bounded_factors(known, wanted, limits):
        assert abs(found.after - found.before) <= found.before * (limits.max_step + ROUNDING)


@LAW
@given(situations())
def test_bounds_are_kept(situation):
    """A factor that changes ends within the bounds; one that was inside never leaves them."""
    known, wanted, limits = situation

    for found in bounded_factors(known, wanted, limits):
        assert found.after == found.before or limits.hold(found.after)
        assert not limits.hold(found.before) or limits.hold(found.after)


@LAW
@given(situations())
def test_inside_the_bounds_no_move_goes_past_the_suggestion(situation):
    """Between bounds that hold both, a factor ends between where it was and what is asked."""
    known, wanted, limits = situation

    for found in bounded_factors(known, wanted, limits):
        if found.suggested is not None and limits.hold(found.before):
            low, high = sorted((found.before, found.suggested))
            assert low <= found.after <= high


@LAW
@given(situations())
def test_a_fixed_point_is_reached_and_kept(situation):
    """Steps with the same suggestions come to rest, and at rest nothing changes any more."""
    known, wanted, _ = situation
    limits = Bounds()

    now = known
    for _ in range(60):
        now = factors_after(bounded_factors(now, wanted, limits))
    rest = bounded_factors(now, wanted, limits)

    assert factors_after(rest) == now
    assert {found.action for found in rest} <= {"held"}


@LAW
@given(situations())
def test_what_is_in_force_is_held(situation):
    """A suggestion of the very current factor changes nothing, inside the bounds or out."""
    known, _, limits = situation
    same = {group: Suggested(factor, 40) for group, factor in known.items()}

    found = bounded_factors(known, same, limits)

    assert factors_after(found) == known
    assert {decision.action for decision in found} <= {"held"}


@LAW
@given(situations(), st.data())
def test_order_of_groups_does_not_matter(situation, data):
    """The order in which groups come changes nothing, and they are answered by name."""
    known, wanted, limits = situation
    shuffled = {group: known[group] for group in data.draw(st.permutations(list(known)))}
    mixed = {group: wanted[group] for group in data.draw(st.permutations(list(wanted)))}

    found = bounded_factors(shuffled, mixed, limits)

    assert found == bounded_factors(known, wanted, limits)
    assert [decision.group for decision in found] == sorted(known)


@LAW
@given(situations())
def test_groups_do_not_disturb_each_other(situation):
    """What becomes of a group does not depend on the other groups."""
    known, wanted, limits = situation

    together = bounded_factors(known, wanted, limits)

    alone = []
    for group in sorted(known):
        own = {group: wanted[group]} if group in wanted else {}
        alone += bounded_factors({group: known[group]}, own, limits)
    assert list(together) == alone


@LAW
@given(situations())
def test_an_unsure_suggestion_moves_nothing(situation):
    """Statuses other than ok hold every factor, and the option lets them through."""
    known, wanted, limits = situation
    unsure = {group: Suggested(each.factor, each.n, "too_few") for group, each in wanted.items()}
    sure = {group: Suggested(each.factor, each.n, "ok") for group, each in wanted.items()}

    assert factors_after(bounded_factors(known, unsure, limits)) == known
    moved = factors_after(bounded_factors(known, unsure, limits, holding=()))
    assert moved == factors_after(bounded_factors(known, sure, limits))


@LAW
@given(situations())
def test_action_says_what_happened(situation):
    """Raised is up, cut is down, held is the same number."""
    known, wanted, limits = situation

    for found in bounded_factors(known, wanted, limits):
        way = (found.after > found.before) - (found.after < found.before)
        assert found.action == {1: "raised", -1: "cut", 0: "held"}[way]
        assert found.reason


def test_a_cut_below_the_floor_does_not_rise():
    """A factor of 0.40 below the floor that is to be cut stays 0.40, and the reason says why."""
    found = one(0.40, 0.35)

    assert (found.after, found.action) == (0.40, "held")
    assert found.reason == "the floor, 0.5, allows no cut from 0.4: held"


def test_a_rise_above_the_ceiling_does_not_fall():
    """A factor of 1.3 above the ceiling that is to be raised stays 1.3."""
    found = one(1.3, 1.4)

    assert (found.after, found.action) == (1.3, "held")
    assert found.reason == "the ceiling, 1.2, allows no rise from 1.3: held"


@pytest.mark.parametrize(
    ("before", "wanted", "after", "action", "reason"),
    [
        (1.0, 0.95, 0.95, "cut", "as suggested"),
        (1.0, 1.05, 1.05, "raised", "as suggested"),
        (1.0, 0.5, 0.85, "cut", "the largest step, 0.15, ends it at 0.85"),
        (0.8, 1.1, 0.8 * 1.15, "raised", "the largest step, 0.15, ends it at 0.92"),
        (0.55, 0.4, 0.5, "cut", "ends at the floor, 0.5"),
        (1.1, 1.4, 1.2, "raised", "ends at the ceiling, 1.2"),
        (1.3, 1.25, 1.2, "cut", "ends at the ceiling, 1.2"),
        (0.5, 0.4, 0.5, "held", "the floor, 0.5, allows no cut from 0.5: held"),
        (1.2, 1.21, 1.2, "held", "the ceiling, 1.2, allows no rise from 1.2: held"),
        (0.4, 0.9, 0.4, "held", "one step from 0.4 ends at 0.46, short of the floor, 0.5: held"),
        (2.0, 1.0, 2.0, "held", "one step from 2 ends at 1.7, short of the ceiling, 1.2: held"),
        (0.9, 0.9, 0.9, "held", "it is what is suggested"),
    ],
)
def test_reasons(before, wanted, after, action, reason):
    """Each way a suggestion can end is said in the decision's reason."""
    found = one(before, wanted)

    assert (found.after, found.action, found.reason) == (after, action, reason)


def test_a_step_too_small_for_the_digits_holds():
    """A step that changes no digit of the factor is no move."""
    found = one(1.0, 1.1, Bounds(max_step=1e-18))

    assert (found.after, found.action) == (1.0, "held")
    assert found.reason == "the largest step, 1e-18, is none in these digits: held"


def test_evidence_that_is_not_there():
    """Groups without a suggestion, or with an unsure one, are held and say so."""
    known = {"a": 1.0, "b": 0.4, "c": 0.9}
    wanted = {"b": Suggested(0.9, 1234, "within_noise"), "c": Suggested(None, 0, "too_few")}

    found = bounded_factors(known, wanted, Bounds())

    assert factors_after(found) == known
    assert [each.reason for each in found] == [
        "no suggestion",
        "the current factor is within the suggestion's interval (n = 1,234)",
        "too few pairs (n = 0)",
    ]
    assert found[2].to_json() == {
        "group": "c",
        "before": 0.9,
        "suggested": None,
        "after": 0.9,
        "action": "held",
        "reason": "too few pairs (n = 0)",
    }


def test_a_suggestion_against_another_factor_is_held():
    """What was a cut of 0.9 must not become a rise of 0.8: the factor moved in between."""
    wanted = {"g": Suggested(0.85, 40, current=0.9)}

    [stale] = bounded_factors({"g": 0.8}, wanted, Bounds())
    [fresh] = bounded_factors({"g": 0.9}, wanted, Bounds())

    assert (stale.after, stale.action) == (0.8, "held")
    assert stale.reason.startswith("suggested against 0.9, and the factor is 0.8")
    assert (fresh.after, fresh.action) == (0.85, "cut")


def test_unknown_groups_are_refused_by_name():
    """A suggested group without a current factor is refused, with the nearest there is."""
    with pytest.raises(InputError, match="group 'like_nw': suggested, but without") as caught:
        bounded_factors({"like_new": 1.0}, {"like_nw": Suggested(0.9, 40)}, Bounds())

    assert caught.value.code == "unknown-group"
    assert caught.value.hint == "Did you mean like_new? --allow-unknown takes new groups."


def test_new_groups_start_from_one():
    """A new group's factor is one step from no correction at most, and absent while unsure."""
    wanted = {
        "cut": Suggested(0.5, 40),
        "risen": Suggested(1.1, 40),
        "unsure": Suggested(0.5, 2, "too_few"),
        "none": Suggested(1.0, 40),
    }

    found = bounded_factors({}, wanted, Bounds(), allow_unknown=True)

    assert factors_after(found) == {"cut": 0.85, "risen": 1.1}
    assert [(each.group, each.action) for each in found] == [
        ("cut", "new"),
        ("none", "held"),
        ("risen", "new"),
        ("unsure", "held"),
    ]
    assert {each.before for each in found} == {None}


@pytest.mark.parametrize(
    "bad", [nan, inf, -inf, 0.0, -0.5, True, "0.9", None, [0.9], 10**400, 1 + 0j, np.float64(nan)]
)
def test_what_is_no_factor_is_refused_by_name(bad):
    """NaN, infinity, text and what is not above 0 are refused, with the group's name."""
    with pytest.raises(InputError, match=r"group 'used': expected a current factor above 0"):
        bounded_factors({"new": 1.0, "used": bad}, {}, Bounds())
    with pytest.raises(InputError, match=r"group 'used': expected a suggested factor above 0"):
        bounded_factors({"used": 1.0}, {"used": Suggested(bad, 40)}, Bounds())


@pytest.mark.parametrize("bad", [nan, inf, 0.0, True, "0.9"])
def test_an_unsure_suggestion_is_checked_too(bad):
    """What holds the factor may lack one, but not be nonsense."""
    with pytest.raises(InputError, match="expected a suggested factor"):
        bounded_factors({"used": 1.0}, {"used": Suggested(bad, 2, "too_few")}, Bounds())
    with pytest.raises(InputError, match="expected a current factor"):
        bounded_factors({"used": 1.0}, {"used": Suggested(0.9, 40, current=bad)}, Bounds())


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Suggested(0.9, -1), "expected a number of pairs, got -1"),
        (Suggested(0.9, 4.5), "expected a number of pairs, got 4.5"),
        (Suggested(0.9, True), "expected a number of pairs, got True"),
        (Suggested(0.9, 40, "fine"), "expected a status of ok, too_few, within_noise, got 'fine'"),
        (Suggested(0.9, 40, None), "expected a status of ok"),
    ],
)
def test_counts_and_statuses_are_checked(broken, message):
    """A suggestion with another status or count than there can be is refused."""
    with pytest.raises(InputError, match=f"group 'used': {message}"):
        bounded_factors({"used": 1.0}, {"used": broken}, Bounds())


@pytest.mark.parametrize("name", ["", " new", "a\nb", "x" * 201])
def test_names_of_groups_are_checked(name):
    """A group whose name could not be a label is refused on either side."""
    with pytest.raises(InputError, match="label"):
        bounded_factors({name: 1.0}, {}, Bounds())
    with pytest.raises(InputError, match="label"):
        bounded_factors({}, {name: Suggested(0.9, 40)}, Bounds(), allow_unknown=True)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"min_factor": 0.0}, "expected 0 < min factor <= max factor, got 0.0 and 1.2"),
        ({"min_factor": 1.3}, "expected 0 < min factor <= max factor"),
        ({"max_factor": inf}, "expected 0 < min factor <= max factor"),
        ({"max_factor": nan}, "expected 0 < min factor <= max factor"),
        ({"min_factor": "0.5"}, "expected 0 < min factor <= max factor"),
        ({"max_step": 0.0}, "expected a max step above 0 and at most 1, got 0.0"),
        ({"max_step": 15.0}, "expected a max step above 0 and at most 1, got 15.0"),
        ({"max_step": nan}, "expected a max step above 0"),
        ({"max_step": True}, "expected a max step above 0"),
    ],
)
def test_bounds_that_make_no_sense(numbers, message):
    """Bounds without room, and steps of nothing or in percent, are refused with advice."""
    with pytest.raises(UsageError, match=message) as caught:
        Bounds(**numbers)

    assert caught.value.hint


def test_bounds_as_written():
    """The bounds stand in a document as floats, under the names of the options."""
    assert Bounds(max_factor=1).to_json() == {
        "min_factor": 0.5,
        "max_factor": 1.0,
        "max_step": 0.15,
    }


def test_reading_a_block_of_suggestions():
    """The suggestions of a document come back as values; the interval is left to others."""
    block = {
        "new": {"current_factor": 1.0, "suggested_factor": 0.95, "n": 40, "status": "ok"},
        "used": {"suggested_factor": None, "n": 3, "status": "too_few", "interval": None},
    }

    found = read_suggested(block, where="s.json")

    assert found == {
        "new": Suggested(0.95, 40, "ok", 1.0),
        "used": Suggested(None, 3, "too_few"),
    }


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ([], "at /suggestions: expected an object"),
        ({"a/b": 3}, "at /suggestions/a~1b: expected an object with suggested_factor, n, status"),
        ({"g": {"n": 3}}, "at /suggestions/g: has no 'suggested_factor', 'status'"),
        (
            {"g": {"suggested_factor": "x", "n": 3, "status": "ok"}},
            "at /suggestions/g: group 'g': expected a suggested factor above 0, got 'x'",
        ),
        (
            {"g": {"suggested_factor": None, "n": 3, "status": "ok"}},
            "at /suggestions/g: group 'g': expected a suggested factor above 0, got None",
        ),
    ],
)
def test_a_block_of_another_shape_is_refused(block, message):
    """What is no block of suggestions is refused with the file and a JSON pointer."""
    with pytest.raises(InputError) as caught:
        read_suggested(block, where="s.json")

    assert str(caught.value) == f"s.json: {message}"
