"""A static site over HTTPS: the tree of the branch that production reads, on any web server.

The index is asked for on condition that it changed, which costs one round trip if it did not.
Nothing else is fetched until somebody asks for it: a model's index for its heads, then its
packed file or single references, whichever costs less. Every file is checked against the
index that was verified first, so that it does not matter what stands between. A site that is
written anew meanwhile, or caches that disagree, are asked once more before it is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from calreg import documents
from calreg.client.address import Address
from calreg.client.http import Answer, Files, HttpStatusError
from calreg.client.sources import Source
from calreg.client.trust import (
    MAX_INDEX_BYTES,
    MAX_KEYS_BYTES,
    MAX_SIGNATURE_BYTES,
    MAX_WITHDRAWN_BYTES,
    all_withdrawn,
    check_listed,
    load_withdrawn_list,
    model_heads,
    verified,
)
from calreg.client.views import Asking
from calreg.documents import Entry, Index, LockSource, Withdrawn
from calreg.errors import CalregError, InputError, RegistryError
from calreg.names import (
    INDEX_PATH,
    INDEX_SIGNATURE_PATH,
    WITHDRAWN_PATH,
    HeadName,
    keys_path,
    keys_signature_path,
    model_index_path,
    packed_path,
)

__all__ = ["SiteView", "open_site"]

_T = TypeVar("_T")

_GONE = frozenset({404, 410})
_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_MARK = b'"calreg/index/'
# What may come of files of two publications: the new one may be all there a moment later.
_OF_TWO_MINDS = frozenset({"digest-mismatch", "missing-file", "too-large"})
_INDEXES_OF_TWO_MINDS = frozenset({"rewound", "signature", "unsigned"})

# Measured on references with histograms: what gzip leaves of one, and of many in one file.
_SINGLE_SHARE = 0.25
_PACKED_SHARE = 0.16
_SINGLE_BYTES = 600  # of a request and the heads of its answer
_ROUND_TRIP_BYTES = 32 * 1024  # what could be sent meanwhile, on a slow line
_AT_ONCE = 8
_MAX_PACKED_BYTES = 16 * 2**20


def open_site(source: Source, asking: Asking) -> SiteView | None:
    """The site as it is now, verified; None if its index is the one that is known.

    Args:
        source: Its address.
        asking: What is known, given and allowed.

    Raises:
        InputError: No index is there.
        RegistryError: Any refusal of `verified`.
        TransportError: It cannot be reached, or not in time.
    """
    files = Files(Address.parse(source.url), asking.deadline)
    try:
        view = _opened(files, source, asking)
    except BaseException:
        files.close()
        raise
    if view is None:
        files.close()
    return view


def _opened(files: Files, source: Source, asking: Asking) -> SiteView | None:
    answer = _index(files, asking, etag=_known_tag(source, asking))
    if answer is None:
        return None
    try:
        return _view(files, answer, source, asking)
    except RegistryError as error:
        if error.code not in _INDEXES_OF_TWO_MINDS:
            raise
        again = _index(files, asking, is_fresh=True)
        if again is None:
            raise
        return _view(files, again, source, asking, is_fresh=True)


def _view(
    files: Files, answer: Answer, source: Source, asking: Asking, *, is_fresh: bool = False
) -> SiteView:
    signature = _found(files, INDEX_SIGNATURE_PATH, MAX_SIGNATURE_BYTES, is_fresh=is_fresh)
    index, origin = verified(
        answer.body,
        signature,
        lambda number: _keys_at(files, number),
        asking,
        source=source.shown,
        read="site",
        tip=answer.etag,
        where=files.address.shown(INDEX_PATH),
    )
    return SiteView(files, index, origin, asking)


def _known_tag(source: Source, asking: Asking) -> str | None:
    """The ETag of the index that is known, if it is this site's."""
    known = asking.known
    if known is None or asking.always or (known.read, known.source) != ("site", source.shown):
        return None
    return known.tip


