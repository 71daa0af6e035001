"""Drift as it comes out, not as it is claimed."""

from typing import Any

from gate_builder import DANCE, HAPPY, Registry

from calreg.documents import METRICS, canonical_bytes, load_json
from calreg.documents.settings import RegistrySettings
from gate_cases import Asked, Cases, ask

cases = Cases("drift-recomputed")
ONE = Registry.new().run({HAPPY: 0.5, DANCE: 0.4})
TWO = ONE.run({HAPPY: 0.7, DANCE: 0.4}, day=2)
PART = "essentia/effnet/v2/run.json"


def with_row(registry: Registry, **changes: Any) -> Registry:
    """A row that says something else, with honest digests above it."""
    data = load_json(registry.tree[PART], where=PART)
    data["heads"]["mood_happy"].update(changes)
    return registry.but({PART: canonical_bytes(data)}).honest_digests(2)


def claims_stability() -> Registry:
    """Everything that a run of a stable head would say, of one that drifted."""
    calm = dict.fromkeys(METRICS, 0.0)
    data = load_json(TWO.tree[PART], where=PART)
    row = data["heads"]["mood_happy"]
    row.update(is_stable=True, verdict="stable", evidence="none", failed_metrics=[], metrics=calm)
    row.update(reference_update="unchanged", reference_after=1)
    row["labels"]["yes"].update(metrics=calm, failed_metrics=[])
    kept = {HAPPY.reference_path: ONE.tree[HAPPY.reference_path], PART: canonical_bytes(data)}
    return TWO.but(kept).honest_digests(2)


@cases.allowed
def as_it_comes_out() -> Asked:
    """A run as it was computed passes, drifted or stable."""
    return ask(ONE, TWO)


@cases.allowed
def the_last_digits() -> Asked:
    """A bit of difference, as between two processors, is no claim."""
    row = load_json(TWO.tree[PART], where=PART)["heads"]["mood_happy"]
    bit = {**row["metrics"], "jsd": row["metrics"]["jsd"] * (1 + 2**-52)}
    return ask(ONE, with_row(TWO, metrics=bit))


@cases.blocked("is_stable says true, it is false")
def stability_claimed() -> Asked:
    """A run that claims a drifted head to be stable is blocked, however well it is forged."""
    return ask(ONE, claims_stability())


@cases.blocked("is_stable says true, it is false")
def one_word_forged() -> Asked:
    """is_stable alone, changed by hand, is named too."""
    return ask(ONE, TWO.edited(PART, "heads", "mood_happy", "is_stable", True))


@cases.blocked("evidence says noise, it is drift")
def evidence_claimed() -> Asked:
    """Drift that is called noise is blocked."""
    return ask(ONE, with_row(TWO, evidence="noise"))


@cases.blocked("options.thresholds")
def rules_of_ones_own() -> Asked:
    """A run judged by thresholds that the base does not have is blocked."""
    wide = RegistrySettings.from_json({"name": "music", "thresholds": dict.fromkeys(METRICS, 9.0)})
    return ask(ONE, ONE.run({HAPPY: 0.7, DANCE: 0.4}, day=2, rules=wide))


@cases.blocked("summary.stable_heads says 2, it is 1")
def another_summary() -> Asked:
    """A summary that counts more stable heads than there are is blocked."""
    counts = load_json(TWO.tree["runs/2.json"], where="r")["summary"]
    other = {**counts, "stable_heads": 2, "unstable_heads": 0}
    return ask(ONE, TWO.edited("runs/2.json", "summary", other))


@cases.blocked("was compared with v1, the reference is v2")
def compared_with_another_reference() -> Asked:
    """A run that was compared with what was the reference before is blocked."""
    moved = ONE.run({HAPPY: 0.6, DANCE: 0.4}, day=2)
    stale = ONE.run({HAPPY: 0.6, DANCE: 0.4}, day=2).tree["essentia/effnet/v2/run.json"]
    three = moved.run({HAPPY: 0.6, DANCE: 0.4}, day=3)
    data = load_json(stale, where="r")
    data.update(version=3, timestamp=load_json(three.tree["runs/3.json"], where="r")["timestamp"])
    row = data["heads"]["mood_happy"]
    row.update(reference_after=3, digest=load_json(
        three.tree["essentia/effnet/v3/run.json"], where="r"
    )["heads"]["mood_happy"]["digest"])  # fmt: skip
    forged = three.but({"essentia/effnet/v3/run.json": canonical_bytes(data)}).honest_digests(3)
    return ask(moved, forged)
