from __future__ import annotations

from dataclasses import replace
from math import nan

import numpy as np
import pytest

from calreg.calibrate import describe
from calreg.documents.calibration import METRICS, Distribution, LabelCalibration
from calreg.drift import HeadDrift, Pair, drift_between, drifts
from calreg.errors import InputError

LIMITS = dict(zip(METRICS, (0.01, 0.01, 0.05, 0.1, 0.05, 0.1), strict=True))
LOOSE = dict.fromkeys(METRICS, 2.0)


def label(scores, *, grid=(0.0, 1.0)) -> LabelCalibration:
    kept = describe(np.asarray(scores, dtype=np.float64), grid=grid)
    assert kept.quantiles is not None
    bounds = {name: kept.quantiles[name] for name in ("p5", "p95")}
    return LabelCalibration("minmax", bounds, kept)


def bare(p5: float, p95: float, *, samples: int | None = 1000) -> LabelCalibration:
    return LabelCalibration("minmax", {"p5": p5, "p95": p95}, Distribution(samples=samples))


def with_quantiles(base: LabelCalibration, **changes: float) -> LabelCalibration:
    quantiles = {**(base.distribution.quantiles or {}), **changes}
    return replace(base, distribution=replace(base.distribution, quantiles=quantiles))


def drift(new, reference, **options) -> HeadDrift:
    return drift_between(
        {"a": new}, {"a": reference}, thresholds=options.pop("thresholds", LIMITS), **options
    )


def beta(n: int, a: float = 2.0, b: float = 3.0, *, seed: int = 1):
    return np.random.default_rng(seed).beta(a, b, n)


# --- the table ----------------------------------------------------------------------------


def test_metrics_by_hand():
    """The six metrics are what their definitions give on four scores a side."""
    reference = label([0.125, 0.375, 0.625, 0.875])
    new = label([0.125, 0.375, 0.625, 0.625])

    found = drift(new, reference).metrics

    assert found["apd_p5"] == 0.0
    assert found["apd_p95"] == pytest.approx(0.8375 - 0.625)
    assert found["srd"] == pytest.approx((0.8375 - 0.625) / (0.8375 - 0.1625))
    # One cell holds 1/4 against 2/4, one 1/4 against nothing; the other two agree.
    cell = 0.25 * np.log2(0.25 / 0.375) + 0.5 * np.log2(0.5 / 0.375)
    assert found["jsd"] == pytest.approx(np.sqrt(0.5 * cell + 0.5 * 0.25))
    assert found["median_drift"] == 0.0
    assert found["iqr_drift"] == pytest.approx(abs((0.625 - 0.3125) - (0.6875 - 0.3125)) / 0.375)


def test_equality_is_unstable():
    """A metric that equals its threshold fails; a hair below passes."""
    reference, new = bare(0.25, 0.75), bare(0.375, 0.75)
    at = LOOSE | {"apd_p5": 0.125}
    above = LOOSE | {"apd_p5": float(np.nextafter(0.125, 1.0))}

    assert "apd_p5" in drift(new, reference, thresholds=at).failed_metrics
    assert "apd_p5" not in drift(new, reference, thresholds=above).failed_metrics


def test_first_run():
    """Without a reference everything is null, nothing failed, and the head is not stable."""
    found = drift_between({"b": bare(0, 1), "a": bare(0, 1)}, None, thresholds=LIMITS)

    assert found.metrics == found.noise == dict.fromkeys(METRICS)
    assert (found.is_stable, found.verdict, found.evidence) == (False, "unstable", "none")
    assert found.failed_metrics == ()
    assert found.label == "a"
    assert list(found.labels) == ["a", "b"]
    assert all(each.failed_metrics == () for each in found.labels.values())


def test_changed_labels_fail():
    """Another set of labels fails as `labels`, after the metrics, and is evidence of drift."""
    same, wide = label(beta(1000)), label(beta(1000) ** 3)

    found = drift_between({"a": wide, "new": same}, {"a": same, "old": same}, thresholds=LIMITS)

    assert found.failed_metrics[-1] == "labels"
    assert found.failed_metrics[:-1] == tuple(m for m in METRICS if m in found.failed_metrics)
    assert (found.is_stable, found.verdict, found.evidence) == (False, "unstable", "drift")
    assert found.label == "a"
    assert found.labels["new"].metrics == dict.fromkeys(METRICS)
    assert found.labels["new"].failed_metrics == METRICS


