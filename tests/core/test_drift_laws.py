from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from calreg.calibrate import describe
from calreg.documents.calibration import METRICS, LabelCalibration
from calreg.drift import drift_between

# A slow machine is no counter-example.
LAW = settings(deadline=None, max_examples=25)

LIMITS = dict(zip(METRICS, (0.01, 0.01, 0.05, 0.1, 0.05, 0.1), strict=True))
SYMMETRIC = ("apd_p5", "apd_p95", "jsd", "median_drift")
NAMES = ("p1", "p5", "p25", "p50", "p75", "p95", "p99")

unit = st.floats(-0.25, 1.25) | st.sampled_from([0.0, 0.05, 0.5, 1.0])


def calibrated(scores: list[float]) -> LabelCalibration:
    kept = describe(np.array(scores), grid=(0.0, 1.0))
    assert kept.quantiles is not None
    bounds = {name: kept.quantiles[name] for name in ("p5", "p95")}
    return LabelCalibration("minmax", bounds, kept)


labels = st.lists(unit, min_size=2, max_size=60).map(calibrated)
heads = st.dictionaries(st.text(max_size=3), labels, min_size=1, max_size=4)
assumptions = st.sampled_from(["independent", "grown"])


def drift(new, reference, **options):
    return drift_between(new, reference, thresholds=LIMITS, **options)


@LAW
@given(heads, assumptions)
def test_drift_with_itself_is_exactly_zero(head, assumption):
    """Drift of a thing with itself is exactly 0 in every metric, and stable."""
    found = drift(head, head, assume=assumption)

    assert found.metrics == dict.fromkeys(METRICS, 0.0)
    assert (found.is_stable, found.verdict, found.evidence) == (True, "stable", "none")


@LAW
@given(labels, st.integers(2, 5))
def test_the_same_shares_are_exactly_no_divergence(label, times):
    """The same shares of more scores diverge by exactly 0, not by rounding."""
    kept = label.distribution
    more = replace(
        kept,
        samples=kept.samples * times,
        histogram=replace(
            kept.histogram,
            counts=tuple(times * count for count in kept.histogram.counts),
            underflow=times * kept.histogram.underflow,
            overflow=times * kept.histogram.overflow,
        ),
    )

    found = drift({"a": replace(label, distribution=more)}, {"a": label})

    assert found.metrics["jsd"] == 0.0


@LAW
@given(heads, st.data())
def test_order_of_labels_does_not_matter(head, data):
    """The order in which labels come changes nothing."""
    reference = {name: data.draw(labels) for name in head}
    shuffled = {name: head[name] for name in data.draw(st.permutations(list(head)))}

    assert drift(shuffled, dict(reversed(reference.items()))) == drift(head, reference)


@LAW
@given(labels, labels)
def test_differences_are_symmetric(one, other):
    """The metrics that are differences do not depend on which side is the reference."""
    there, back = drift({"a": one}, {"a": other}), drift({"a": other}, {"a": one})

    for metric in SYMMETRIC:
        assert there.metrics[metric] == back.metrics[metric]


@LAW
@given(labels, labels)
def test_scales(one, other):
    """Every metric is at least 0, JSD at most 1, and so is no noise negative."""
    found = drift({"a": one}, {"a": other})

    known = [value for value in found.metrics.values() if value is not None]
    assert all(0.0 <= value < inf for value in known)
    assert 0.0 <= found.metrics["jsd"] <= 1.0
    assert all(value >= 0.0 for value in found.noise.values() if value is not None)


@LAW
@given(labels, labels)
def test_disjoint_cells_are_at_distance_one(one, other):
    """JSD is 1 exactly where no coarse cell holds scores of both, and below 1 elsewhere."""
    occupied = [
        np.add.reduceat(np.array(side.distribution.histogram.counts), range(0, 100, 5)) > 0
        for side in (one, other)
    ]
    ends = [
        (side.distribution.histogram.underflow > 0, side.distribution.histogram.overflow > 0)
        for side in (one, other)
    ]
    share = bool((occupied[0] & occupied[1]).any()) or any(
        a and b for a, b in zip(*ends, strict=True)
    )

    distance = drift({"a": one}, {"a": other}).metrics["jsd"]

    assert (distance < 1.0 - 1e-9) == share
    assert share or abs(distance - 1.0) < 1e-12