def _index(
    files: Files, asking: Asking, *, etag: str | None = None, is_fresh: bool = False
) -> Answer | None:
    """The index as it was served; None if it is the one that is known."""
    where = files.address.shown(INDEX_PATH)
    try:
        answer = files.get(INDEX_PATH, max_bytes=MAX_INDEX_BYTES, etag=etag, is_fresh=is_fresh)
    except HttpStatusError as error:
        if error.status not in _GONE:
            raise
        raise InputError(
            "not a calreg site: there is no index.json",
            where=where,
            hint="Check the address: it is that of the folder with index.json.",
            code="not-a-registry",
        ) from error
    if answer.is_unmodified:
        return None
    known = asking.known
    _check_kind(answer, where, is_signed=bool(asking.keys or (known and known.trust)))
    is_known = known is not None and documents.digest_of(answer.body) == known.index
    # A server without ETags sends what is known already; that is no news either.
    return None if is_known and not asking.always and not is_fresh else answer


def _check_kind(answer: Answer, where: str, *, is_signed: bool) -> None:
    """Refuse what is no index by its looks: a page to log in, an error, somebody else's JSON."""
    body = answer.body.lstrip()
    is_page = answer.kind in _PAGES or body.startswith(b"<")
    # Where a signature is due it judges all else, so that what was altered is called that.
    is_ours = is_signed or (body.startswith(b"{") and _MARK in body)
    if body and not is_page and is_ours:
        return
    if not body:
        got = "nothing"
    elif body.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        got = "a byte order mark"
    elif body.startswith(b"{") and not is_page:
        got = "JSON of another kind"
    else:
        got = answer.kind or "something else"
    raise InputError(
        f"not a calreg index: got {got}",
        where=where,
        hint="Check the address; a network may also want a login before it lets you through.",
        code="not-a-registry",
    )


def _found(files: Files, path: str, max_bytes: int, *, is_fresh: bool = False) -> bytes | None:
    """A file that need not be there; a page of HTML in its place stands for none."""
    answer = files.find(path, max_bytes=max_bytes, is_fresh=is_fresh)
    return None if answer is None or answer.kind in _PAGES else answer.body


def _keys_at(files: Files, number: int) -> tuple[bytes, bytes] | None:
    raw = _found(files, keys_path(number), MAX_KEYS_BYTES)
    if raw is None:
        return None
    signature = _found(files, keys_signature_path(number), MAX_SIGNATURE_BYTES)
    return None if signature is None else (raw, signature)


