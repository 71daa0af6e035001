"""The lists of keys that sign a registry's index, and the plan of the next one.

A list follows another: it is signed by enough keys of the list before and by enough of its
own, so that who trusts one list can follow to the newest, and nobody else can put one in
between. The first is signed by its own keys alone; a reader takes it on trust, or was told
its fingerprints. Signing itself happens elsewhere: a plan is made of what was signed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from calreg.documents import Keys, digest_of, load_keys
from calreg.errors import InputError, RegistryError
from calreg.names import HeadName, keys_path, keys_signature_path
from calreg.plan.message import keys_message
from calreg.plan.state import RegistryState
from calreg.signatures import KEYS_NAMESPACE, PublicKey, check_signed

__all__ = [
    "KeysPlan",
    "SignedKeys",
    "check_newest",
    "check_signers",
    "checked_lists",
    "next_keys",
    "plan_keys",
]

_MAX_KEYS = 64  # as schemas/keys.schema.json says


@dataclass(frozen=True, slots=True)
class SignedKeys:
    """A list of keys whose signatures were checked, with the very bytes it lies there with.

    Args:
        keys: The list.
        raw: Its bytes.
        signature: The file of its signatures.
        public: Its keys.
        signed_by: Fingerprints of those who signed it, of this list or the one before.
    """

    keys: Keys
    raw: bytes
    signature: bytes
    public: tuple[PublicKey, ...]
    signed_by: frozenset[str]

    @property
    def path(self) -> str:
        """Where it is, in the registry."""
        return keys_path(self.keys.number)


@dataclass(frozen=True, slots=True)
class KeysPlan:
    """A new list of keys as it would be committed.

    Args:
        after: The new list.
        before: The list that it replaces; None for the first.
        timestamp: When, as it stands in documents.
    """

    after: SignedKeys
    before: SignedKeys | None
    timestamp: str

    @property
    def files(self) -> Mapping[str, bytes]:
        """The list and its signatures, by their paths in the registry."""
        signature_path = keys_signature_path(self.after.keys.number)
        return {self.after.path: self.after.raw, signature_path: self.after.signature}

    @property
    def heads(self) -> Collection[HeadName]:
        """None: a list of keys is about no head."""
        return ()

    @property
    def added(self) -> tuple[PublicKey, ...]:
        """The keys that the list before did not have."""
        old = self.before.public if self.before else ()
        return tuple(key for key in self.after.public if key not in old)

    @property
    def removed(self) -> tuple[PublicKey, ...]:
        """The keys that only the list before had."""
        old = self.before.public if self.before else ()
        return tuple(key for key in old if key not in self.after.public)

    @property
    def message(self) -> str:
        """The commit's message."""
        changes = [f"added {key}" for key in self.added] + [f"removed {k}" for k in self.removed]
        return keys_message(self.after.keys, changes, timestamp=self.timestamp)


def next_keys(
    registry: str,
    before: SignedKeys | None,
    wanted: Sequence[PublicKey],
    threshold: int | None,
) -> Keys:
    """The list that comes next, as yet unsigned.

    Args:
        registry: The registry's name.
        before: The newest list there is; None if there is none.
        wanted: All keys of the new list.
        threshold: How many must sign; None: as before, or one key of one.

    Raises:
        InputError: No key, a key twice, too many, no threshold for a first list of several keys,
            or one above the number of keys.
        RegistryError: The list says what the one before says.
    """
    _check_distinct(wanted)
    needed = _threshold(before, len(wanted), threshold)
    keys = Keys(
        registry=registry,
        number=before.keys.number + 1 if before else 1,
        threshold=needed,
        keys={key.fingerprint: key.line for key in sorted(wanted, key=_by_fingerprint)},
        previous=digest_of(before.raw) if before else None,
    )
    if before and (before.keys.threshold, before.keys.keys) == (keys.threshold, keys.keys):
        raise RegistryError(
            f"{before.path} lists exactly these keys already, with the same threshold",
            code="no-change",
        )
    return keys


def _by_fingerprint(key: PublicKey) -> str:
    return key.fingerprint


def _check_distinct(wanted: Sequence[PublicKey]) -> None:
    twice = [key for key, count in Counter(wanted).items() if count > 1]
    if twice:
        raise InputError(
            f"{twice[0]} is given {wanted.count(twice[0])} times",
            hint="Two files can hold one key under two comments.",
            code="key-twice",
        )
    if not 1 <= len(wanted) <= _MAX_KEYS:
        raise InputError(
            f"expected 1 to {_MAX_KEYS} keys, got {len(wanted)}",
            hint="A list of keys replaces the one before: name every key that counts from now on.",
            code="keys",
        )


def _threshold(before: SignedKeys | None, count: int, wanted: int | None) -> int:
    if wanted is not None:
        needed = wanted
    elif before is not None:
        needed = before.keys.threshold
    elif count == 1:
        needed = 1
    else:
        raise InputError(
            f"how many of the {count} keys must sign?",
            hint=f"--threshold {count // 2 + 1}, for a majority; --threshold 1, for any of them.",
            code="threshold",
        )
    if not 1 <= needed <= count:
        as_before = "" if wanted is not None else ", as in the list before"
        raise InputError(
            f"{needed} of {count} keys cannot sign{as_before}",
            hint=f"--threshold K, from 1 to {count}.",
            code="threshold",
        )
    return needed


