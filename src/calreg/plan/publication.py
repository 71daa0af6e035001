"""What the branch that production reads is to hold: from what `main` holds to a whole tree.

The tree is made from the state alone, never from how it came about: the same references,
withdrawn versions and lists of keys give the same files, whoever publishes them and however
often. What is added each time is one number, one date and one digest of what was there
before, in the index; signing it is somebody else's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from calreg.documents import (
    Entry,
    FileEntry,
    Index,
    ModelEntry,
    ModelIndex,
    Withdrawn,
    checked_bytes,
    digest_of,
    timestamp_text,
)
from calreg.errors import InputError, RegistryError
from calreg.names import (
    INDEX_PATH,
    WITHDRAWN_PATH,
    HeadName,
    keys_path,
    keys_signature_path,
    model_index_path,
)
from calreg.plan.keys import SignedKeys
from calreg.plan.message import one_line

__all__ = [
    "MAX_EXPIRES_DAYS",
    "Before",
    "Content",
    "Moved",
    "Publication",
    "Served",
    "check_same_registry",
    "check_still_withdrawn",
    "content_of",
    "plan_publication",
]

MAX_EXPIRES_DAYS = 3650

_MAX_LINES = 50
# Two machines' clocks differ; by more than this, one of them is wrong.
_CLOCKS_DIFFER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Served:
    """A reference as it is published: its version, and the very bytes it lies on `main` with."""

    version: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class Content:
    """Everything that readers get, before it is numbered and dated.

    `files` has paths from the root of the branch and lacks the index alone; `heads` are the
    entries of all references by full name, `keys` the newest list of keys.
    """

    registry: str
    files: Mapping[str, bytes]
    heads: Mapping[str, Entry]
    models: Mapping[str, ModelEntry]
    withdrawn: FileEntry | None
    keys: SignedKeys | None

    @property
    def keys_number(self) -> int | None:
        """The number of the list of keys that signs it."""
        return None if self.keys is None else self.keys.keys.number

    def is_said_by(self, index: Index) -> bool:
        """Whether an index names exactly these files."""
        said = (index.models, index.withdrawn, index.keys)
        return said == (self.models, self.withdrawn, self.keys_number)


@dataclass(frozen=True, slots=True)
class Before:
    """What the branch holds now: its index, the very bytes of it, and the heads it lists."""

    index: Index
    raw: bytes
    heads: Mapping[str, Entry]

    def is_half_over(self, now: datetime) -> bool:
        """Whether half of the time is over for which readers trust it as current."""
        issued = datetime.fromisoformat(self.index.issued)
        return not now < issued + (datetime.fromisoformat(self.index.expires) - issued) / 2


@dataclass(frozen=True, slots=True)
class Moved:
    """A head whose reference is another one than before: None where it has none."""

    head: str
    before: int | None
    after: int | None

    def __str__(self) -> str:
        before, after = (
            "none" if version is None else f"v{version}" for version in (self.before, self.after)
        )
        return f"{self.head} {before} -> {after}"


@dataclass(frozen=True, slots=True)
class Publication:
    """What is to be committed, but for the signature: the whole tree and the message.

    `raw` are the bytes of the index, which are in `files` too: what is signed.
    """

    index: Index
    raw: bytes
    files: Mapping[str, bytes]
    moved: Sequence[Moved]
    message: str


def content_of(
    registry: str,
    references: Mapping[HeadName, Served],
    *,
    withdrawn: bytes | None,
    withdrawn_versions: Withdrawn,
    keys: Sequence[SignedKeys],
) -> Content:
    """What readers get of a registry's present state.

    Args:
        registry: Its name.
        references: All of them.
        withdrawn: The bytes of the list of withdrawn versions; None if there is none.
        withdrawn_versions: What that list says.
        keys: All lists of keys, the first one first.

    Raises:
        InputError: There is no reference at all, and none was withdrawn.
        RegistryError: A reference holds a version that was withdrawn.
    """
    # A registry that lost its only reference must still tell production so.
    if not references and not withdrawn_versions.heads:
        raise InputError(
            f"{registry} has no references yet, so there is nothing to publish",
            hint="calreg run SCORES makes the first.",
            code="no-references",
        )
    _refuse_withdrawn(references, withdrawn_versions)
    entries = {
        name: Entry(served.version, digest_of(served.raw), len(served.raw))
        for name, served in sorted(references.items())
    }
    files = {name.reference_path: references[name].raw for name in entries}
    models = {}
    for model, heads in _by_model(entries).items():
        path = model_index_path(model)
        raw = checked_bytes("model-index", ModelIndex(model, heads), where=path)
        files[path] = raw
        models[model] = ModelEntry(digest_of(raw), len(raw), len(heads))
    if withdrawn is not None:
        files[WITHDRAWN_PATH] = withdrawn
    return Content(
        registry=registry,
        files=files | _key_files(keys),
        heads={name.full: entry for name, entry in entries.items()},
        models=models,
        withdrawn=None if withdrawn is None else FileEntry(digest_of(withdrawn), len(withdrawn)),
        keys=keys[-1] if keys else None,
    )


def _refuse_withdrawn(references: Mapping[HeadName, Served], withdrawn: Withdrawn) -> None:
    for name, served in sorted(references.items()):
        found = withdrawn.of(name.full, served.version)
        if found is not None:
            raise RegistryError(
                f"{name} v{served.version} was withdrawn on {found.since[:10]} by "
                f"{one_line(found.by)}: {one_line(found.why)}; it is never published",
                hint=f"Move the reference first: calreg rollback {name} --reason …",
                code="withdrawn",
            )


def _by_model(entries: Mapping[HeadName, Entry]) -> dict[str, dict[str, Entry]]:
    found: dict[str, dict[str, Entry]] = {}
    for name, entry in entries.items():
        found.setdefault(name.model, {})[name.head] = entry
    return found


def _key_files(keys: Sequence[SignedKeys]) -> dict[str, bytes]:
    files = {}
    for file in keys:
        files[file.path] = file.raw
        files[keys_signature_path(file.keys.number)] = file.signature
    return files


def plan_publication(
    content: Content,
    before: Before | None,
    *,
    commit: str,
    now: datetime,
    expires_days: int,
    anew: bool = False,
) -> Publication | None:
    """The next publication; None if the one before says all of it, and is young enough.

    Args:
        content: What readers are to get.
        before: What they get now; None for the first publication.
        commit: The one of `main` that the content is of.
        now: The time, with a zone.
        expires_days: How long readers trust it as current, 1 to 3650.
        anew: Publish even what is published already: to renew, or to restore it.

    Raises:
        InputError: The days are out of range, or the clock is behind that of the publication
            before by more than a day.
        RegistryError: What is published is another registry's, or signed by later keys.
    """
    if not 1 <= expires_days <= MAX_EXPIRES_DAYS:
        raise InputError(
            f"expected 1 to {MAX_EXPIRES_DAYS} days until it expires, got {expires_days}",
            code="expires",
        )
    if before is not None:
        check_same_registry(content.registry, before.index)
        _check_keys_go_on(content, before.index)
        if content.is_said_by(before.index) and not anew and not before.is_half_over(now):
            return None
    issued = now if before is None else _not_before(now, before.index)
    index = Index(
        registry=content.registry,
        seq=1 if before is None else before.index.seq + 1,
        issued=timestamp_text(issued),
        expires=timestamp_text(issued + timedelta(days=expires_days)),
        commit=commit,
        previous=None if before is None else digest_of(before.raw),
        keys=content.keys_number,
        withdrawn=content.withdrawn,
        models=content.models,
    )
    return _publication(content, before, index)


def check_same_registry(registry: str, before: Index) -> None:
    """Refuse to publish over another registry.

    Raises:
        RegistryError: What is published is another one's.
    """
    if before.registry != registry:
        raise RegistryError(
            f"what is published there is of {before.registry!r}, not of {registry!r}",
            hint="Each registry needs a branch of its own: --branch NAME.",
            code="other-registry",
        )


def _check_keys_go_on(content: Content, before: Index) -> None:
    number = content.keys_number
    if (number or 0) < (before.keys or 0):
        raise RegistryError(
            f"what is published is signed by list {before.keys} of the keys, and the newest list "
            f"here is {number or 'none'}",
            hint=f"Restore {keys_path(before.keys or 1)}: once signed, always signed.",
            code="unsigned",
        )


def check_still_withdrawn(before: Withdrawn, now: Withdrawn) -> None:
    """Refuse to forget a withdrawal that readers were told of.

    Raises:
        RegistryError: One that was published is not on the list any more.
    """
    for head, versions in before.heads.items():
        for version, found in versions.items():
            if now.of(head, version) is None:
                raise RegistryError(
                    f"{head} v{version} was withdrawn on {found.since[:10]} by "
                    f"{one_line(found.by)}, and the list no longer says so; a withdrawal is for "
                    "good",
                    where=WITHDRAWN_PATH,
                    hint=f"Restore its line, or: calreg withdraw {head} v{version} --reason …",
                    code="withdrawn",
                )


def _not_before(now: datetime, before: Index) -> datetime:
    issued = datetime.fromisoformat(before.issued)
    if now < issued - _CLOCKS_DIFFER:
        raise InputError(
            f"it is {timestamp_text(now)} here, but the publication before was made at "
            f"{before.issued}",
            hint="Set the clock right, or give a later --timestamp.",
            code="clock",
        )
    return max(now, issued)


def _publication(content: Content, before: Before | None, index: Index) -> Publication:
    raw = checked_bytes("index", index, where=INDEX_PATH)
    heads = {} if before is None else before.heads
    moved = list(_moved(heads, content.heads))
    files = {**content.files, INDEX_PATH: raw}
    message = _message(content, before, index, moved, digest=digest_of(raw))
    return Publication(index, raw, files, moved, message)


def _moved(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> Iterator[Moved]:
    for head in sorted({*before, *after}):
        old, new = before.get(head), after.get(head)
        if old != new:
            yield Moved(head, old.version if old else None, new.version if new else None)


def _message(
    content: Content, before: Before | None, index: Index, moved: Sequence[Moved], *, digest: str
) -> str:
    count = len(content.heads)
    references = f"{count:,} reference{'' if count == 1 else 's'}"
    body = [f"moved {change}" for change in moved[:_MAX_LINES]]
    if len(moved) > _MAX_LINES:
        body.append(f"and {len(moved) - _MAX_LINES:,} more")
    body += _remarks(before, index)
    trailers = (
        f"Calreg-Seq: {index.seq}",
        f"Calreg-Commit: {index.commit}",
        f"Calreg-Index: sha256:{digest}",
    )
    subject = f"Publication {index.seq}: {references}, {len(moved):,} moved"
    return "\n\n".join([subject, "\n".join(body), "\n".join(trailers)]) + "\n"


def _remarks(before: Before | None, index: Index) -> Iterator[str]:
    """What else changed, for people; always at least one line."""
    earlier = None if before is None else before.index
    if index.withdrawn != (None if earlier is None else earlier.withdrawn):
        yield "the list of withdrawn versions changed"
    if index.keys != (None if earlier is None else earlier.keys):
        yield f"signed by list {index.keys} of the keys from now on"
    yield f"expires {index.expires}"