class SiteView:
    """One state of a site, its index verified."""

    def __init__(self, files: Files, index: Index, origin: LockSource, asking: Asking) -> None:
        self._files, self._index, self._asking = files, index, asking
        self.withdrawn: Withdrawn = all_withdrawn(asking.known, self._read_withdrawn())
        self.origin = replace(origin, withdrawn=self.withdrawn)
        self._known: dict[str, Mapping[str, Entry]] = {}

    @property
    def bytes_read(self) -> int:
        """What came over the wire so far, heads of answers included."""
        return self._files.bytes_read

    def models(self) -> Collection[str]:
        """The models that the index lists."""
        return self._index.models.keys()

    def entries(self, model: str) -> Mapping[str, Entry]:
        """A model's references by full head name, its index checked against the index."""
        if model not in self._known:
            self._known[model] = _once_more(lambda is_fresh: self._listed(model, is_fresh))
        return self._known[model]

    def read(self, wanted: Mapping[str, Entry]) -> dict[str, bytes]:
        """The documents of some references, each with its entry's bytes."""
        total = sum(entry.size for entry in wanted.values())
        if total > self._asking.max_bytes:
            raise RegistryError(
                f"the references have {total:,} bytes, at most {self._asking.max_bytes:,} are read",
                hint="Name the heads you need, or allow more (max_bytes).",
                code="too-large",
            )
        return _once_more(lambda is_fresh: self._documents(wanted, is_fresh))

    def version(self, head: str, version: int) -> tuple[Entry, bytes]:
        """The reference, if it is that version: a site has no others."""
        entry = self.entries(HeadName.parse(head).model).get(head)
        if entry is None or entry.version != version:
            raise InputError(
                f"{self.origin.source} is a site, which has references only, not {head} v{version}",
                hint="Pull versions from the registry's git repository.",
                code="no-such-version",
            )
        return entry, self.read({head: entry})[head]

    # --- indexes --------------------------------------------------------------------------

    def _listed(self, model: str, is_fresh: bool) -> Mapping[str, Entry]:  # noqa: FBT001 -- a callback
        path, announced = model_index_path(model), self._index.models[model]
        most = min(announced.size, MAX_INDEX_BYTES)
        raw = _found(self._files, path, most, is_fresh=is_fresh)
        return model_heads(raw, announced, model, where=self._files.address.shown(path))

    def _read_withdrawn(self) -> Withdrawn:
        known, listed = self._asking.known, self._index.withdrawn
        if listed is None:
            return Withdrawn({})
        if known and documents.digest_of(known.withdrawn.to_bytes()) == listed.digest:
            return known.withdrawn  # the list has not grown
        where = self._files.address.shown(WITHDRAWN_PATH)
        most = min(listed.size, MAX_WITHDRAWN_BYTES)
        return _once_more(
            lambda is_fresh: load_withdrawn_list(
                _found(self._files, WITHDRAWN_PATH, most, is_fresh=is_fresh),
                self._index,
                where=where,
            )
        )

    # --- references -----------------------------------------------------------------------

    def _documents(self, wanted: Mapping[str, Entry], is_fresh: bool) -> dict[str, bytes]:  # noqa: FBT001 -- a callback
        by_model: dict[str, dict[str, Entry]] = {}
        for head, entry in wanted.items():
            by_model.setdefault(HeadName.parse(head).model, {})[head] = entry
        packed = {
            packed_path(model): model for model in by_model if self._is_packed(model, by_model)
        }
        sizes = {path: _packed_bound(model, self.entries(model)) for path, model in packed.items()}
        answers = self._files.find_all(sizes, is_fresh=is_fresh)
        found: dict[str, bytes] = {}
        for path in answers:
            found |= self._unpacked(path, answers[path], by_model.pop(packed[path]))
        # A server may have references without packed files: the tree of the branch as it is.
        single = {head: entry for heads in by_model.values() for head, entry in heads.items()}
        found |= self._singles(single, is_fresh=is_fresh)
        return {head: found[head] for head in wanted}

    def _is_packed(self, model: str, by_model: Mapping[str, Mapping[str, Entry]]) -> bool:
        """Whether a model's packed file costs less than the single files."""
        wanted, everything = by_model[model], self.entries(model)
        if len(wanted) < 2 or _packed_bound(model, everything) > _MAX_PACKED_BYTES:
            return False
        turns = -(-len(wanted) // _AT_ONCE)
        single = sum(_SINGLE_SHARE * entry.size + _SINGLE_BYTES for entry in wanted.values())
        whole = sum(_PACKED_SHARE * entry.size for entry in everything.values())
        return whole + _SINGLE_BYTES + _ROUND_TRIP_BYTES <= single + turns * _ROUND_TRIP_BYTES

    def _unpacked(
        self, path: str, answer: Answer, wanted: Mapping[str, Entry]
    ) -> Iterator[tuple[str, bytes]]:
        where = self._files.address.shown(path)
        try:
            held = documents.load_packed(answer.body, where=where).references
        except InputError as error:
            raise RegistryError(
                f"this packed file is damaged: {error.message}", where=where, code="digest-mismatch"
            ) from error
        for head, entry in wanted.items():
            text = held.get(HeadName.parse(head).head)
            if text is None:
                raise RegistryError(
                    f"this packed file lacks {head}", where=where, code="missing-file"
                )
            raw = text.encode("utf-8")
            check_listed(raw, digest=entry.digest, size=entry.size, where=f"{where} ({head})")
            yield head, raw

    def _singles(self, wanted: Mapping[str, Entry], *, is_fresh: bool) -> dict[str, bytes]:
        paths = {head: HeadName.parse(head).reference_path for head in wanted}
        sizes = {path: wanted[head].size for head, path in paths.items()}
        answers = self._files.find_all(sizes, is_fresh=is_fresh)
        for head, path in paths.items():
            where = self._files.address.shown(path)
            if path not in answers:
                raise RegistryError(
                    "the index names this file, which is not there",
                    where=where,
                    code="missing-file",
                )
            entry = wanted[head]
            check_listed(answers[path].body, digest=entry.digest, size=entry.size, where=where)
        return {head: answers[path].body for head, path in paths.items()}


def _packed_bound(model: str, entries: Mapping[str, Entry]) -> int:
    """The most bytes that the packed file of a model can have: every character escaped."""
    heads = sum(2 * entry.size + len(head) + 16 for head, entry in entries.items())
    return heads + len(model) + 256


def _once_more(ask: Callable[[bool], _T]) -> _T:
    """What an act returns; if its files do not belong together, from past all caches."""
    try:
        return ask(False)
    except CalregError as error:
        if error.code not in _OF_TWO_MINDS:
            raise
    return ask(True)
