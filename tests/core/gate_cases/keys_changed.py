"""Who signs is always said."""

from collections.abc import Collection

from gate_builder import HAPPY, Registry
from signing_by_hand import public, signed

from calreg.documents import checked_bytes
from calreg.plan.keys import SignedKeys, checked_lists, next_keys
from calreg.signatures import KEYS_NAMESPACE
from gate_cases import Asked, Cases, ask

cases = Cases("keys-changed")
ONE = Registry.new().run({HAPPY: 0.5})


def trusting(registry: Registry, numbers: Collection[int], signers: Collection[int]) -> Registry:
    """The registry with one more list of keys, signed by some, rightly or not."""
    before = newest(registry)
    keys = next_keys("music", before, [public(number) for number in numbers], 1)
    path = f"keys/{keys.number}.json"
    raw = checked_bytes("keys", keys, where=path)
    signature = signed(raw, *signers, namespace=KEYS_NAMESPACE)
    return registry.but({path: raw, f"{path}.sig": signature})


def newest(registry: Registry) -> SignedKeys | None:
    files = {path: raw for path, raw in registry.tree.items() if path.startswith("keys/")}
    lists = checked_lists("music", files)
    return lists[-1] if lists else None


SIGNED = trusting(ONE, (1, 2), (1,))


@cases.allowed
def no_keys_touched() -> Asked:
    """Where no list is touched there is nothing to say."""
    return ask(SIGNED, SIGNED.run({HAPPY: 0.7}, day=2))


@cases.blocked("the first list of keys", severity="warning")
def the_first_list() -> Asked:
    """The first list passes, and is said: nobody vouches for it but the change."""
    return ask(ONE, SIGNED)


@cases.blocked("the first list of keys")
def the_first_list_in_a_crowd() -> Asked:
    """The first list comes alone: with a run beside it, it is blocked."""
    return ask(ONE, trusting(ONE, (1,), (1,)).run({HAPPY: 0.7}, day=2))


@cases.blocked("signed by the keys of keys/1.json", severity="warning")
def the_next_list() -> Asked:
    """A list that the keys before signed passes, and is said."""
    return ask(SIGNED, trusting(SIGNED, (2, 3), (2, 3)))


@cases.blocked("sign")
def by_a_stranger() -> Asked:
    """A list that only its own keys signed is blocked: that is how a registry is taken over."""
    return ask(SIGNED, trusting(SIGNED, (3,), (3,)))


@cases.blocked("sign")
def without_a_signature() -> Asked:
    """A list without its signatures is blocked."""
    return ask(SIGNED, trusting(SIGNED, (2, 3), (2, 3)).but({"keys/2.json.sig": None}))


@cases.blocked("sign")
def by_a_stranger_under_a_lax_policy() -> Asked:
    """No policy makes less of a list that nobody vouches for."""
    base = Registry.new(b"gate: {severities: {keys-changed: note}}\n").run({HAPPY: 0.5})
    base = trusting(base, (1, 2), (1,))
    return ask(base, trusting(base, (3,), (3,)))


@cases.blocked("this list of keys is missing")
def a_gap() -> Asked:
    """A list whose number is not the next is blocked."""
    two = trusting(SIGNED, (2, 3), (2, 3)).tree
    files = {"keys/3.json": two["keys/2.json"], "keys/3.json.sig": two["keys/2.json.sig"]}
    return ask(SIGNED, SIGNED.but(files))


@cases.blocked("signs a list of keys that is not there")
def a_signature_of_nothing() -> Asked:
    """A signature without a list is blocked."""
    return ask(SIGNED, SIGNED.but({"keys/7.json.sig": SIGNED.tree["keys/1.json.sig"]}))
