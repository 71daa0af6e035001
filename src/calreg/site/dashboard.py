"""The dashboard as files: the pages that the service shows, in a folder of the site.

They lie in a folder that no model can be called like. What is shown is one commit: the one that
was published (what is on the branch and not published may not be meant for everybody), or,
if asked, the branch as it is. A head's page is not made again while nothing that it shows has
changed: a list of what was made, and from what, lies beside the list of our files. Of many
heads the charts are left out where least would be seen on them; the numbers stay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from calreg import documents
from calreg.errors import InputError
from calreg.gate import judge
from calreg.git import Repository
from calreg.pages.board import Place, head_place, top_place
from calreg.pages.drawing import Draw, drawer
from calreg.pages.findings import gate_page
from calreg.pages.observed import FoundByGate, HeadSeen, Observed, PublishedSeen
from calreg.pages.one_head import head_key, head_page
from calreg.pages.overview import listings, overview_page
from calreg.pages.runs import runs_page
from calreg.registry import Snapshot
from calreg.registry.changes import change_between
from calreg.site.observing import details_of, observed_at
from calreg.site.source import SiteSource
from calreg.site.writing import SiteFolder

__all__ = ["CHARTS", "DRAWN", "FOLDER", "Dashboard", "Of", "Put"]

FOLDER = "_dashboard"
"""No model has such a name: they begin with a letter or a digit."""

DRAWN = ".calreg-drawn"
"""The list of heads' pages: for each what it was made from, and what it came to."""

Of = Literal["published", "branch", "none"]
Put = Callable[[str, bytes], None]

CHARTS = 300
"""On so many heads' pages charts are drawn: some 0.1 s of a core each, once."""

_SCHEMA = "calreg/drawn/1.0"


@dataclass(frozen=True)
class Dashboard:
    """One commit as pages.

    Args:
        repository: Where the commit is.
        prefix: The registry's folder in it.
        source: What is published.
        snapshot: The commit.
        is_published: Whether it is the one that was published.
        charts: On how many heads' pages charts are drawn, those first that need a look.
    """

    repository: Repository
    prefix: str
    source: SiteSource
    snapshot: Snapshot
    is_published: bool
    charts: int = CHARTS

    @classmethod
    def of(
        cls,
        repository: Repository,
        prefix: str,
        source: SiteSource,
        what: Of,
        *,
        charts: int = CHARTS,
    ) -> Dashboard | None:
        """What is to be shown; None if nothing is, or this clone does not have the commit."""
        commit = source.index.commit if what == "published" else repository.tip()
        if what == "none" or commit is None or repository.tip(commit) is None:
            return None
        is_published = commit == source.index.commit
        snapshot = Snapshot(repository.read(commit), prefix)
        return cls(repository, prefix, source, snapshot, is_published, charts)

    @property
    def commit(self) -> str | None:
        """The commit that is shown."""
        return self.snapshot.commit

    @cached_property
    def _draw(self) -> Draw | None:
        return drawer()

    @property
    def has_charts(self) -> bool:
        """Whether the library that draws them is there."""
        return self._draw is not None

    @cached_property
    def _observed(self) -> Observed:
        index = self.source.index
        published = PublishedSeen(index.seq, index.commit, index.issued, index.expires)
        return observed_at(self.snapshot, published)

    def put_into(self, site: SiteFolder, put: Put) -> int:
        """Put every page into a folder; how many heads' pages were made anew.

        Args:
            site: The folder, with what an older build left in it.
            put: Puts a file and its compressed variant.

        Raises:
            InputError: A document is not valid.
        """
        place = top_place(is_served=False, has_references=True)
        observed = self._observed
        for number in range(1, listings(observed) + 1):
            name = "index.html" if number == 1 else f"heads-{number}.html"
            page = overview_page(observed, place, draw=self._draw, number=number)
            put(f"{FOLDER}/{name}", page)
        put(f"{FOLDER}/runs.html", runs_page(observed, place, draw=self._draw))
        put(f"{FOLDER}/gate.html", gate_page(observed, self._found(), place))
        return self._put_heads(site, put)

    def _put_heads(self, site: SiteFolder, put: Put) -> int:
        before, after = _read_drawn(site), {}
        changed: list[_Wanted] = []
        for number, head in enumerate(self._observed.worst_first):
            one = self._wanted(head, is_drawn=self.has_charts and number < self.charts)
            page = _kept(site, one.path, before.get(one.path), one.key)
            if page is None:
                changed.append(one)
            else:
                after[one.path] = [one.key, documents.digest_of(page)]
                put(one.path, page)
        details = details_of(self.snapshot, [one.head for one in changed])
        for one, detail in zip(changed, details, strict=True):
            draw = self._draw if one.is_drawn else None
            page = head_page(self._observed, detail, one.place, draw=draw)
            after[one.path] = [one.key, documents.digest_of(page)]
            put(one.path, page)
        pages = dict(sorted(after.items()))
        site.put(DRAWN, documents.canonical_bytes({"schema": _SCHEMA, "pages": pages}))
        return len(changed)

    def _wanted(self, head: HeadSeen, *, is_drawn: bool) -> _Wanted:
        place = head_place(head.name, is_served=False, has_references=True)
        key = head_key(self._observed, head, place, is_drawn=is_drawn)
        return _Wanted(head, f"{FOLDER}/heads/{head.name.full}.html", place, key, is_drawn)

    def _found(self) -> FoundByGate:
        """What the gate says; of what is published it has nothing more to say."""
        index, commit = self.source.index, self.snapshot.commit or ""
        base = f"index {index.seq}, which production reads"
        if self.is_published:
            return FoundByGate(base, commit, (), heads=0)
        change = change_between(self.repository, self.prefix, index.commit, commit, as_it_is=True)
        run = self._observed.runs[0].run if self._observed.runs else None
        # No clock is asked: what is shown is what was so when the newest run was made.
        judged = judge(change, now=run.timestamp if run is not None else index.issued)
        return FoundByGate(base, commit, judged.findings, heads=len(judged.heads))


class _Wanted(NamedTuple):
    """A head's page: where it lies, what it depends on, whether it has charts."""

    head: HeadSeen
    path: str
    place: Place
    key: str
    is_drawn: bool


def _kept(site: SiteFolder, path: str, known: list[str] | None, key: str) -> bytes | None:
    """The page of an older build, if it is what would be made now and nobody changed it."""
    if known is None or known[0] != key:
        return None
    page = site.held(path)
    return page if page is not None and documents.digest_of(page) == known[1] else None


def _read_drawn(site: SiteFolder) -> dict[str, list[str]]:
    """What the older build noted; nothing if it noted nothing, or nothing that makes sense."""
    raw = site.held(DRAWN)
    if raw is None:
        return {}
    try:
        pages = documents.load_json(raw, where=DRAWN).get("pages")
    except InputError:
        return {}
    if not isinstance(pages, dict):
        return {}
    return {path: found for path, found in pages.items() if _is_pair(found)}


def _is_pair(found: object) -> bool:
    return isinstance(found, list) and len(found) == 2 and all(isinstance(x, str) for x in found)
