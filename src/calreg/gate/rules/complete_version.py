"""Blocks runs that are not whole: a folder without its record, a head without its version.

A run is `runs/N.json`, and for every model that it names a folder `vN` with `run.json` and one
version of each head in it, each under its digest. What is missing cannot be promoted or rolled
back to later; what nobody recorded was judged by nobody.
"""

from __future__ import annotations

from collections.abc import Iterator

from calreg.documents import ModelRun, Run, digest_of
from calreg.gate.case import Case
from calreg.gate.files import version_folder
from calreg.gate.rule import Rule
from calreg.gate.said import Said
from calreg.names import HeadName, model_run_path, run_path

__all__ = ["RULE", "check"]


def check(case: Case) -> Iterator[Said]:
    """What each new run lacks, and each new folder."""
    for folder in _new_folders(case):
        yield from _folder(case, folder)
    for step in case.story.runs:
        if isinstance(step.said, Run):
            yield from _run(case, step.said, step.path)


def _new_folders(case: Case) -> list[str]:
    new = [path for path, touch in case.files.touches.items() if touch.new is not None]
    found = {folder for path in new if (folder := version_folder(path)) is not None}
    return sorted(found - case.known.listing.keys())


def _folder(case: Case, folder: str) -> Iterator[Said]:
    model, _, version = folder.rpartition("/")
    number = int(version.removeprefix("v"))
    run = case.documents.of(run_path(number), Run)
    if run is None:
        yield Said(f"there is no {run_path(number)} that a run of this number wrote", folder)
    elif model not in run.models:
        yield Said(f"{run_path(number)} does not name the model {model}", folder)
    if case.known.retention.has(model, number):
        yield Said(f"v{number} of {model} was collected, and numbers are never used again", folder)
    part = case.documents.part(model_run_path(model, number))
    if part is None:
        yield Said("there is no run.json that can be read", folder)
        return
    yield from _versions(case, part)


def _versions(case: Case, part: ModelRun) -> Iterator[Said]:
    record = model_run_path(part.model, part.version)
    for head, row in part.heads.items():
        name = HeadName(part.model, head)
        path = name.version_path(part.version)
        raw = case.documents.raw.get(path)
        if raw is None:
            yield Said("is recorded and not there", path, name.full)
        elif digest_of(raw) != row.digest:
            yield Said(
                f"expected sha256 {digest_of(raw)}, got {row.digest}",
                record,
                name.full,
                pointer=("heads", head, "digest"),
            )
    for path in case.files.in_folder(f"{part.model}/v{part.version}"):
        head_of = case.files.places[path].head if path in case.files.places else None
        if head_of is not None and head_of.head not in part.heads:
            yield Said(f"is there, and {record} does not name it", path, head_of.full)


def _run(case: Case, run: Run, path: str) -> Iterator[Said]:
    for model, digest in run.models.items():
        raw = case.documents.raw.get(model_run_path(model, run.version))
        if raw is None:
            yield Said(
                f"names the model {model}, which has no folder v{run.version}",
                path,
                pointer=("models", model),
            )
        elif digest_of(raw) != digest:
            yield Said(
                f"for {model} expected sha256 {digest_of(raw)}, got {digest}",
                path,
                pointer=("models", model),
            )
        part = case.documents.part(model_run_path(model, run.version))
        for head in sorted(part.heads if part is not None else ()):
            full = f"{model}/{head}"
            if full in run.excluded:
                yield Said(
                    "is left out of the run, and has a version",
                    path,
                    full,
                    pointer=("excluded", full),
                )


RULE = Rule("complete-version", "runs that are whole", "error", "error", check)
