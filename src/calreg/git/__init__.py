"""git, safely: the one place that starts git or imports GitPython.

It knows commits, trees, branches, paths and bytes, and nothing of calibrations. Objects are
written by one `git fast-import` stream and read by `git cat-file --batch`; nothing is ever
checked out, because a checkout runs filters, changes bytes and creates symlinks. Hooks do
not run, the environment is cleaned, and of the user's own configuration only identity,
credential helpers and signing key are taken over, by name.

GitPython itself is imported when the first command starts, not when this package is; what a
pull needs is started without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calreg.late import names_of

if TYPE_CHECKING:
    from calreg.git.arguments import check_branch, check_path, check_url, redact
    from calreg.git.cache import (
        comes_after,
        drop_cache,
        fetch_remote,
        follow_remote,
        history_of,
        is_cache,
        is_followed,
        tree_at,
    )
    from calreg.git.candidates import Candidate, candidate
    from calreg.git.journal import Recovery
    from calreg.git.log import LogEntry
    from calreg.git.partial import Bringing, PartialTree, partial_tree
    from calreg.git.proposal import push_proposal
    from calreg.git.remotes import RefUpdate, remote_tip, remote_tips
    from calreg.git.repository import Repository, init_repository
    from calreg.git.settings import Identity, Remote
    from calreg.git.stored import FOLDER, Stored
    from calreg.git.tree import Entry, Tree

__all__ = [
    "FOLDER",
    "Bringing",
    "Candidate",
    "Entry",
    "Identity",
    "LogEntry",
    "PartialTree",
    "Recovery",
    "RefUpdate",
    "Remote",
    "Repository",
    "Stored",
    "Tree",
    "candidate",
    "check_branch",
    "check_path",
    "check_url",
    "comes_after",
    "drop_cache",
    "fetch_remote",
    "follow_remote",
    "history_of",
    "init_repository",
    "is_cache",
    "is_followed",
    "partial_tree",
    "push_proposal",
    "redact",
    "remote_tip",
    "remote_tips",
    "tree_at",
]

# Where each name is defined; imported when it is first needed, since most commands need few.
__getattr__ = names_of(
    __name__,
    {
        "arguments": "check_branch check_path check_url redact",
        "cache": (
            "comes_after drop_cache fetch_remote follow_remote history_of is_cache is_followed "
            "tree_at"
        ),
        "candidates": "Candidate candidate",
        "journal": "Recovery",
        "log": "LogEntry",
        "partial": "Bringing PartialTree partial_tree",
        "proposal": "push_proposal",
        "remotes": "RefUpdate remote_tip remote_tips",
        "repository": "Repository init_repository",
        "settings": "Identity Remote",
        "stored": "FOLDER Stored",
        "tree": "Entry Tree",
    },
)
