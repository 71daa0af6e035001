"""What a registry's history must be in the end, however it came about.

A judge that knows git and the layout of a registry, and nothing of the program that wrote
it: it reads objects with git and JSON with Python. `history_findings` returns what is wrong,
one line each; nothing is `[]`.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

__all__ = ["Bare", "fsck_findings", "history_findings"]

_RUN = re.compile(r"runs/([1-9][0-9]*)\.json")
_PART = re.compile(r"(?P<model>.+)/v(?P<version>[1-9][0-9]*)/run\.json")
_VERSION = re.compile(
    r"(?P<model>.+)/v(?P<version>[1-9][0-9]*)/(?P<head>[^/]+)-calibration-v(?P=version)\.json"
)
_REFERENCE = re.compile(r"(?P<model>.+)/(?P<head>[^/]+)-calibration\.json")


@dataclass(frozen=True)
class Bare:
    """A repository, read with git alone."""

    folder: Path

    def git(self, *words: str, stdin: bytes = b"") -> bytes:
        """What git prints."""
        done = subprocess.run(
            ["git", *words], cwd=self.folder, input=stdin, check=True, capture_output=True
        )
        return done.stdout

    def has(self, branch: str) -> bool:
        """Whether there is such a branch."""
        return bool(self.git("for-each-ref", f"refs/heads/{branch}"))

    def commits(self, branch: str) -> list[str]:
        """A branch's own commits, the oldest first."""
        return self.git("rev-list", "--first-parent", "--reverse", branch).decode().split()

    def blobs(self, commit: str) -> dict[str, str]:
        """The ids of a commit's files, by path."""
        rows = self.git("ls-tree", "-r", "-z", commit).decode().split("\0")
        pairs = (row.split("\t", 1) for row in rows if row)
        return {path: what.split()[2] for what, path in pairs}

    def contents(self, ids: Mapping[str, str]) -> dict[str, bytes]:
        """The bytes of files, by path."""
        if not ids:
            return {}
        asked = "".join(f"{oid}\n" for oid in ids.values()).encode()
        raw = self.git("cat-file", "--batch", stdin=asked)
        found, place = {}, 0
        for path in ids:
            end = raw.index(b"\n", place)
            size = int(raw[place:end].split()[2])
            found[path] = raw[end + 1 : end + 1 + size]
            place = end + 1 + size + 1
        return found


def fsck_findings(folder: Path) -> list[str]:
    """What git itself finds broken; unreachable objects of the killed are no fault."""
    done = subprocess.run(
        ["git", "fsck", "--strict", "--no-dangling", "--no-progress"],
        cwd=folder, check=False, capture_output=True, text=True,
    )  # fmt: skip
    return [f"fsck: {line}" for line in (done.stdout + done.stderr).splitlines() if line.strip()]


def history_findings(
    folder: Path, *, branch: str = "main", prefix: str = "", stable: str = "stable"
) -> list[str]:
    """What is wrong with a registry's history.

    Args:
        folder: Its repository, bare or not.
        branch: Where its runs are.
        prefix: The registry's folder in the repository, with a slash at the end.
        stable: The branch of its references; looked at if it is there.
    """
    bare = Bare(folder)
    tip = _Tip(bare, branch, prefix)
    found = [*fsck_findings(folder), *_numbers(tip), *_run_ids(bare, branch)]
    found += [*_digests(tip), *_references(tip), *_immutable(bare, tip, branch, prefix)]
    if bare.has(stable):
        found += _stable(bare, tip, branch=branch, stable=stable)
    return found


class _Tip:
    """The newest state of the branch."""

    def __init__(self, bare: Bare, branch: str, prefix: str) -> None:
        self.blobs = {
            path.removeprefix(prefix): oid
            for path, oid in bare.blobs(branch).items()
            if path.startswith(prefix)
        }
        self.raw = bare.contents({k: v for k, v in self.blobs.items() if k.endswith(".json")})

    def json(self, path: str) -> Any:
        return json.loads(self.raw[path])

    def digest(self, path: str) -> str | None:
        return hashlib.sha256(self.raw[path]).hexdigest() if path in self.raw else None

    def was_collected(self, model: str, number: int) -> bool:
        """Whether a run's folder was taken off the tip on purpose."""
        if "retention.json" not in self.raw:
            return False
        ranges = self.json("retention.json")["collected"].get(model, [])
        return any(row["first"] <= number <= row["last"] for row in ranges)

    @cached_property
    def runs(self) -> dict[int, Any]:
        found = ((_RUN.fullmatch(path), path) for path in self.raw)
        return {int(match[1]): self.json(path) for match, path in found if match}


def _numbers(tip: _Tip) -> Iterator[str]:
    """Runs 1..N without gap, each of other input or options than all the others."""
    expected = list(range(1, len(tip.runs) + 1))
    if sorted(tip.runs) != expected:
        yield f"runs: expected 1..{len(expected)}, got {sorted(tip.runs)}"
    for number, run in tip.runs.items():
        if run["version"] != number:
            yield f"runs/{number}.json says that it is run {run['version']}"
    made = Counter(
        json.dumps([run["inputs"]["digest"], run["options"]], sort_keys=True)
        for run in tip.runs.values()
    )
    yield from (
        f"a run was made {count} times: {what}" for what, count in made.items() if count > 1
    )


def _run_ids(bare: Bare, branch: str) -> Iterator[str]:
    """Each run and each run id in the trailers of one commit, in order."""
    form = "%(trailers:key=Calreg-Run,valueonly)%x00%(trailers:key=Calreg-Run-Id,valueonly)%x01"
    log = bare.git("log", "--reverse", f"--format={form}", branch).decode()
    rows = [[part.strip() for part in row.split("\0")] for row in log.split("\1") if "\0" in row]
    numbers = [int(number) for number, _ in rows if number]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"log: expected runs 1..{len(numbers)} in this order, got {numbers}"
    ids = Counter(run_id for _, run_id in rows if run_id)
    yield from (f"log: run id {run_id} {n} times" for run_id, n in ids.items() if n > 1)


