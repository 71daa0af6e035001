"""How far the last versions of heads were from their references, for a small picture."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from calreg.documents import METRICS, load_model_run, load_settings
from calreg.gate import Change, HeadResult
from calreg.names import REGISTRY_FILE, HeadName, model_run_path

__all__ = ["trends_of"]

_VERSION_FOLDER = re.compile(r"(.+)/v([1-9][0-9]{0,9})")


def trends_of(
    change: Change, results: Mapping[str, HeadResult], *, limit: int = 8
) -> dict[str, list[float | None]]:
    """By head, for its last versions, the largest metric relative to its limit.

    The newest stands last: the one that the change brings, by the gate's own figures. Those
    before come from the base alone, which is trusted, in one batch.
    """
    if change.base is None or not results:
        return {}
    names = {head: HeadName.parse(head) for head in results}
    runs = _last_runs(change.base.listing.keys(), {one.model for one in names.values()}, limit)
    raw = change.base.read([REGISTRY_FILE, *(path for paths in runs.values() for path in paths)])
    settings = load_settings(raw[REGISTRY_FILE], where=REGISTRY_FILE)
    parts = {
        path: load_model_run(text, where=path)
        for path, text in raw.items()
        if path != REGISTRY_FILE
    }
    found = {}
    for head, name in names.items():
        rows = [parts[path].heads.get(name.head) for path in runs.get(name.model, ())]
        before = [_size(row.metrics, row.thresholds) for row in rows if row is not None]
        limits = settings.for_head(name).thresholds
        new = [_size(results[head].metrics, limits)] if results[head].verdict is not None else []
        found[head] = [*before, *new][-limit:]
    return {head: values for head, values in found.items() if values}


def _last_runs(paths: Collection[str], models: Collection[str], limit: int) -> dict[str, list[str]]:
    """By model, where its part of each of its last runs is recorded."""
    numbers: dict[str, list[int]] = {}
    for path in paths:
        folder = _VERSION_FOLDER.fullmatch(path)
        if folder is not None and folder[1] in models:
            numbers.setdefault(folder[1], []).append(int(folder[2]))
    return {
        model: [model_run_path(model, number) for number in sorted(versions)[-limit:]]
        for model, versions in numbers.items()
    }


def _size(metrics: Mapping[str, float | None], limits: Mapping[str, float]) -> float | None:
    """The largest metric in units of its limit; None where nothing was compared."""
    sizes = [
        value / limits[name]
        for name in METRICS
        if (value := metrics.get(name)) is not None and limits.get(name)
    ]
    return max(sizes, default=None)
