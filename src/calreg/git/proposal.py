"""A branch at a remote that holds a proposal: made, or replaced by a newer one.

Unlike the branches that are published to, it may go anywhere: what was proposed before is
replaced. It is leased all the same, so that nothing is overwritten that was not seen.
"""

from __future__ import annotations

from calreg.git.process import NETWORK_TIMEOUT_S, Git
from calreg.git.remotes import RefUpdate, push_all
from calreg.git.repository import Repository
from calreg.git.settings import Remote

__all__ = ["push_proposal"]


def push_proposal(
    repository: Repository,
    remote: Remote,
    branch: str,
    *,
    new: str,
    expected: str | None,
    timeout_s: float = NETWORK_TIMEOUT_S,
) -> None:
    """Let a remote's branch name a commit, if it is still where it was seen.

    Raises:
        StaleRegistryError: It is somewhere else by now.
        RegistryError: The server refuses, in its words.
        TransportError: It cannot be reached, or broke off.
    """
    place = () if repository.is_bare else ("--work-tree", str(repository.work_tree))
    git = Git(
        repository.work_tree or repository.git_dir,
        ("--git-dir", str(repository.git_dir), *place),
        repository.settings.taken_over(),
    )
    push_all(git, remote, [RefUpdate(branch, new, expected)], timeout_s=timeout_s)
