"""Blocks old versions that are taken off the tip while something needs them, or without a record.

`calreg gc` takes whole folders `vN` of old runs away and records them in `retention.json`; they
stay in git's history. What a reference holds or a pin names must not go, nor the newest runs of
a model, nor a part of a folder; and what was collected stays collected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from calreg.documents import Retention
from calreg.gate.case import Case
from calreg.gate.files import FOLDER, version_folder
from calreg.gate.rule import Rule
from calreg.gate.said import Said
from calreg.names import RETENTION_PATH, HeadName, classify

__all__ = ["RULE", "check", "collected_folders"]


def collected_folders(case: Case) -> set[str]:
    """The folders that the change says were collected, and that are wholly gone."""
    brought = _brought(case)
    if brought is None:
        return set()
    return {folder for folder in _gone(case) if brought.has(*_split(folder))}


def _brought(case: Case) -> Retention | None:
    found = case.documents.of(RETENTION_PATH, Retention)
    return found if isinstance(found, Retention) else None


def _split(folder: str) -> tuple[str, int]:
    model, _, version = folder.rpartition("/v")
    return model, int(version)


def _gone(case: Case) -> list[str]:
    """Folders of versions in the base that are not there any more."""
    touched = {
        folder
        for path, touch in case.files.touches.items()
        if touch.new is None and (folder := version_folder(path)) is not None
    }
    base, head = case.known.listing, case.change.head.listing
    return sorted(
        folder
        for folder in touched
        if folder not in head and folder in base and base[folder].mode == FOLDER
    )


def check(case: Case) -> Iterator[Said]:
    """What is collected and needed, and a record that is not of what was collected."""
    gone = collected_folders(case)
    if RETENTION_PATH in case.files.touches:
        yield from _record(case, gone)
    if gone:
        yield from _needed(case, gone)


def _record(case: Case, gone: set[str]) -> Iterator[Said]:
    brought, known = _brought(case), case.known.retention
    if brought is None:
        yield Said("is gone or cannot be read, and what was collected stays so", RETENTION_PATH)
        return
    numbers: dict[str, set[int]] = {}
    for folder in gone:
        model, number = _split(folder)
        numbers.setdefault(model, set()).add(number)
    expected = known.after(numbers, keep_runs=brought.keep_runs)
    if case.documents.raw[RETENTION_PATH] != expected.to_bytes():
        other = _first_model(brought.collected, expected.collected)
        yield Said(
            f"does not record what was collected{f' of {other}' if other else ''}",
            RETENTION_PATH,
            hint="calreg gc writes it.",
        )
    if RETENTION_PATH in case.known.listing and brought.keep_runs < known.keep_runs:
        yield Said(
            f"keeps {brought.keep_runs} runs from now on, {known.keep_runs} before",
            RETENTION_PATH,
            severity="warning",
            pointer=("keep_runs",),
        )
    yield from _newest(case, gone, brought.keep_runs)


def _first_model(one: Mapping[str, object], other: Mapping[str, object]) -> str | None:
    return next((m for m in sorted({*one, *other}) if one.get(m) != other.get(m)), None)


def _newest(case: Case, gone: set[str], keep_runs: int) -> Iterator[Said]:
    folders: dict[str, list[int]] = {}
    for path, entry in {**case.known.listing, **case.change.head.listing}.items():
        if entry.mode == FOLDER and version_folder(path) == path:
            model, number = _split(path)
            folders.setdefault(model, []).append(number)
    for folder in sorted(gone):
        model, number = _split(folder)
        if number in sorted(folders[model])[-keep_runs:]:
            yield Said(f"is one of the newest {keep_runs} runs of {model}, which stay", folder)


def _needed(case: Case, gone: set[str]) -> Iterator[Said]:
    models = {_split(folder)[0] for folder in gone}
    paths = (path for path in case.change.head.listing if path.rpartition("/")[0] in models)
    places = (classify(path) for path in paths)
    names = sorted(p.head for p in places if p is not None and p.kind == "reference" and p.head)
    held = case.known.references(name for name in names if name not in case.story.before)
    for name in names:
        after = held[name].calibration if name in held else case.after(name)
        if after is not None and f"{name.model}/v{after.version}" in gone:
            yield Said(
                f"is collected, and the reference of {name} holds it",
                f"{name.model}/v{after.version}",
                name.full,
            )
    for head, pin in case.story.pins.heads.items():
        name = HeadName.parse(head)
        if f"{name.model}/v{pin.pinned_to}" in gone:
            yield Said(
                f"is collected, and {name} is pinned to it",
                f"{name.model}/v{pin.pinned_to}",
                name.full,
            )


RULE = Rule("retention", "old versions go only when nothing needs them", "error", "error", check)
