"""Whether an index is to be believed: signed, newer than the last, of the same registry.

Pure: bytes and what the lock knows go in, an index and what the lock will know come out.
Signatures are checked over the raw bytes before anyone parses them, as soon as a key is
known: one that a person gave, or one that was pinned when the registry was first seen. From
a pinned list of keys the newer lists are followed, each signed by the one before it.

Expiry is judged apart (`check_fresh`), by whoever knows whether anything new is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from calreg import documents
from calreg.client.views import Asking
from calreg.documents import (
    Entry,
    Index,
    Keys,
    LockSource,
    ModelEntry,
    ReadFrom,
    Trust,
    Withdrawn,
)
from calreg.errors import DigestMismatchError, InputError, RegistryError
from calreg.names import INDEX_PATH, WITHDRAWN_PATH, keys_path

if TYPE_CHECKING:
    from calreg.signatures import PublicKey

__all__ = [
    "MAX_INDEX_BYTES",
    "MAX_KEYS_BYTES",
    "MAX_SIGNATURE_BYTES",
    "MAX_WITHDRAWN_BYTES",
    "KeysAt",
    "age_of",
    "all_withdrawn",
    "check_fresh",
    "check_listed",
    "check_registry",
    "freshness",
    "in_words",
    "load_withdrawn_list",
    "model_heads",
    "verified",
]

MAX_INDEX_BYTES = 16 * 2**20
MAX_KEYS_BYTES = 64 * 2**10
MAX_SIGNATURE_BYTES = 64 * 2**10
MAX_WITHDRAWN_BYTES = 4 * 2**20

_MAX_SEQ_JUMP = 10**6
_MAX_LISTS = 1000
_CLOCK_SKEW = timedelta(minutes=5)
_FROM_THE_FUTURE = timedelta(days=1)

KeysAt = Callable[[int], tuple[bytes, bytes] | None]
"""The bytes of a numbered list of keys and of its signatures; None if there is no such list."""

_ASK = "Ask who keeps the registry; if it is meant so, pull into a new folder."


def verified(
    raw_index: bytes,
    signature: bytes | None,
    lists: KeysAt,
    asking: Asking,
    *,
    source: str,
    read: ReadFrom,
    tip: str | None,
    where: str = INDEX_PATH,
) -> tuple[Index, LockSource]:
    """The index that the bytes hold, and what a lock records of it; withdrawn versions apart.

    Args:
        raw_index: As it was read.
        signature: The file of signatures beside it; None if there is none.
        lists: Hands out lists of keys; asked for those that are needed.
        asking: What is known, given and allowed.
        source: The address to record, without secrets.
        read: The kind of source.
        tip: What will tell whether there is news.
        where: The place of the index, for errors.

    Raises:
        InputError: The bytes are no index.
        RegistryError: Not signed as it must be ("unsigned", "signature"), of another registry,
            or no successor of the index that is known ("rewound", "equivocation", "seq-jump",
            "history-rewritten").
    """
    _check_size(raw_index, MAX_INDEX_BYTES, where)
    known = asking.known
    trust = _trust_before(asking)

    def asked(number: int) -> tuple[bytes, bytes] | None:
        asking.deadline.left_s()  # many lists by many keys take their time to verify
        return lists(number)

    if trust is not None:
        registry = known.registry if known else None
        trust = _following(raw_index, signature, trust, asked, registry, where)
    index = documents.load_index(raw_index, where=where)
    check_registry(known, index.registry)
    trust = _trust_after(index, raw_index, signature, trust, asked, where)
    digest = documents.digest_of(raw_index)
    if known is not None:
        _check_succession(index, digest, known, is_rotated=_is_rotated(known.trust, trust))
    found = LockSource(
        source=source,
        registry=index.registry,
        commit=index.commit,
        seq=index.seq,
        read=read,
        tip=tip,
        index=digest,
        issued=index.issued,
        expires=index.expires,
        trust=trust,
    )
    return index, found


def check_registry(known: LockSource | None, registry: str) -> None:
    """Refuse another registry; the same one may have another address."""
    if known is not None and known.registry != registry:
        raise RegistryError(
            f"this folder holds references of {known.registry!r}, this source is {registry!r}",
            hint="Pull into another folder.",
            code="another-registry",
        )


# Who must sign


def _trust_before(asking: Asking) -> Trust | None:
    """Whom to ask for a signature before anything is parsed; None if nobody is known."""
    if asking.keys:
        lines = tuple(sorted(key.line for key in asking.keys))
        return Trust(None, asking.threshold, lines)
    return asking.known.trust if asking.known else None


def _following(
    raw: bytes,
    signature: bytes | None,
    trust: Trust,
    lists: KeysAt,
    registry: str | None,
    where: str,
) -> Trust:
    """The trust that the index is signed by: the known one, or a later list of keys."""
    try:
        _check_index(raw, signature, trust, where)
    except RegistryError as error:
        if error.code != "signature" or trust.number is None or registry is None:
            raise
        for later in _lists_after(trust, lists, registry):
            try:
                _check_index(raw, signature, later, where)
            except RegistryError as worse:
                error = worse
            else:
                return later
        raise error from None
    return trust


def _trust_after(
    index: Index,
    raw: bytes,
    signature: bytes | None,
    trust: Trust | None,
    lists: KeysAt,
    where: str,
) -> Trust | None:
    """The trust to pin: that of the list of keys which the index names."""
    if trust is None:
        if index.keys is None:
            return None
        trust = _first_contact(index, lists)
    elif trust.number is None or index.keys == trust.number:
        return trust
    elif index.keys is None or index.keys < trust.number:
        raise RegistryError(
            f"the list of keys was rewound: number {trust.number} is in force here, "
            f"the index names {index.keys or 'none'}",
            where=where,
            hint=_ASK,
            code="rewound",
        )
    else:
        trust = _list_at(index.keys, _lists_after(trust, lists, index.registry))
    _check_index(raw, signature, trust, where)
    return trust


def _first_contact(index: Index, lists: KeysAt) -> Trust:
    """The keys of the list that the index names, each list since the first one verified."""
    number = index.keys or 1
    return _list_at(number, _lists_after(None, lists, index.registry))


def _list_at(number: int, lists: Iterable[Trust]) -> Trust:
    for trust in lists:
        if trust.number == number:
            return trust
    raise RegistryError(
        f"the index names keys list {number}, which is not there",
        where=keys_path(number),
        hint=_ASK,
        code="signature",
    )


def _lists_after(trust: Trust | None, lists: KeysAt, registry: str) -> Iterator[Trust]:
    """The lists of keys after the one in force, each verified when it is asked for.

    Without any in force the first list must be signed by its own keys: that is the one that
    is believed because nobody knows better.
    """
    number = trust.number or 0 if trust else 0
    digest: str | None = None
    for following in range(number + 1, number + 1 + _MAX_LISTS):
        found = lists(following)
        if found is None:
            return
        raw, signature = found
        where = keys_path(following)
        _check_size(raw, MAX_KEYS_BYTES, where)
        if trust is not None:
            _check_keys(raw, signature, trust, where)
        listed = documents.load_keys(raw, where=where)
        _check_list(listed, following, registry, digest, where)
        trust = _trust_of(listed, where)
        _check_keys(raw, signature, trust, where)
        digest = documents.digest_of(raw)
        yield trust


def _check_list(listed: Keys, number: int, registry: str, previous: str | None, where: str) -> None:
    if (listed.number, listed.registry) != (number, registry):
        raise RegistryError(
            f"expected keys list {number} of {registry}, got {listed.number} of {listed.registry}",
            where=where,
            hint=_ASK,
            code="signature",
        )
    if previous is not None and listed.previous != previous:
        raise RegistryError(
            f"the list before it is {previous[:12]}, it names {(listed.previous or 'none')[:12]}",
            where=where,
            hint=_ASK,
            code="signature",
        )


def _trust_of(listed: Keys, where: str) -> Trust:
    from calreg.signatures import PublicKey

    for fingerprint, line in listed.keys.items():
        if PublicKey.parse(line, where).fingerprint != fingerprint:
            raise InputError(
                f"{fingerprint} is not the fingerprint of its key", where=where, code="document"
            )
    return Trust(listed.number, listed.threshold, tuple(sorted(listed.keys.values())))


def _keys_of(trust: Trust, where: str) -> list[PublicKey]:
    from calreg.signatures import PublicKey  # not needed where nothing is new

    return [PublicKey.parse(line, where) for line in trust.keys]


def _check_index(raw: bytes, signature: bytes | None, trust: Trust, where: str) -> None:
    from calreg.signatures import INDEX_NAMESPACE, check_signed

    if signature is not None:
        _check_size(signature, MAX_SIGNATURE_BYTES, where)
    check_signed(
        raw,
        signature,
        _keys_of(trust, where),
        threshold=trust.threshold,
        namespace=INDEX_NAMESPACE,
        where=where,
    )


def _check_keys(raw: bytes, signature: bytes, trust: Trust, where: str) -> None:
    from calreg.signatures import KEYS_NAMESPACE, check_signed

    _check_size(signature, MAX_SIGNATURE_BYTES, where)
    check_signed(
        raw,
        signature,
        _keys_of(trust, where),
        threshold=trust.threshold,
        namespace=KEYS_NAMESPACE,
        where=where,
    )


def _is_rotated(before: Trust | None, after: Trust | None) -> bool:
    numbers = [trust.number if trust else None for trust in (before, after)]
    old, new = numbers
    return old is not None and new is not None and old < new


# What it follows


def _check_succession(index: Index, digest: str, known: LockSource, *, is_rotated: bool) -> None:
    """Refuse an index that does not come after the newest that was seen."""
    if known.seq is None:
        return  # so far only the working branch was read
    if index.seq < known.seq:
        raise RegistryError(
            f"the registry was rewound: index {known.seq} was seen here, the source has "
            f"{index.seq}",
            hint=_ASK,
            code="rewound",
        )
    if index.seq == known.seq and digest != known.index:
        raise RegistryError(
            f"there are two different indexes {index.seq}: {(known.index or 'none')[:12]} was seen "
            f"here, the source has {digest[:12]}",
            hint=_ASK,
            code="equivocation",
        )
    if index.seq > known.seq + _MAX_SEQ_JUMP and not is_rotated:
        raise RegistryError(
            f"index {index.seq} is more than {_MAX_SEQ_JUMP:,} after {known.seq}, the newest seen "
            "here",
            hint=_ASK,
            code="seq-jump",
        )
    if index.seq == known.seq + 1 and index.previous != known.index:
        raise RegistryError(
            f"index {index.seq} follows {(index.previous or 'none')[:12]}, the index "
            f"{known.seq} seen here is {(known.index or 'none')[:12]}: the history was rewritten",
            hint=_ASK,
            code="history-rewritten",
        )


# How old it is


def check_fresh(origin: LockSource, now: datetime) -> None:
    """Refuse an index that has expired, five minutes of wrong clocks forgiven.

    Raises:
        RegistryError: It has, with its age (code "expired").
    """
    expires = _time(origin.expires)
    if expires is None or now - _CLOCK_SKEW <= expires:
        return
    age = age_of(origin, now)
    raise RegistryError(
        f"index {origin.seq} of {origin.registry} expired on {origin.expires}; it is "
        f"{in_words(age or 0.0)} old",
        hint="The registry no longer renews it, or somebody keeps newer ones away. "
        "Ask who keeps the registry.",
        code="expired",
    )


def freshness(origin: LockSource, now: datetime) -> list[str]:
    """What is to be said of an index's age that is no error: a line each."""
    said = []
    try:
        check_fresh(origin, now)
    except RegistryError as error:
        said.append(error.message)
    issued = _time(origin.issued)
    if issued is not None and issued > now + _FROM_THE_FUTURE:
        said.append(
            f"index {origin.seq} of {origin.registry} was issued on {origin.issued}, which is in "
            "the future: a clock is wrong, here or there"
        )
    return said