@LAW
@given(labels, labels)
def test_a_swap_of_two_labels_is_never_stable(one, other):
    """Two labels that differ by more than a threshold cannot change places unnoticed."""
    assume(not drift({"a": one}, {"a": other}).is_stable)

    found = drift({"a": one, "b": other}, {"a": other, "b": one})

    assert not found.is_stable
    assert found.verdict != "stable"


@LAW
@given(heads, st.data())
def test_one_unstable_label_makes_the_head_unstable(head, data):
    """A head is stable exactly if each of its labels is: the worst decides."""
    reference = {name: data.draw(labels) for name in head}

    found = drift(head, reference)

    alone = [drift({name: head[name]}, {name: reference[name]}) for name in head]
    assert found.is_stable == all(each.is_stable for each in alone)
    assert set(found.failed_metrics) == {m for each in alone for m in each.failed_metrics}


@LAW
@given(heads, st.sampled_from(["p5", "p95", *NAMES]), st.sampled_from([nan, inf, -inf]), st.data())
def test_no_nan_or_infinity_is_ever_stable(head, name, bad, data):
    """A number that is not finite, wherever a metric reads it, never yields stable."""
    victim = data.draw(st.sampled_from(sorted(head)))
    label = head[victim]
    if name in label.parameters:
        broken = replace(label, parameters={**label.parameters, name: bad})
    else:
        assume(name not in ("p1", "p99"))  # no metric reads these
        quantiles = {**label.distribution.quantiles, name: bad}
        broken = replace(label, distribution=replace(label.distribution, quantiles=quantiles))
    changed = {**head, victim: broken}

    for found in (drift(changed, head), drift(head, changed), drift(changed, changed)):
        assert not found.is_stable
        assert found.failed_metrics


@LAW
@given(labels, st.sampled_from(["quantiles", "histogram"]))
def test_what_is_absent_is_never_stable(label, field):
    """A side without quantiles or without histogram never yields stable."""
    lacking = replace(label, distribution=replace(label.distribution, **{field: None}))

    for sides in ((lacking, label), (label, lacking), (lacking, lacking)):
        found = drift({"a": sides[0]}, {"a": sides[1]})
        assert not found.is_stable
        assert found.verdict == "undecided"


@LAW
@given(heads, st.text(max_size=3), labels)
def test_a_changed_set_of_labels_is_never_stable(head, name, label):
    """A label more or less fails as `labels`, whatever the others do."""
    assume(name not in head)
    more = {**head, name: label}

    for found in (drift(more, head), drift(head, more)):
        assert found.failed_metrics[-1] == "labels"
        assert (found.verdict, found.is_stable) == ("unstable", False)


@LAW
@given(labels, labels, st.floats(0.001, 0.5))
def test_stable_means_strictly_below_every_threshold(one, other, limit):
    """`is_stable` is the table to the letter, recomputed from the numbers reported."""
    limits = dict.fromkeys(METRICS, limit)

    found = drift_between({"a": one}, {"a": other}, thresholds=limits)

    below = [m for m in METRICS if found.metrics[m] is not None and found.metrics[m] < limit]
    assert found.is_stable == (below == list(METRICS))
    assert list(found.failed_metrics) == [m for m in METRICS if m not in below]


@LAW
@given(labels, labels, assumptions)
def test_undecided_means_every_failure_is_within_noise(one, other, assumption):
    """The verdict and the evidence follow from the metrics and noise reported."""
    found = drift({"a": one}, {"a": other}, assume=assumption)

    failures = [
        (found.metrics[m], found.noise[m])
        for m in found.failed_metrics
        if found.metrics[m] is not None
    ]
    within = all(noise is not None and value <= noise for value, noise in failures)
    if found.is_stable:
        assert found.verdict == "stable"
    else:
        assert found.verdict == ("undecided" if within else "unstable")
    beyond = any(noise is not None and value > noise for value, noise in failures)
    expected = "drift" if beyond else "noise" if failures and within else "none"
    assert found.evidence == expected
