"""Blocks files that do not belong in a registry.

What lies in a registry is cloned, gated and published with it. A file that no program of the
registry writes is a mistake, or a place to hide something. Which other files may be there, the
base says (`gate.files`). A `registry.yaml` in a folder makes a registry of its own of it: its
heads would leave this one unseen, or come into it unseen if it is taken away.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from calreg.gate.case import Case
from calreg.gate.files import PLAIN, version_folder
from calreg.gate.rule import Rule
from calreg.gate.rules.name import is_misnamed
from calreg.gate.said import Said
from calreg.names import INDEX_PATH, REGISTRY_FILE

__all__ = ["RULE", "check"]


def check(case: Case) -> Iterator[Said]:
    """Every touched file that is there and none of the registry's."""
    patterns = case.known.settings.gate.files
    for path, touch in case.files.touches.items():
        if touch.new is None or path in case.files.places or is_misnamed(case, path):
            continue
        if path.endswith(f"/{REGISTRY_FILE}"):
            yield Said(
                "makes a registry of its own of a folder of this one",
                path,
                severity="error",  # whatever a policy makes of other files
                hint="Make it in a folder outside, or in a change that a person merges by hand.",
            )
        elif _is_index(path):
            continue  # a rule of its own
        elif version_folder(path) is not None:
            yield Said(
                "is no file of a registry",
                path,
                severity="error",  # no policy opens a folder that is named by its tree
                hint="Leave it out: in the folder of a run there is nothing but the run.",
            )
        elif not _is_allowed(path, patterns):
            yield Said(
                "is no file of a registry",
                path,
                hint=f"Leave it out, or add a pattern to gate.files in {REGISTRY_FILE} before.",
            )
    yield from _nested(case)


def _is_index(path: str) -> bool:
    return path == INDEX_PATH or (path.endswith(f"/{INDEX_PATH}") and version_folder(path) is None)


def _is_allowed(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def _nested(case: Case) -> Iterator[Said]:
    for folder in sorted(case.files.nested):
        path = f"{folder}/{REGISTRY_FILE}"
        found = case.change.head.listing.get(path)
        if found is None or found.mode != PLAIN:
            problem = "unmakes a registry, whose heads would become this one's"
            yield Said(problem, path, severity="error")
    count = case.files.foreign_count
    if count:
        folders = ", ".join(sorted(case.files.nested)[:3])
        yield Said(
            f"touches {count:,} files of other registries ({folders}), which are not judged here",
            severity="note",
            hint="Each registry is gated by itself: calreg --registry DIR gate.",
        )


RULE = Rule("foreign-file", "nothing that does not belong", "error", "warning", check)
