"""An index that agrees with the references."""

from gate_builder import HAPPY, Registry

from calreg.documents import Entry, Index, ModelEntry, ModelIndex, digest_of
from gate_cases import Asked, Cases, ask

cases = Cases("index")
ONE = Registry.new().run({HAPPY: 0.5})
SECOND = "essentia/effnet/index.json"


def indexed(registry: Registry) -> Registry:
    """The registry with an index of its references."""
    held = registry.reference(HAPPY.reference_path)
    entry = Entry(held.version, held.digest, len(held.raw))
    second = ModelIndex(HAPPY.model, {HAPPY.head: entry}).to_bytes()
    top = Index(
        registry="music",
        seq=1,
        issued="2026-10-01T00:00:00.000Z",
        expires="2027-01-01T00:00:00.000Z",
        commit="0" * 40,
        previous=None,
        keys=None,
        withdrawn=None,
        models={HAPPY.model: ModelEntry(digest_of(second), len(second), 1)},
    )
    return registry.but({SECOND: second, "index.json": top.to_bytes()})


@cases.allowed
def none_at_all() -> Asked:
    """A working branch needs no index."""
    return ask(ONE, ONE.run({HAPPY: 0.7}, day=2))


@cases.allowed
def made_anew() -> Asked:
    """An index that follows its references passes."""
    return ask(indexed(ONE), indexed(ONE.run({HAPPY: 0.7}, day=2)))


@cases.blocked("does not agree about mood_happy")
def left_behind() -> Asked:
    """An index that still lists the reference before is blocked."""
    base = indexed(ONE)
    return ask(base, base.run({HAPPY: 0.7}, day=2))


@cases.blocked("lists timbre, which is not there")
def of_a_head_that_is_none() -> Asked:
    """An index that lists a head without a reference is blocked."""
    entry = {"version": 1, "digest": "0" * 64, "size": 1}
    return ask(ONE, indexed(ONE).edited(SECOND, "heads", "timbre", entry))


@cases.blocked("at /registry: expected 'music', got 'other'")
def of_another_registry() -> Asked:
    """An index of another registry is blocked."""
    return ask(ONE, indexed(ONE).edited("index.json", "registry", "other"))
