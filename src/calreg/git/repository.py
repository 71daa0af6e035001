"""A git repository on this disk: read it, commit to it, keep its work tree in step.

`publish` is the one way by which a branch moves: journal, branch, files, index. Every step
but the branch's own can be repeated or forgotten, so that a command killed anywhere
leaves the old commit or the new one; `recover` does the rest, and every writing command
calls it first, inside `lock`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

from calreg import failpoints
from calreg.errors import CalregError, InputError, StaleRegistryError
from calreg.git import journal, remotes
from calreg.git.arguments import check_branch, check_path, check_ref, is_commit_id
from calreg.git.journal import Pending, Recovery
from calreg.git.log import LOG_FORMAT, LogEntry, log_entries
from calreg.git.objects import commit_stream
from calreg.git.process import DEFAULT_TIMEOUT_S, NETWORK_TIMEOUT_S, Git, failure
from calreg.git.remotes import RefUpdate
from calreg.git.settings import Identity, Remote, Settings, read_settings
from calreg.git.tree import Tree
from calreg.git.worktree import WorkTree, changes_between

__all__ = ["Repository", "init_repository"]

_PENDING_REF = "refs/calreg/pending"
_IN_A_PACK = ("fastimport.unpackLimit", "1")
# All that is asked of a new place, in one process. Each but --path-format and --revs-only is
# answered by one line; HEAD, the last, by none if it has no commit.
_QUESTIONS = (
    "--is-bare-repository", "--is-inside-git-dir", "--absolute-git-dir",
    "--path-format=absolute", "--git-common-dir", "--is-inside-work-tree", "--show-prefix",
    "--revs-only", "HEAD",
)  # fmt: skip


class Repository:
    """A place on disk: a work tree or a bare repository, and a folder in it.

    Args:
        git_dir: The folder with HEAD and the index; for a linked work tree its own.
        common_dir: The folder with objects and branches.
        work_tree: The folder with the files; None for a bare repository.
        prefix: The folder that was asked for, from the root of the repository, with
            forward slashes; empty for the root.
        found_at: The commit that HEAD was at when it was found; None if there was none, or
            nobody looked. `tip` says where it is now.
    """

    def __init__(
        self,
        git_dir: Path,
        common_dir: Path,
        work_tree: Path | None,
        prefix: str = "",
        found_at: str | None = None,
    ) -> None:
        self.git_dir = git_dir
        self.common_dir = common_dir
        self.work_tree = work_tree
        self.prefix = prefix
        self.found_at = found_at
        self._parents: dict[str, str | None] = {}  # of the commits made here

    @classmethod
    def find(cls, folder: Path) -> Repository:
        """The nearest repository that holds the folder, which need not exist yet.

        Raises:
            InputError: There is none, or git refuses to trust it.
        """
        wanted = Path(os.path.realpath(folder))
        existing = next(place for place in (wanted, *wanted.parents) if place.is_dir())
        # The user's own configuration says whose repositories are trusted.
        about = Git(existing, as_user=True).attempt("rev-parse", *_QUESTIONS)
        if about.code != 0:
            raise _not_found(wanted, about.err) or failure("rev-parse", about)
        answers = about.text.split("\n")
        if len(answers) not in {len(_QUESTIONS) - 3, len(_QUESTIONS) - 2}:
            raise _unusable(wanted, "a line break is in the path of this folder")
        bare, inside, git_dir, common_dir, in_work_tree, below, *tips = answers
        root = Path(git_dir)
        if bare != "true":
            if in_work_tree != "true":
                raise _unusable(
                    wanted,
                    "this is the inside of a .git folder, not a work tree"
                    if inside == "true"
                    else "this folder is outside its repository's work tree",
                )
            root = (existing, *existing.parents)[below.count("/")]
        if not wanted.is_relative_to(root):
            raise _unusable(wanted, f"this folder is outside the bare repository {git_dir!r}")
        prefix = wanted.relative_to(root).as_posix()
        return cls(
            Path(git_dir),
            Path(common_dir),
            None if bare == "true" else root,
            "" if prefix == "." else prefix,
            tips[0] if tips else None,
        )

    @property
    def is_bare(self) -> bool:
        """Whether there is no work tree."""
        return self.work_tree is None

    @cached_property
    def settings(self) -> Settings:
        """The configuration, read once."""
        return read_settings(Git(self._cwd, self._options, as_user=True))

    @property
    def _cwd(self) -> Path:
        return self.work_tree or self.git_dir

    @property
    def _options(self) -> tuple[str, ...]:
        place = () if self.work_tree is None else ("--work-tree", str(self.work_tree))
        return ("--git-dir", str(self.git_dir), *place)

    @cached_property
    def _git(self) -> Git:
        return Git(self._cwd, self._options, self.settings.taken_over())

    @cached_property
    def _files(self) -> WorkTree | None:
        if self.work_tree is None:
            return None
        return WorkTree(
            self._git, self.work_tree, self.git_dir / "index", ours=self._journal.parent
        )

    @property
    def _journal(self) -> Path:
        return self.git_dir / "calreg" / "pending"

    # Reading

    def branch(self) -> str:
        """The branch that HEAD is on; it may have no commit yet.

        Raises:
            InputError: HEAD is detached.
        """
        answer = self._git.run("symbolic-ref", "--quiet", "HEAD", ok=(0, 1))
        if answer.code != 0 or not answer.text.startswith("refs/heads/"):
            raise InputError(
                "HEAD is detached: no branch is checked out to publish on",
                where=str(self._cwd),
                hint="git switch -c NAME",
                code="detached-head",
            )
        return answer.text.removeprefix("refs/heads/")

    def tip(self, ref: str = "HEAD") -> str | None:
        """The commit of a branch, a full ref or HEAD; None if it has none yet."""
        if is_commit_id(ref):
            name = f"{ref}^{{commit}}"
        elif ref == "HEAD" or ref.startswith("refs/"):
            name = ref if ref == "HEAD" else check_ref(ref)
        else:
            name = f"refs/heads/{check_branch(ref)}"
        answer = self._git.run("rev-parse", "--verify", "--quiet", name, ok=(0, 1))
        return answer.text if answer.code == 0 else None

    def refs(self, prefix: str) -> dict[str, str]:
        """Full names of all refs below a prefix such as `refs/heads`, and what they name."""
        check_ref(f"{prefix}/any")
        answer = self._git.run("for-each-ref", "--format=%(objectname) %(refname)", prefix)
        rows = (line.partition(" ") for line in answer.text.splitlines())
        return {ref: commit for commit, _, ref in rows}

    def read(self, commit: str | None) -> Tree:
        """The files of a commit; those of a repository without commits for None."""
        if commit is not None and not is_commit_id(commit):
            raise InputError(f"{commit!r} is not the id of a commit", code="git-ref")
        return Tree(self._git, commit)

    def identity(self) -> Identity:
        """Who commits here: as git would name them, but never guessed.

        Raises:
            InputError: No name or no email is configured.
        """
        return self.settings.identity()

    def dirty(self, paths: Iterable[str], head: str | None = None) -> list[str]:
        """Of these paths, those where work tree or index differ from HEAD, if known; bare: none.

        Raises:
            InputError: A symbolic link or a folder is where a file would be written.
            RegistryError: Another git command holds the index.
        """
        return [] if self._files is None else self._files.dirty(paths, head or self.tip())

    def is_ancestor(self, ancestor: str, commit: str) -> bool:
        """Whether a commit is the other or in its history."""
        if self._parents.get(commit) == ancestor:
            return True
        answer = self._git.run("merge-base", "--is-ancestor", ancestor, commit, ok=(0, 1))
        return answer.code == 0

    def changed(self, old: str | None, new: str) -> list[str]:
        """The paths that differ between two commits; all of `new` if there is no old one."""
        return [change.path for change in changes_between(self._git, old, new)]

    def log(
        self, commit: str, path: str = "", *, limit: int = 50, base: str | None = None
    ) -> list[LogEntry]:
        """The last commits that changed a path (empty: any) and are not in `base`, newest first."""
        below = [check_path(path)] if path else []
        rest = [f"^{base}"] if base is not None else []
        answer = self._git.run(
            "log", "-z", f"--format={LOG_FORMAT}", f"--max-count={limit}",
            "--no-color", "--no-mailmap", "--topo-order", commit, *rest, "--", *below,
        )  # fmt: skip
        return log_entries(answer.out)

    # Writing

    def lock(
        self, *, wait_s: float = journal.LOCK_WAIT_S
    ) -> contextlib.AbstractContextManager[None]:
        """Hold while writing; not taken twice by one process.

        Raises:
            RegistryError: Somebody else holds it for longer than `wait_s`.
        """
        return journal.locked(self.common_dir / "calreg" / "lock", wait_s=wait_s)

    def commit(
        self,
        *,
        branch: str,
        parent: str | None,
        files: Mapping[str, bytes],
        delete: Collection[str] = (),
        message: str,
        identity: Identity,
        when: datetime,
    ) -> str:
        """A new commit's id: the parent's tree with some files changed. No branch moves.

        Args:
            branch: Where it is meant to go; `publish` takes it there.
            parent: The commit before; None for the first.
            files: Path from the root of the repository to bytes; mode 100644.
            delete: Paths that are no longer there.
            message: Any text; trailers are its last paragraph.
            identity: See `identity`.
            when: The time, with a zone; both author's and committer's.
        """
        check_branch(branch)
        stream = commit_stream(
            ref=_PENDING_REF, parent=parent, files=files, delete=delete,
            message=message, identity=identity, when=when,
        )  # fmt: skip
        options = ("--quiet", "--done", "--force", "--date-format=raw")
        # A pack is brought to disk by two calls of fsync, ten objects by ten.
        git = replace(self._git, settings=(*self._git.settings, _IN_A_PACK))
        made = git.run("fast-import", *options, stdin=stream).text.strip()
        failpoints.reach("objects-written")
        self._parents[made] = parent
        return made

    def publish(self, branch: str, *, old: str | None, new: str) -> list[str]:
        """Move a branch to a commit made of its tip, and its work tree if it is checked out.

        Journal, branch, files, index, in this order; inside `lock`. What goes to a remote is
        pushed before.

        Args:
            branch: The branch here.
            old: Its tip now; None if it has no commit yet.
            new: The commit to move it to, a descendant of `old`.

        Returns:
            Files that were left alone because somebody changed them meanwhile.

        Raises:
            StaleRegistryError: The branch moved; nothing changed.
            InputError: The work tree cannot follow: a link or submodule is in the commit, or
                something strange in its way; nothing changed.
        """
        check_branch(branch)
        files = self._files if self._is_checked_out(branch) else None
        # Looked at first: what cannot be written must not be published.
        changes = files.plan(old, new) if files else []
        journal.write(self._journal, Pending(branch, old, new))
        try:
            self.advance(branch, old=old, new=new)
        except CalregError:
            if self.tip(branch) != new:
                journal.clear(self._journal)
            raise
        conflicts = files.settle(changes, new) if files else []
        journal.clear(self._journal)
        return conflicts

    def _is_checked_out(self, branch: str) -> bool:
        head = self._git.run("symbolic-ref", "--quiet", "HEAD", ok=(0, 1)).text
        return self.work_tree is not None and head == f"refs/heads/{branch}"

    def advance(self, branch: str, *, old: str | None, new: str) -> None:
        """Move a branch from one commit to another, if it is still there.

        Raises:
            StaleRegistryError: It is somewhere else.
        """
        ref = f"refs/heads/{check_branch(branch)}"
        lines = f"update {ref} {new} {old or '0' * len(new)}\ndelete {_PENDING_REF}\n"
        options = ("-m", "calreg: publish", "--stdin")
        answer = self._git.attempt("update-ref", *options, stdin=lines.encode())
        if answer.code != 0:
            if self.tip(ref) != old:
                raise StaleRegistryError(
                    f"branch {branch} moved while this was computed",
                    hint="Run the command again.",
                )
            raise failure("update-ref", answer)
        failpoints.reach("ref-moved")

    def keep(self, ref: str, commit: str) -> None:
        """Let a full ref name a commit, wherever it was before, so that nothing is lost."""
        self._git.run("update-ref", "-m", "calreg: keep", check_ref(ref), commit)

    def drop(self, ref: str, commit: str) -> None:
        """Forget a full ref, if it still names that commit."""
        self._git.run("update-ref", "-d", check_ref(ref), commit)

    def recover(self) -> Recovery:
        """Finish or forget what an interrupted command left; inside `lock`."""
        pending = journal.read(self._journal)
        if self.tip(_PENDING_REF) is not None:
            self._git.run("update-ref", "-d", _PENDING_REF)
        if pending is None:
            if self._files is not None:
                self._files.drop_leftovers([])
            return Recovery("none")
        recovery = self._recovered(pending)
        journal.clear(self._journal)
        return recovery

    def _recovered(self, pending: Pending) -> Recovery:
        at = self.tip(pending.branch)
        if at == pending.old:
            return Recovery("forgotten", pending.new)
        files = self._files if self._is_checked_out(pending.branch) else None
        # A branch that went on may have left the pending commit behind, and git removed it.
        changes = files.plan(pending.old, pending.new) if files and self.tip(pending.new) else []
        if files:
            files.drop_leftovers(changes)
        if at != pending.new:
            return Recovery("moved-on", pending.new)
        conflicts = files.settle(changes, pending.new) if files else []
        return Recovery("finished", pending.new, tuple(conflicts))

    def move_aside(self, branch: str, *, old: str | None, new: str) -> None:
        """Move a branch that is checked out nowhere, if it is still at `old`; inside `lock`.

        Raises:
            InputError: It is checked out: its files would not follow.
            StaleRegistryError: It is somewhere else.
        """
        self.check_not_checked_out(branch)
        ref = f"refs/heads/{check_branch(branch)}"
        answer = self._git.attempt("update-ref", "--no-deref", ref, new, old or "0" * len(new))
        if answer.code != 0:
            if self.tip(ref) != old:
                raise StaleRegistryError(f"branch {branch} moved meanwhile", hint="Try again.")
            raise failure("update-ref", answer)
        failpoints.reach("ref-moved")

    def check_not_checked_out(self, branch: str) -> None:
        """Refuse to move a branch whose files, in a work tree, would not follow.

        Raises:
            InputError: It is checked out, in this work tree or another one.
        """
        ref = f"refs/heads/{check_branch(branch)}"
        place = self._git.run("for-each-ref", "--format=%(worktreepath)", ref).text
        # The HEAD of a bare repository checks nothing out.
        if place and not (self.is_bare and Path(place).resolve() == self.git_dir.resolve()):
            raise InputError(
                f"branch {branch} is checked out here, and its files would not follow",
                where=place,
                hint="git switch to another branch there, then try again.",
                code="checked-out",
            )

    @property
    def is_shallow(self) -> bool:
        """Whether older commits were left out when it was cloned."""
        return (self.common_dir / "shallow").exists()

    # Remotes

    def remote(self, branch: str) -> Remote | None:
        """Where the branch is published: its upstream, else `origin`, else None."""
        return self.settings.remote(branch)

    def fetch(
        self, remote: Remote, branch: str | None = None, *, timeout_s: float = NETWORK_TIMEOUT_S
    ) -> str | None:
        """The tip of the remote's branch, fetched; None if it has no such branch.

        Raises:
            TransportError: The remote cannot be reached or read.
        """
        wanted = remote.branch if branch is None else branch
        return remotes.fetch(self._git, remote, wanted, timeout_s=timeout_s)

    def fetch_all(
        self, remote: Remote, branches: Iterable[str], *, timeout_s: float = NETWORK_TIMEOUT_S
    ) -> dict[str, str | None]:
        """The tips of several of the remote's branches; None for one it does not have.

        Raises:
            TransportError: The remote cannot be reached or read.
        """
        return remotes.fetch_all(self._git, remote, branches, timeout_s=timeout_s)

    def push_all(
        self,
        remote: Remote,
        updates: Sequence[RefUpdate],
        *,
        timeout_s: float = NETWORK_TIMEOUT_S,
    ) -> None:
        """Move several of the remote's branches, each to a descendant, all of them or none.

        Raises:
            StaleRegistryError: Somebody else was faster, or a commit is no descendant.
            RegistryError: The server refuses one of them, in its words.
            TransportError: It cannot be reached, or broke off: look whether it has them.
        """
        for update in updates:
            self._check_descends(update.branch, update.expected, update.new)
        remotes.push_all(self._git, remote, updates, timeout_s=timeout_s)

    def _check_descends(self, branch: str, expected: str | None, new: str) -> None:
        if expected is not None and not self.is_ancestor(expected, new):
            raise StaleRegistryError(
                f"commit {new[:12]} does not come after {expected[:12]}, where {branch} is now"
            )

    def push(
        self,
        remote: Remote,
        *,
        branch: str,
        new: str,
        expected: str | None,
        timeout_s: float = NETWORK_TIMEOUT_S,
    ) -> None:
        """Move the remote's branch from `expected` to `new`, its descendant, or not at all.

        Raises:
            StaleRegistryError: Somebody else was faster, or `new` is no descendant.
            RegistryError: The server refuses, in its words.
            TransportError: It cannot be reached, or broke off: look whether it has `new`.
        """
        self.push_all(remote, [RefUpdate(branch, new, expected)], timeout_s=timeout_s)


def _not_found(folder: Path, err: str) -> InputError | None:
    if "not a git repository" not in err:
        return None
    return InputError(
        "no git repository holds this folder",
        where=str(folder),
        hint="git init, or calreg init for a new registry.",
        code="not-a-repository",
    )


def _unusable(folder: Path, problem: str) -> InputError:
    return InputError(problem, where=str(folder), code="not-a-repository")


def init_repository(folder: Path, *, bare: bool = False, branch: str = "main") -> Repository:
    """A new, empty repository; the folder is made if it is not there.

    No template is used: a new repository has no hooks, not even samples.
    """
    check_branch(branch)
    folder.mkdir(parents=True, exist_ok=True)
    options = ["--quiet", "--template=", f"--initial-branch={branch}"]
    git = Git(Path(os.path.realpath(folder)))
    git.run("init", *options, *(["--bare"] if bare else []), timeout_s=DEFAULT_TIMEOUT_S)
    return Repository.find(folder)