def age_of(origin: LockSource, now: datetime) -> float | None:
    """Seconds since the index was issued, at least 0; None for a working branch."""
    issued = _time(origin.issued)
    return None if issued is None else max(0.0, (now - issued).total_seconds())


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def in_words(seconds: float) -> str:
    """A length of time as a person says it.

    >>> in_words(7200.0), in_words(90.0)
    ('2 hours', '90 seconds')
    """
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"


# What it lists


def check_listed(raw: bytes, *, digest: str, size: int, where: str) -> None:
    """Refuse bytes that are not those a verified index lists.

    Raises:
        DigestMismatchError: They are not.
    """
    actual = documents.digest_of(raw)
    if len(raw) != size or actual != digest:
        raise DigestMismatchError(where, expected=digest, actual=actual)


def load_withdrawn_list(
    raw: bytes | None, index: Index, *, where: str = WITHDRAWN_PATH
) -> Withdrawn:
    """The withdrawn versions that go with an index.

    Args:
        raw: The bytes of the list; None if there is none, or none was asked for.
        index: A verified index.
        where: The place of the list, for errors.

    Raises:
        RegistryError: The index names a list, and these are not its bytes.
    """
    if index.withdrawn is None:
        return Withdrawn({})
    if raw is None:
        raise RegistryError(
            "the index names this list, which is not there", where=where, code="missing-file"
        )
    check_listed(raw, digest=index.withdrawn.digest, size=index.withdrawn.size, where=where)
    return documents.load_withdrawn(raw, where=where)