def test_added_label_fails_although_the_others_agree():
    """A label more is never stable, even if all common labels are identical."""
    same = label(beta(1000))

    found = drift_between({"a": same, "b": same}, {"a": same}, thresholds=LIMITS)

    assert found.failed_metrics == ("labels",)
    assert (found.is_stable, found.verdict) == (False, "unstable")


def test_no_label_in_common():
    """With no label in common every metric is null and fails."""
    same = label(beta(1000))

    found = drift_between({"b": same}, {"a": same}, thresholds=LIMITS)

    assert found.failed_metrics == (*METRICS, "labels")
    assert (found.label, found.verdict) == ("b", "unstable")


def test_zero_reference_range():
    """Of a zero range or IQR the relative change is 0 if the new one is zero too, else null."""
    flat, wide = label(np.full(200, 0.5)), label(beta(200))

    onto_flat = drift(wide, flat)
    still_flat = drift(flat, flat)

    assert onto_flat.metrics["srd"] is None
    assert onto_flat.metrics["iqr_drift"] is None
    assert {"srd", "iqr_drift"} <= set(onto_flat.failed_metrics)
    assert still_flat.metrics == dict.fromkeys(METRICS, 0.0)
    assert still_flat.noise["srd"] == 0.0
    assert still_flat.is_stable


def test_unordered_bounds_are_no_negative_drift():
    """A reference whose p5 exceeds its p95 makes the range metric null, not negative."""
    found = drift(bare(0.2, 0.8), bare(0.8, 0.2))

    assert found.metrics["srd"] is None
    assert not found.is_stable


@pytest.mark.parametrize("metric", ["jsd", "median_drift", "iqr_drift"])
def test_what_an_import_lacks_is_null_and_fails(metric):
    """A reference of p5 and p95 alone leaves the other metrics null, and null fails."""
    kept = label(beta(500))
    imported = bare(kept.parameters["p5"], kept.parameters["p95"], samples=500)

    found = drift(kept, imported)

    assert found.metrics[metric] is None
    assert metric in found.failed_metrics
    assert (found.is_stable, found.verdict, found.evidence) == (False, "undecided", "none")
    assert found.noise["apd_p5"] is not None  # the new side alone knows the shape


def test_other_grid_has_no_divergence():
    """Histograms on different grids are not compared."""
    scores = beta(500)

    found = drift(label(scores, grid=(0.0, 1.0)), label(scores, grid=(0.0, 2.0)))

    assert found.failed_metrics == ("jsd",)
    assert found.metrics["jsd"] is None
    assert found.noise["jsd"] is None


def test_other_method_fails_by_name():
    """Between two methods raw scores compare as ever; the head fails as `method`."""
    kept = label(beta(500))

    found = drift(kept, replace(kept, method="another"))

    assert found.failed_metrics == ("method",)
    assert found.metrics == dict.fromkeys(METRICS, 0.0)
    assert (found.verdict, found.evidence) == ("unstable", "drift")


def test_scores_outside_the_grid_count():
    """Underflow and overflow are cells of their own: moving between them is drift."""
    inside = np.linspace(0.0, 1.0, 101)
    below = label(np.append(inside, np.full(100, -0.5)))
    above = label(np.append(inside, np.full(100, 1.5)))

    assert drift(below, above).metrics["jsd"] == pytest.approx(np.sqrt(100 / 201))


def test_nan_never_yields_stable():
    """A NaN in parameters, quantiles or thresholds fails, with the metric null."""
    kept = label(beta(500))
    broken = replace(kept, parameters={"p5": nan, "p95": 0.9})

    for found in (drift(broken, kept), drift(kept, broken)):
        assert found.metrics["apd_p5"] is None
        assert not found.is_stable
    assert not drift(with_quantiles(kept, p50=nan), kept).is_stable
    assert not drift(kept, kept, thresholds=LIMITS | {"jsd": nan}).is_stable


