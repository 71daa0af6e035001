"""Whether what is on top of the branch is the newest that was ever published there.

Whoever may push to the branch can put an older publication back on top, or one that says it
was never signed. A next one built on that would give a number away twice, and be refused by
everybody who saw the newer one. So everything below is looked at; it counts only if it was
signed, because anybody else could put anything there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from calreg.documents import Index, load_index
from calreg.errors import CalregError, RegistryError
from calreg.git import Repository, history_of
from calreg.names import INDEX_PATH, INDEX_SIGNATURE_PATH
from calreg.plan.keys import SignedKeys
from calreg.registry.stable.reading import Stable, check_signed_by

__all__ = ["check_newest"]

_MAX_BYTES = 16 * 2**20
_AT_ONCE = 200
_SEQ = re.compile(rb'"seq":\s*([0-9]{1,16})')
_KEYS = re.compile(rb'"keys":\s*([0-9]{1,7})')


def check_newest(
    repository: Repository, stable: Stable, lists: Sequence[SignedKeys], *, branch: str
) -> None:
    """Refuse to build on anything but the newest signed publication of the branch.

    Args:
        repository: Where the branch's history is.
        stable: What is on top.
        lists: The lists of keys as `main` has them; without any nothing is checked.
        branch: For messages.

    Raises:
        RegistryError: Something below was signed, and is newer or signed by a later list.
    """
    if not lists:
        return
    below = history_of(repository.git_dir, stable.commit)[1:]
    for commit, raw in _newer(repository, stable, below):
        found = _signed(repository, commit, raw, lists)
        if found is not None:
            raise _put_back(stable, found, commit, branch)


def _newer(
    repository: Repository, stable: Stable, commits: Sequence[str]
) -> Iterator[tuple[str, bytes]]:
    """Every commit whose index claims a higher number or a later list, and the index."""
    known = {stable.before.raw}
    for start in range(0, len(commits), _AT_ONCE):
        for commit, raw in _files(repository, commits[start : start + _AT_ONCE], INDEX_PATH):
            if raw not in known and _claims_more(raw, stable.index):
                known.add(raw)
                yield commit, raw


def _files(
    repository: Repository, commits: Sequence[str], path: str
) -> Iterator[tuple[str, bytes]]:
    tree = repository.read(commits[0])
    try:
        yield from tree.read_at(commits, path, max_bytes=_MAX_BYTES).items()
    except RegistryError:  # a folder of that name, or too much: it is none of ours
        if len(commits) > 1:
            half = len(commits) // 2
            yield from _files(repository, commits[:half], path)
            yield from _files(repository, commits[half:], path)


def _claims_more(raw: bytes, top: Index) -> bool:
    """Whether an index may be newer; all are looked at, so it is not parsed for that."""
    highest = [max(map(int, form.findall(raw)), default=0) for form in (_SEQ, _KEYS)]
    return highest[0] > top.seq or highest[1] > (top.keys or 0)


def _signed(
    repository: Repository, commit: str, raw: bytes, lists: Sequence[SignedKeys]
) -> Index | None:
    """The index of a commit, if it is one and was signed as it must be."""
    signature = dict(_files(repository, [commit], INDEX_SIGNATURE_PATH)).get(commit)
    try:
        index = load_index(raw, where=f"{commit}:{INDEX_PATH}")
        if index.keys is None:
            return None
        check_signed_by(lists, index.keys, raw, signature, where=f"{commit}:{INDEX_PATH}")
    except CalregError:
        return None  # whoever may push there may put anything there
    return index


def _put_back(stable: Stable, newest: Index, commit: str, branch: str) -> RegistryError:
    signed = f"by list {stable.index.keys}" if stable.index.keys else "by nobody"
    return RegistryError(
        f"publication {newest.seq}, signed by list {newest.keys} of the keys, was on {branch} "
        f"before, and on top of it is publication {stable.index.seq}, signed {signed}: somebody "
        "put it there",
        where=f"{branch}:{INDEX_PATH}",
        hint=f"Look who did (git log {branch}), and put the newest back on top: git push REMOTE "
        f"$(git commit-tree {commit[:12]}^{{tree}} -p {stable.commit[:12]} -m Restore):"
        f"refs/heads/{branch}",
        code="rewound",
    )
