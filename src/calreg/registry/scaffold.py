"""A new registry: its folder, its first files, its first commit.

Nothing that exists is overwritten. The files are committed from objects like any run, so
that an interrupted `init` leaves the repository as it was.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from calreg.documents import load_settings
from calreg.errors import InputError
from calreg.git import Identity, Repository, Stored, init_repository
from calreg.names import REGISTRY_FILE, check_segment, slug
from calreg.registry.workflows import WORKFLOWS, workflow

__all__ = ["CONFIG_FILE", "Initialised", "initialise"]

CONFIG_FILE = "calreg.yaml"

_SETTINGS = """\
# What this registry is called, and by which rules its heads are judged.
schema: calreg/registry/1.0
name: {name}

# A head is stable when every metric is strictly below its threshold.
thresholds:
  apd_p5: 0.01
  apd_p95: 0.01
  srd: 0.05
  jsd: 0.1
  median_drift: 0.05
  iqr_drift: 0.1
  # How far a label's threshold may move, and its probabilities (these are the defaults):
  # threshold_shift: 0.01
  # probability_shift: 0.01
  # How far a factor may move, relative to the one before:
  # factor_shift: 0.01

# A label with fewer scores is left out of a run.
min_samples: 100

# What moves a reference: any instability (unstable), or only drift beyond noise (drift).
policy:
  promote_on: unstable

# What a change may do: calreg gate judges it by the rules of the branch it is to be merged
# into. These are the defaults; a severity can be raised, and lowered as far as its rule lets it.
# gate:
#   min_f1: 0.10
#   max_f1_drop: 0.02
#   severities: {{unstable-not-moved: warning}}

# Rules for single heads, by patterns of full names; the later one wins. For example:
# heads:
#   "essentia/*/danceability":
#     thresholds: {{jsd: 0.15}}
"""

_README = """\
# {name}

A registry of calibrations, kept by calreg.

| file | is |
| --- | --- |
| `registry.yaml` | the name and the rules; edit and commit it by hand |
| `<model>/<head>-calibration.json` | a reference: what production reads |
| `<model>/v3/` | what run 3 wrote for a model; never changed afterwards |
| `runs/3.json` | run 3 as a whole: inputs, options, counts |
| `moves/1.json`, `pins.json` | references moved or held by hand |
| `.github/workflows/` | the gate, its comment, and what follows a merge |
| `.github/CODEOWNERS` | who must approve changes of those and of the rules: fill it in |

Everything but `registry.yaml` and this file is written by `calreg`:

    calreg run SCORES…      compute calibrations, compare, commit
    calreg propose SCORES…  the same on a branch of its own, with a pull request
    calreg propose          a pull request of what is committed here
    calreg gate             may this change be merged?
    calreg history          what happened
    calreg pull SOURCE DEST install the references somewhere