# --- the worst label decides --------------------------------------------------------------


def test_worst_label_decides():
    """Each metric and its noise are its worst label's; the largest by its limit decides."""
    few, many = beta(400, seed=2), beta(4000, seed=3)
    near = {"x": label(few), "y": label(many)}
    apart = {"x": label(np.clip(few + 0.02, 0, 1)), "y": label(many**1.2)}

    found = drift_between(apart, near, thresholds=LIMITS)

    for metric in METRICS:
        worst = max(found.labels.values(), key=lambda each, m=metric: each.metrics[m])
        assert found.metrics[metric] == worst.metrics[metric]
        assert worst.noise[metric] < found.noise[metric] < 1.15 * worst.noise[metric]
    size = {
        name: max(each.metrics[m] / LIMITS[m] for m in METRICS)
        for name, each in found.labels.items()
    }
    assert found.label == max(size, key=size.__getitem__)


def test_null_is_worse_than_passing_and_better_than_failing():
    """A head shows a failing number before a null, and a null before a number that passes."""
    kept = label(beta(1000))
    moved = with_quantiles(kept, p50=0.9)
    unknown = with_quantiles(kept, p50=nan)
    reference = {"a": kept, "b": kept}

    beside_passing = drift_between({"a": kept, "b": unknown}, reference, thresholds=LIMITS)
    beside_failing = drift_between({"a": moved, "b": unknown}, reference, thresholds=LIMITS)

    assert beside_passing.metrics["median_drift"] is None
    assert beside_passing.label == "b"
    assert beside_failing.metrics["median_drift"] == pytest.approx(
        0.9 - kept.distribution.quantiles["p50"]
    )
    assert beside_failing.label == "a"


def test_many_heads_are_judged_as_one_by_one():
    """The bulk form gives exactly what each head gets alone, in the order given."""
    rng = np.random.default_rng(5)
    pairs = [
        Pair(
            {name: label(rng.beta(2, 3, int(rng.integers(100, 900)))) for name in names},
            {name: label(rng.beta(2, 3, 300)) for name in names} if number % 7 else None,
            LIMITS,
            "grown" if number % 2 else "independent",
        )
        for number, names in enumerate(["a", "ab", "cab"] * 50)
    ]

    alone = [drift_between(p.new, p.reference, thresholds=LIMITS, assume=p.assume) for p in pairs]
    assert drifts(pairs) == alone


# --- verdicts and evidence ----------------------------------------------------------------


def test_noise_is_not_taken_for_drift():
    """Failures within their noise are undecided, by the evidence of noise."""
    found = drift(label(beta(150, seed=1)), label(beta(150, seed=2)))

    assert found.failed_metrics
    assert (found.is_stable, found.verdict, found.evidence) == (False, "undecided", "noise")


def test_drift_is_not_taken_for_noise():
    """A failed metric beyond its noise is unstable, by the evidence of drift."""
    found = drift(label(beta(2000)), label(beta(2000) ** 2))

    assert (found.is_stable, found.verdict, found.evidence) == (False, "unstable", "drift")
    assert found.items_needed is None


def test_one_label_beyond_noise_is_enough():
    """One drifted label makes the head unstable, however noisy the others are."""
    noisy = label(beta(150, seed=1)), label(beta(150, seed=2))
    drifted = label(beta(2000)), label(beta(2000) ** 2)

    found = drift_between(
        {"a": noisy[0], "b": drifted[0]}, {"a": noisy[1], "b": drifted[1]}, thresholds=LIMITS
    )

    assert (found.verdict, found.evidence) == ("unstable", "drift")


def test_unknown_noise_excuses_nothing():
    """A failure whose noise is not known is unstable, though nothing proves a drift."""
    found = drift(bare(0.1, 0.9, samples=None), bare(0.2, 0.9, samples=None))

    assert found.noise["apd_p5"] is None
    assert (found.verdict, found.evidence) == ("unstable", "none")


# --- how many items would tell ------------------------------------------------------------