def check_signers(before: SignedKeys | None, keys: Keys, having: Iterable[PublicKey]) -> None:
    """Refuse before anything is signed what `plan_keys` would refuse afterwards.

    Args:
        before: The list that is replaced.
        keys: The new list.
        having: The keys that are about to sign, or have.

    Raises:
        InputError: One of them is in neither list.
        RegistryError: Too few of either list, with the names of those that could sign.
    """
    signing = list(having)
    own = _public(keys, where=keys_path(keys.number))
    rules = [(own, keys.threshold, keys_path(keys.number))]
    if before is not None:
        rules.insert(0, (before.public, before.keys.threshold, before.path))
    for key in signing:
        if not any(key in members for members, _, _ in rules):
            places = " nor in ".join(path for _, _, path in rules)
            raise InputError(f"{key} is not in {places}: its signature would not count", code="key")
    for members, threshold, path in rules:
        there = [key for key in members if key in signing]
        if len(there) < threshold:
            missing = ", ".join(str(key) for key in members if key not in signing)
            few = "more of" if threshold - len(there) < len(members) - len(there) else "more:"
            raise RegistryError(
                f"{threshold} of the {len(members)} keys of {path} must sign, {len(there)} "
                f"would; {threshold - len(there)} {few} {missing}",
                hint="--sign KEY for each; --signature FILE for one that was made elsewhere.",
                code="signature",
            )


def plan_keys(
    before: SignedKeys | None, raw: bytes, signature: bytes, *, timestamp: str
) -> KeysPlan:
    """What the signed bytes of a new list write.

    Args:
        before: The list that it replaces.
        raw: The bytes of the new list, as they were signed.
        signature: The file of signatures.
        timestamp: When, as it stands in documents.

    Raises:
        RegistryError: Too few signatures of either list, or a wrong one.
        InputError: The bytes are no list of keys that could follow.
    """
    number = before.keys.number + 1 if before else 1
    return KeysPlan(_checked(before, raw, signature, keys_path(number)), before, timestamp)


def check_newest(state: RegistryState, plan: KeysPlan) -> None:
    """Refuse a plan that does not follow the newest list, since what was signed cannot change.

    Raises:
        RegistryError: Somebody else's list is there already.
    """
    newest = plan.after.keys.number - 1
    if state.highest_keys != newest:
        raise RegistryError(
            f"the newest list is {keys_path(state.highest_keys)} by now, not "
            f"{keys_path(newest) if newest else 'none'}",
            hint="git pull, look at calreg keys list, and sign a list that follows it.",
            code="keys-moved",
        )


def checked_lists(
    registry: str, files: Mapping[str, bytes], *, where: str = ""
) -> tuple[SignedKeys, ...]:
    """All lists of a registry, the oldest first, each checked against the one before.

    Args:
        registry: The registry's name.
        files: The files of the folder `keys`, by their paths in the registry.
        where: What stands before a path in messages.

    Raises:
        InputError: A number is missing, or a list is invalid.
        RegistryError: A list is not signed by whom it must be.
    """
    count = sum(not path.endswith(".sig") for path in files)
    found: list[SignedKeys] = []
    for number in range(1, count + 1):
        path = keys_path(number)
        if path not in files:
            raise InputError("this list of keys is missing", where=where + path, code="document")
        before = found[-1] if found else None
        signature = files.get(keys_signature_path(number))
        checked = _checked(before, files[path], signature, where + path)
        if checked.keys.registry != registry:
            raise InputError(
                f"at /registry: expected {registry!r}, got {checked.keys.registry!r}",
                where=where + path,
                code="document",
            )
        found.append(checked)
    return tuple(found)


def _checked(
    before: SignedKeys | None, raw: bytes, signature: bytes | None, where: str
) -> SignedKeys:
    """A list, if it is signed as it must be and follows the one before."""
    signers: frozenset[str] = frozenset()
    if before is not None:
        # Before anyone parses it: whoever could not sign has no say in what is parsed.
        signers = _signers(raw, signature, before.public, before.keys.threshold, where)
    keys = load_keys(raw, where=where)
    public = _public(keys, where=where)
    signers |= _signers(raw, signature, public, keys.threshold, where)
    expected = (before.keys.number + 1, digest_of(before.raw)) if before else (1, None)
    if (keys.number, keys.previous) != expected:
        raise InputError(
            f"does not follow the list before: expected number {expected[0]}, previous "
            f"{expected[1]}; got {keys.number}, {keys.previous}",
            where=where,
            code="document",
        )
    if before and keys.registry != before.keys.registry:
        raise InputError(
            f"is a list of {keys.registry!r}, not of {before.keys.registry!r}",
            where=where,
            code="document",
        )
    return SignedKeys(keys, raw, signature or b"", public, signers)


def _signers(
    raw: bytes, signature: bytes | None, public: Sequence[PublicKey], threshold: int, where: str
) -> frozenset[str]:
    return check_signed(
        raw, signature, public, threshold=threshold, namespace=KEYS_NAMESPACE, where=where
    )


def _public(keys: Keys, *, where: str) -> tuple[PublicKey, ...]:
    """The keys of a list, each under its own fingerprint."""
    found = []
    for fingerprint, line in keys.keys.items():
        key = PublicKey.parse(line, where)
        if key.fingerprint != fingerprint:
            raise InputError(
                f"at /keys: {fingerprint} stands before the key {key.fingerprint}",
                where=where,
                code="document",
            )
        found.append(key)
    return tuple(found)
