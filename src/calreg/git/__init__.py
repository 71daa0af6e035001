"""git, safely: the one place that starts git or imports GitPython.

It knows commits, trees, branches, paths and bytes, and nothing of calibrations. Objects are
written by one `git fast-import` stream and read by `git cat-file --batch`; nothing is ever
checked out, because a checkout runs filters, changes bytes and creates symlinks. Hooks do
not run, the environment is cleaned, and of the user's own configuration only identity,
credential helpers and signing key are taken over, by name.

GitPython itself is imported when the first command starts, not when this package is.
"""

from __future__ import annotations

from calreg.git.arguments import check_branch, check_path, check_url, redact
from calreg.git.cache import drop_cache, fetch_remote, is_cache
from calreg.git.journal import Recovery
from calreg.git.remotes import remote_tip
from calreg.git.repository import LogEntry, Repository, init_repository
from calreg.git.settings import Identity, Remote
from calreg.git.tree import Entry, Tree

__all__ = [
    "Entry",
    "Identity",
    "LogEntry",
    "Recovery",
    "Remote",
    "Repository",
    "Tree",
    "check_branch",
    "check_path",
    "check_url",
    "drop_cache",
    "fetch_remote",
    "init_repository",
    "is_cache",
    "redact",
    "remote_tip",
]