def test_items_needed_would_tell():
    """With about the items asked for, the failed metrics' noise is below their limits."""
    found = drift(label(beta(300, seed=4)), label(beta(20_000, seed=2)))
    assert found.evidence == "noise"
    assert not found.reference_too_small
    assert found.items_needed is not None
    assert found.items_needed > 300

    later = drift(label(beta(found.items_needed, seed=3)), label(beta(20_000, seed=2)))

    for metric in found.failed_metrics:
        assert later.noise[metric] < 1.15 * LIMITS[metric]


def test_a_small_reference_is_named():
    """Where the reference's own size is the noise, it says so, and what both sides need."""
    found = drift(label(beta(150, seed=1)), label(beta(150, seed=2)))
    assert found.evidence == "noise"
    assert found.reference_too_small
    assert found.items_needed is not None

    both = [label(beta(found.items_needed, seed=seed)) for seed in (3, 4)]
    later = drift(*both)

    for metric in found.failed_metrics:
        assert later.noise[metric] < 1.15 * LIMITS[metric]


def test_a_jump_between_modes_is_noise():
    """A median in the gap of two equal halves may leap it by chance, and noise says so."""
    rng = np.random.default_rng(3)
    low, high = rng.beta(1, 30, 400), rng.beta(30, 1, 400)
    fewer = label(np.append(low[:-6], high)), label(np.append(low, high[:-6]))

    found = drift(*fewer)

    assert found.metrics["median_drift"] > 0.4
    assert found.noise["median_drift"] > found.metrics["median_drift"]
    assert found.noise["apd_p5"] < 0.01


def test_a_threshold_of_zero_cannot_be_told():
    """No number of items brings noise below a threshold of zero."""
    found = drift(
        label(beta(150, seed=1)), label(beta(150, seed=2)), thresholds=LOOSE | {"jsd": 0.0}
    )

    assert found.evidence == "noise"
    assert found.items_needed is None


def test_noise_without_bounds_cannot_be_told():
    """A relative metric on a vanishing reference needs no astronomic number of items."""
    found = drift(label([0.0, 0.5]), label([0.0, 1e-155]))

    assert found.metrics["iqr_drift"] == pytest.approx(5e154)
    assert (found.evidence, found.items_needed) == ("noise", None)


# --- grown libraries ----------------------------------------------------------------------


def test_grown_library_has_less_noise():
    """A library that includes the reference's items has less noise, and the result says so."""
    scores = beta(1500)
    sides = label(scores), label(scores[:1000])

    independent, grown = drift(*sides), drift(*sides, assume="grown")

    assert (independent.assumption, grown.assumption) == ("independent", "grown")
    for metric in METRICS:
        assert grown.noise[metric] < independent.noise[metric]


@pytest.mark.parametrize(
    ("new", "reference"),
    [
        pytest.param(beta(1500, seed=2), beta(1000, seed=3) ** 4, id="cells shrank"),
        pytest.param(beta(900), beta(1000), id="fewer items"),
    ],
)
def test_what_cannot_have_grown_is_independent(new, reference):
    """Where the counts rule out that new includes the reference, independence is assumed."""
    sides = label(new), label(reference)

    found = drift(*sides, assume="grown")

    assert found == drift(*sides)
    assert found.assumption == "independent"


def test_same_items_have_no_noise():
    """The same items again: no drift, and no noise to excuse any."""
    kept = label(beta(500))

    found = drift(kept, kept, assume="grown")

    assert found.noise == dict.fromkeys(METRICS, 0.0)
    assert found.is_stable


# --- refusals -----------------------------------------------------------------------------


def test_refuses_a_head_without_labels():
    """No labels, no drift: refused, not stable."""
    with pytest.raises(InputError, match="expected at least one label"):
        drift_between({}, {}, thresholds=LIMITS)


def test_refuses_a_missing_threshold():
    """A metric without a threshold is refused by name, not passed."""
    limits = {name: limit for name, limit in LIMITS.items() if name != "jsd"}

    with pytest.raises(InputError, match="no drift threshold for jsd"):
        drift(bare(0, 1), bare(0, 1), thresholds=limits)
