"""From a publication to the files of a site: what is written, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from itertools import groupby
from pathlib import Path
from typing import Any

from calreg.documents import Packed, load_calibration
from calreg.git import Repository
from calreg.names import INDEX_PATH, INDEX_SIGNATURE_PATH, packed_path
from calreg.pages.published import (
    MAX_LISTED,
    Row,
    head_page,
    head_page_path,
    index_page,
    missing_page,
    model_page,
    row_of,
)
from calreg.site.compressed import gzipped
from calreg.site.dashboard import CHARTS, FOLDER, Dashboard, Of
from calreg.site.source import Reference, SiteSource
from calreg.site.writing import SiteFolder

__all__ = ["Built", "Progress", "build"]

Progress = Callable[[int, int], None]
"""Told how many references of how many are done."""

MAX_PACKED_BYTES = 16 * 2**20
"""The largest packed file; no client reads a larger document. A larger model goes without."""

_COMPRESSED = (".json", ".html")
_PAGE = "index.html"
_NO_JEKYLL = ".nojekyll"  # GitHub Pages then serves every file as it is


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did.

    Args:
        folder: Where.
        registry: Its name.
        seq: The number of the index.
        commit: The one of the working branch that was published.
        models: How many there are.
        heads: How many there are.
        written: Files that are new or changed.
        unchanged: Files that were there already, byte for byte.
        removed: Files of an older build that are no more.
        bytes: Of all files together, compressed variants included.
        dashboard: The commit that the dashboard shows; None if there is none.
        drawn: How many heads' pages were made anew.
        has_charts: Whether the library that draws them is there.
    """

    folder: str
    registry: str
    seq: int
    commit: str
    models: int
    heads: int
    written: int
    unchanged: int
    removed: int
    bytes: int
    dashboard: str | None = None
    drawn: int = 0
    has_charts: bool = True

    def to_json(self) -> dict[str, Any]:
        """The result as plain values."""
        return {
            **{f.name: getattr(self, f.name) for f in fields(self)},
            "files": self.written + self.unchanged,
        }


def build(
    repository: Repository,
    prefix: str,
    folder: Path,
    *,
    branch: str = "stable",
    is_offline: bool = False,
    dashboard: Of = "published",
    charts: int = CHARTS,
    progress: Progress | None = None,
) -> Built:
    """Make a folder the static site of what is published.

    Args:
        repository: The registry's repository.
        prefix: The registry's folder in it.
        folder: Where; made if it is not there.
        branch: The branch that production reads.
        is_offline: Ask no remote: what was fetched before must do.
        dashboard: What the dashboard shows: the commit that was published, the working branch
            as this clone has it, or that there is none.
        charts: On how many heads' pages charts are drawn.
        progress: Told now and then.

    Raises:
        InputError: Nothing is published, or somebody else's file is in the way: nothing changed.
        RegistryError: What is published is not what a client would accept.
        TransportError: The remote cannot be reached.
    """
    source = SiteSource.open(repository, prefix, branch=branch, is_offline=is_offline)
    with SiteFolder.opened(folder) as site:
        shown = Dashboard.of(repository, prefix, source, dashboard, charts=charts)
        making = _Making(site, source, progress or _silent, has_dashboard=shown is not None)
        making.put_all()
        drawn = shown.put_into(site, making.put) if shown is not None else 0
        last = [INDEX_SIGNATURE_PATH, f"{INDEX_PATH}.gz", INDEX_PATH]
        settled = site.settle(last=last)
    index = source.index
    return Built(
        folder=str(folder),
        registry=index.registry,
        seq=index.seq,
        commit=index.commit,
        models=len(index.models),
        heads=len(source.stable.before.heads),
        written=settled.written,
        unchanged=settled.unchanged,
        removed=settled.removed,
        bytes=settled.bytes,
        dashboard=shown.commit if shown is not None else None,
        drawn=drawn,
        has_charts=shown.has_charts if shown is not None else True,
    )


def _silent(_done: int, _total: int) -> None:
    return


class _Making:
    """A build under way: files as they are made, and what is left to say on the first page."""

    def __init__(
        self, site: SiteFolder, source: SiteSource, progress: Progress, *, has_dashboard: bool
    ) -> None:
        self._site, self._source, self._progress = site, source, progress
        self._has_dashboard = has_dashboard
        self._total = len(source.stable.before.heads)
        self._done = 0
        self._rows: list[Row] = []

    def put_all(self) -> None:
        """Every file of the site, in any order: `settle` knows which come last."""
        by_model = groupby(self._source.references(), key=lambda one: one.head.model)
        for model, references in by_model:
            self._put_model(model, references)
            self._progress(self._done, self._total)
        for path, raw in self._source.model_indexes():
            self.put(path, raw)
        for path, raw in self._source.top().items():
            self.put(path, raw)
        self._put_pages()

    def put(self, path: str, raw: bytes) -> None:
        """A file, and its compressed variant beside it."""
        self._site.put(path, raw)
        if path.endswith(_COMPRESSED):
            self._site.put(f"{path}.gz", gzipped(raw))

    def _put_model(self, model: str, references: Iterable[Reference]) -> None:
        index = self._source.index
        packed = _Packing(model)
        rows = []
        for reference in references:
            self.put(reference.head.reference_path, reference.raw)
            packed.add(reference)
            rows.append(self._put_head(reference))
        raw = packed.raw()
        if raw is not None:
            self.put(packed_path(model), raw)
        self.put(f"{model}/{_PAGE}", model_page(index, model, rows, is_packed=raw is not None))
        self._done += len(rows)
        if self._total <= MAX_LISTED:
            self._rows += rows

    def _put_head(self, reference: Reference) -> Row:
        """A head's page; what lists say of it."""
        where = f"{self._source.branch}:{reference.head.reference_path}"
        calibration = load_calibration(reference.raw, where=where)
        date = self._source.dates.get(calibration.version)
        html = head_page(
            self._source.index,
            calibration,
            reference.entry,
            date=date,
            withdrawn=self._source.withdrawn,
        )
        self.put(head_page_path(reference.head), html)
        return row_of(calibration, date)

    def _put_pages(self) -> None:
        source = self._source
        self.put(
            _PAGE,
            index_page(
                source.index,
                rows=self._rows,
                signed_by=source.signed_by,
                threshold=source.threshold,
                withdrawn=source.withdrawn,
                dashboard=f"./{FOLDER}/index.html" if self._has_dashboard else None,
            ),
        )
        self.put("404.html", missing_page(source.index.registry))
        self._site.put(_NO_JEKYLL, b"")


class _Packing:
    """The one file of all references of a model, while they come by."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._texts: dict[str, str] = {}
        self._room = MAX_PACKED_BYTES

    def add(self, reference: Reference) -> None:
        """One more reference, if the file does not get too large by it."""
        head = reference.head.head
        self._room -= 2 * len(reference.raw) + len(head)  # as if every character were escaped
        if self._room >= 0:
            self._texts[head] = reference.raw.decode("utf-8")
        else:
            self._texts.clear()

    def raw(self) -> bytes | None:
        """The file; None for a model that is too large for one."""
        return Packed(self._model, self._texts).to_bytes() if self._room >= 0 else None