def all_withdrawn(known: LockSource | None, listed: Withdrawn) -> Withdrawn:
    """A list of withdrawn versions with those that were on it before: it only grows."""
    if known is None or known.withdrawn == listed:
        return listed
    heads = {head: dict(versions) for head, versions in known.withdrawn.heads.items()}
    for head, versions in listed.heads.items():
        heads.setdefault(head, {}).update(versions)
    return Withdrawn(dict(sorted(heads.items())))


def model_heads(
    raw: bytes | None, announced: ModelEntry, model: str, *, where: str
) -> Mapping[str, Entry]:
    """The entries of a model's index by full head name.

    Args:
        raw: The bytes of the model's index; None if it is not there.
        announced: What the verified index says of it.
        model: The model.
        where: The place, for errors.

    Raises:
        RegistryError: It is not there, or has other bytes.
        InputError: It is no index, or another model's.
    """
    if raw is None:
        raise RegistryError(
            "the index names this file, which is not there", where=where, code="missing-file"
        )
    check_listed(raw, digest=announced.digest, size=announced.size, where=where)
    listed = documents.load_model_index(raw, where=where)
    if listed.model != model:
        raise InputError(
            f"expected the index of {model}, got that of {listed.model}",
            where=where,
            code="document",
        )
    return {f"{model}/{head}": entry for head, entry in listed.heads.items()}


def _check_size(raw: bytes, max_bytes: int, where: str) -> None:
    if len(raw) > max_bytes:
        raise RegistryError(
            f"has {len(raw):,} bytes, at most {max_bytes:,} are read", where=where, code="too-large"
        )
