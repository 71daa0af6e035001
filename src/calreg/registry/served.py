"""Whether the branch that production reads is whole: what its index says is what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from calreg.documents import Entry, digest_of, load_model_index
from calreg.errors import CalregError
from calreg.git import Repository
from calreg.names import WITHDRAWN_PATH, HeadName, model_index_path
from calreg.registry.keys import signed_lists
from calreg.registry.stable import Stable, read_stable, signers_of

if TYPE_CHECKING:
    from calreg.registry.opening import Registry

__all__ = ["served_problems", "stable_tips"]

_MAX_BYTES = 16 * 2**20
_AGAIN = "calreg stable publish --renew publishes it anew from main."


def stable_tips(repository: Repository, branch: str = "stable") -> dict[str, str]:
    """Where production's branch is, here and as the remote was seen last, by shown name."""
    found = {branch: repository.tip(f"refs/heads/{branch}")}
    for ref, commit in repository.refs("refs/remotes").items():
        remote, _, name = ref.removeprefix("refs/remotes/").partition("/")
        if name == branch:
            found[f"{remote}/{branch}"] = commit
    return {name: commit for name, commit in found.items() if commit is not None}


def served_problems(
    registry: Registry, commit: str, *, branch: str
) -> Iterator[tuple[str, str | None]]:
    """What is wrong with one commit of the branch, each with a hint."""
    try:
        stable = read_stable(registry.repository, commit, branch=branch)
        yield from _differences(registry.repository, stable)
        signers_of(stable, signed_lists(registry.now), branch=branch)
        yield from _unlike_main(registry, stable)
    except CalregError as error:
        yield str(error), error.hint


def _differences(repository: Repository, stable: Stable) -> Iterator[tuple[str, str]]:
    """Files that are missing or have other bytes than the index says."""
    tree, index = repository.read(stable.commit), stable.index
    listed = {model_index_path(model): one.digest for model, one in index.models.items()}
    if index.withdrawn is not None:
        listed[WITHDRAWN_PATH] = index.withdrawn.digest
    tops = tree.read_many(listed, max_bytes=_MAX_BYTES)
    for path, digest in listed.items():
        if digest_of(tops.get(path, b"")) != digest:
            yield f"{path}: is not what the index says", _AGAIN
            tops.pop(path, None)
    heads: dict[str, Entry] = {}
    for model in index.models:
        path = model_index_path(model)
        if path in tops:
            found = load_model_index(tops[path], where=path).heads
            heads |= {HeadName(model, head).reference_path: one for head, one in found.items()}
    raw = tree.read_many(heads, max_bytes=_MAX_BYTES)
    for path, entry in heads.items():
        if digest_of(raw.get(path, b"")) != entry.digest:
            yield f"{path}: is not what the index says", _AGAIN


def _unlike_main(registry: Registry, stable: Stable) -> Iterator[tuple[str, str]]:
    """References that are not those of the commit of `main` that the index names."""
    if registry.repository.tip(stable.index.commit) is None:
        return  # a shallow clone, or one that has not fetched it yet
    references = registry.at(stable.index.commit).references
    served = dict(stable.before.heads)
    for name, reference in references.items():
        entry = served.pop(name.full, None)
        if entry is None or entry.digest != reference.digest:
            yield f"{name}: is not what main had at {stable.index.commit[:12]}", _AGAIN
    for head in served:
        yield f"{head}: is not on main at {stable.index.commit[:12]}", _AGAIN