"""

# Bytes are what digests are of: no clone may change line ends.
_ATTRIBUTES = "*.json -text\n*.sig -text\nregistry.yaml -text\n"
# Names of people are for people to fill in: until then it says nothing.
_CODEOWNERS = """\
# Who must approve a change of what judges, of the rules, and of who signs. Write who that is,
# take away the "# ", and let the ruleset of the branch require a review from code owners: a
# proposal that changes a workflow can make its own check green.
# /.github/        @OWNER
# registry.yaml    @OWNER
# keys/            @OWNER
"""
# Whether somebody is a developer is their own matter, not that of everyone who clones.
_IGNORE = f"/{CONFIG_FILE}\n"
_CONFIG = """\
# This machine may write to the registry beside this file. In production: false.
calibrate_heads: true
"""


@dataclass(frozen=True, slots=True)
class Initialised:
    """What `initialise` made; `files` are those that were not there before."""

    folder: Path
    name: str
    commit: str
    new_repository: bool
    files: tuple[str, ...]


def initialise(
    folder: Path, *, when: datetime, name: str | None = None, workflows: bool = True
) -> Initialised:
    """Make a folder a registry and commit it; a git repository too, if none holds it.

    Args:
        folder: Made if it is not there; may be a bare repository or a folder in one.
        when: The time of the commit, with a zone.
        name: The registry's name; the folder's, made short, if it is not given.
        workflows: Put the workflows for CI at the repository's root, too.

    Raises:
        InputError: It is a registry already, git does not know who commits, HEAD is
            detached, or the name is refused. Nothing was written.
    """
    folder = folder.absolute()
    if folder.exists() and not folder.is_dir():
        raise InputError("expected a folder, got a file", where=str(folder), code="not-a-folder")
    chosen = check_segment(name, what="registry name") if name else slug(_stem(folder))
    found = _repository(folder)
    identity = found.identity() if found else _identity_for_new()
    if found is not None:
        _refuse_second(found, folder)
    elif (folder / REGISTRY_FILE).exists():
        raise _is_registry(folder)
    repository = found or init_repository(folder)
    settings = _SETTINGS.format(name=chosen)
    load_settings(settings.encode(), where=REGISTRY_FILE)
    contents = {
        _full(repository, REGISTRY_FILE): settings,
        _full(repository, "README.md"): _README.format(name=chosen),
        _full(repository, ".gitattributes"): _ATTRIBUTES,
        _full(repository, ".gitignore"): _IGNORE,
        **(_workflows(repository, chosen) if workflows else {}),
    }
    files = _missing(repository, contents)
    commit = _commit(repository, files, f"Begin the registry {chosen}\n", identity, when)
    written = [*map(_shown(repository), files), *_config(repository, folder)]
    return Initialised(folder, chosen, commit, found is None, tuple(sorted(written)))


def _stem(folder: Path) -> str:
    return folder.name.removesuffix(".git") or "registry"


def _repository(folder: Path) -> Repository | None:
    try:
        repository = Repository.find(folder)
    except InputError as error:
        if error.code == "not-a-repository" and "no git repository" in error.message:
            return None
        raise
    repository.branch()
    return repository


def _identity_for_new() -> Identity:
    # Asked before anything is made: a refused command leaves no empty repository behind.
    with tempfile.TemporaryDirectory(prefix="calreg-") as place:
        return init_repository(Path(place)).identity()


def _full(repository: Repository, path: str) -> str:
    return f"{repository.prefix}/{path}" if repository.prefix else path


def _refuse_second(repository: Repository, folder: Path) -> None:
    path = _full(repository, REGISTRY_FILE)
    if (folder / REGISTRY_FILE).exists() or repository.read(repository.tip()).entries([path]):
        raise _is_registry(folder)


def _is_registry(folder: Path) -> InputError:
    return InputError(
        f"is a registry already: it has a {REGISTRY_FILE}",
        where=str(folder),
        hint="calreg doctor looks at it; another folder takes another registry.",
        code="already-a-registry",
    )


def _workflows(repository: Repository, name: str) -> dict[str, str]:
    """What CI does, by path from the root of the repository, where a host looks for it.

    Where workflows of these names are there already, another registry's for example, these
    are called after the registry's folder.
    """
    folder = ".github/workflows"
    usual = {f"{folder}/{file}" for file in WORKFLOWS}
    is_taken = _missing(repository, dict.fromkeys(usual, "")).keys() != usual
    suffix = f"-{slug(repository.prefix.replace('/', '-') or name)}" if is_taken else ""
    branch = _main_branch(repository)
    made = {
        f"{folder}/{file.removesuffix('.yml')}{suffix}.yml": workflow(
            file, prefix=repository.prefix, branch=branch, suffix=suffix
        )
        for file in WORKFLOWS
    }
    return {**made, ".github/CODEOWNERS": _CODEOWNERS}


def _main_branch(repository: Repository) -> str:
    """The branch that proposals are merged into: the remote's main branch, if one is known."""
    ref = Stored(repository).default_branch()
    if ref is not None:
        return ref.removeprefix("refs/remotes/").partition("/")[2]
    here = repository.refs("refs/heads")
    usual = (name for name in ("main", "master") if f"refs/heads/{name}" in here)
    return next(usual, None) or repository.branch()


def _shown(repository: Repository) -> Callable[[str], str]:
    """Paths as seen from the registry's folder, as far as they are in it."""
    start = f"{repository.prefix}/" if repository.prefix else ""
    return lambda path: path.removeprefix(start)


def _missing(repository: Repository, contents: dict[str, str]) -> dict[str, bytes]:
    """Those files that are neither committed nor in the work tree, by repository path."""
    committed = repository.read(repository.tip()).entries(contents)
    root = repository.work_tree
    return {
        path: text.encode()
        for path, text in contents.items()
        if path not in committed and not (root is not None and (root / path).exists())
    }


def _commit(
    repository: Repository,
    files: dict[str, bytes],
    message: str,
    identity: Identity,
    when: datetime,
) -> str:
    with repository.lock():
        repository.recover()
        branch = repository.branch()
        tip = repository.tip(branch)
        commit = repository.commit(
            branch=branch,
            parent=tip,
            files=files,
            message=message,
            identity=identity,
            when=when,
        )
        repository.publish(branch, old=tip, new=commit)
    return commit


def _config(repository: Repository, folder: Path) -> list[str]:
    file = folder / CONFIG_FILE
    if repository.is_bare or file.exists():
        return []
    file.write_text(_CONFIG, encoding="utf-8")
    return [CONFIG_FILE]