def _digests(tip: _Tip) -> Iterator[str]:
    """What a run records of its models, and they of their versions, is what is there."""
    for number, run in tip.runs.items():
        for model, digest in run["models"].items():
            if tip.was_collected(model, number):
                continue
            if tip.digest(f"{model}/v{number}/run.json") != digest:
                yield f"runs/{number}.json: {model}/v{number}/run.json has another digest"
    listed = set()
    for path in tip.raw:
        part = _PART.fullmatch(path)
        if part is None:
            continue
        model, number = part["model"], int(part["version"])
        if model not in tip.runs.get(number, {"models": {}})["models"]:
            yield f"{path}: run {number} does not name it"
        for head, row in tip.json(path)["heads"].items():
            version = f"{model}/v{number}/{head}-calibration-v{number}.json"
            listed.add(version)
            if tip.digest(version) != row["digest"]:
                yield f"{path}: {version} has another digest"
    versions = {path for path in tip.raw if _VERSION.fullmatch(path)}
    yield from (f"{path}: no run names it" for path in sorted(versions - listed))


def _references(tip: _Tip) -> Iterator[str]:
    """Every reference is a copy of exactly one version of its head; every head has one."""
    heads = {(m["model"], m["head"]) for path in tip.raw if (m := _VERSION.fullmatch(path))}
    for path in tip.raw:
        match = _REFERENCE.fullmatch(path)
        if match is None or _VERSION.fullmatch(path):
            continue
        model, head = match["model"], match["head"]
        heads.discard((model, head))
        number = tip.json(path)["version"]
        version = f"{model}/v{number}/{head}-calibration-v{number}.json"
        if tip.blobs.get(version) != tip.blobs[path]:
            yield f"{path}: no copy of v{number}"
    yield from (f"{model}/{head}: versions, but no reference" for model, head in sorted(heads))


def _immutable(bare: Bare, tip: _Tip, branch: str, prefix: str) -> Iterator[str]:
    """No commit changed or deleted a version or a run of an earlier one, but by retention."""
    options = ("-m", "--first-parent", "--diff-filter=a", "--name-only", "--format=")
    for path in sorted(set(bare.git("log", *options, branch).decode().split())):
        own = path.removeprefix(prefix)
        if not any(pattern.fullmatch(own) for pattern in (_RUN, _PART, _VERSION)):
            continue
        part = _PART.fullmatch(own) or _VERSION.fullmatch(own)
        if part is None or not tip.was_collected(part["model"], int(part["version"])):
            yield f"{path}: was changed or deleted"


def _stable(bare: Bare, tip: _Tip, *, branch: str, stable: str) -> Iterator[str]:
    """Publications counted without gap, each naming the one before, and main's references."""
    seq, previous, commit = 0, None, None
    for published in bare.commits(stable):
        blobs = bare.blobs(published)
        raw = bare.contents({"index.json": blobs["index.json"]})["index.json"]
        index = json.loads(raw)
        if seq and index["seq"] != seq + 1:
            yield f"{stable}: seq {index['seq']} after {seq}"
        if seq and index["previous"] != previous:
            yield f"{stable}: seq {index['seq']} names another index before it"
        seq, previous, commit = index["seq"], hashlib.sha256(raw).hexdigest(), index["commit"]
    yield from _published(bare, stable)
    done = subprocess.run(
        ["git", "merge-base", "--is-ancestor", str(commit), branch], cwd=bare.folder, check=False
    )
    if done.returncode != 0:
        yield f"{stable}: {commit} is not in {branch}"
        return
    yield from _as_in_main(bare, str(commit), stable)


def _published(bare: Bare, stable: str) -> Iterator[str]:
    """Both levels of the index say what the files are."""
    raw = bare.contents(bare.blobs(stable))
    index = json.loads(raw["index.json"])
    seen = set()
    for model, entry in index["models"].items():
        path = f"{model}/index.json"
        if not _is(raw.get(path), entry):
            yield f"{stable}: {path} is not what index.json says"
            continue
        heads = json.loads(raw[path])["heads"]
        if len(heads) != entry["heads"]:
            yield f"{stable}: {path} lists {len(heads)} heads, index.json {entry['heads']}"
        for head, reference in heads.items():
            place = f"{model}/{head}-calibration.json"
            seen.add(place)
            if not _is(raw.get(place), reference):
                yield f"{stable}: {place} is not what {path} says"
            elif json.loads(raw[place])["version"] != reference["version"]:
                yield f"{stable}: {place} has another version than {path} says"
    found = {path for path in raw if _REFERENCE.fullmatch(path)}
    yield from (f"{stable}: {path} is in no index" for path in sorted(found - seen))


def _is(raw: bytes | None, entry: Mapping[str, Any]) -> bool:
    if raw is None:
        return False
    return (hashlib.sha256(raw).hexdigest(), len(raw)) == (entry["digest"], entry["size"])


def _as_in_main(bare: Bare, commit: str, stable: str) -> Iterator[str]:
    """The references are those of the commit that was published."""
    here, there = (
        {
            path: oid
            for path, oid in bare.blobs(where).items()
            if _REFERENCE.fullmatch(path) and not _VERSION.fullmatch(path)
        }
        for where in (stable, commit)
    )
    if here != there:
        differ = sorted(
            path for path in here.keys() | there.keys() if here.get(path) != there.get(path)
        )
        yield f"{stable}: not the references of {commit[:12]}: {', '.join(differ[:5])}"
