"""What a repository's and its user's configuration say that we act on.

One `git config --list` under the user's own configuration is read, and taken over by name:
identity, credential helpers, signing key, whose repositories are trusted, and where a
branch's remote is. Everything else the user configured stays unread when commands run (see
`process`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from calreg.errors import InputError
from calreg.git.arguments import check_ref, check_url, redact
from calreg.git.process import Git

__all__ = ["Identity", "Remote", "Settings", "read_settings"]

_IDENTITY = re.compile(r"(user|author|committer)\.(name|email)|user\.signingkey")
_CREDENTIAL = re.compile(r"credential\.(.+\.)?(helper|username|usehttppath)", re.DOTALL)
_TRUST = "safe.directory"
_THE_USERS_OWN = frozenset({"system", "global"})
# git drops these from names, and a name of nothing else is no name.
_CRUD = " .,:;<>\"\\'\n\r\t\0"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a commit is by: author and committer, as git itself would name them."""

    name: str
    email: str
    committer_name: str
    committer_email: str


@dataclass(frozen=True, slots=True)
class Remote:
    """Where a branch comes from and goes to.

    Args:
        name: As in `git remote`, for example `origin`.
        url: Its address as configured; may hold secrets, so show `shown`.
        branch: The branch over there.
    """

    name: str
    url: str
    branch: str

    @property
    def shown(self) -> str:
        """The address without secrets."""
        return redact(self.url)

    @property
    def tracking_ref(self) -> str:
        """Where the local repository remembers the remote branch's tip."""
        return f"refs/remotes/{self.name}/{self.branch}"


@dataclass(frozen=True, slots=True)
class Settings:
    """A snapshot of the configuration: (scope, key, value), the later one wins."""

    rows: tuple[tuple[str, str, str], ...]

    def last(self, key: str) -> str | None:
        """The value that counts, or None."""
        return next((value for _, name, value in reversed(self.rows) if name == key), None)

    def taken_over(self) -> tuple[tuple[str, str], ...]:
        """Of the user's own configuration, what git commands are given, by name."""
        local = {key for scope, key, _ in self.rows if scope not in _THE_USERS_OWN}
        return tuple(
            (key, value)
            for scope, key, value in self.rows
            if scope in _THE_USERS_OWN
            and (
                key == _TRUST
                or _CREDENTIAL.fullmatch(key)
                or (_IDENTITY.fullmatch(key) and key not in local)
            )
        )

    def identity(self, environment: Mapping[str, str] = os.environ) -> Identity:
        """Author and committer: from GIT_AUTHOR_* and GIT_COMMITTER_*, else configured.

        Raises:
            InputError: One of them is missing; git's guess from login and host is not used.
        """
        name, email = self._person("author", environment)
        committer_name, committer_email = self._person("committer", environment)
        return Identity(name, email, committer_name, committer_email)

    def _person(self, who: str, environment: Mapping[str, str]) -> tuple[str, str]:
        found: list[str] = []
        for what in ("name", "email"):
            candidates = (
                environment.get(f"GIT_{who.upper()}_{what.upper()}"),
                self.last(f"{who}.{what}"),
                self.last(f"user.{what}"),
                environment.get("EMAIL") if what == "email" else None,
            )
            cleaned = (_clean(value) for value in candidates if value)
            found.append(next((value for value in cleaned if value), ""))
        if not all(found):
            raise InputError(
                f"git does not know who you are: no {who} name and email are configured",
                hint='git config --global user.name "Your Name" && '
                "git config --global user.email you@example.org",
                code="no-identity",
            )
        return found[0], found[1]

    def remote(self, branch: str) -> Remote | None:
        """The branch's upstream; without one the remote `origin`; None if there is none.

        Raises:
            InputError: Its address is one that git must not be pointed at.
        """
        name = self.last(f"branch.{branch}.remote") or "origin"
        url = self.last(f"remote.{name}.url")
        if url is None:
            return None
        merge = self.last(f"branch.{branch}.merge") or f"refs/heads/{branch}"
        check_ref(merge)
        check_ref(f"refs/remotes/{name}/x", shown=name)
        for address in (url, self.last(f"remote.{name}.pushurl")):
            if address is not None:
                check_url(address)
        return Remote(name, url, merge.removeprefix("refs/heads/"))


def _clean(text: str) -> str:
    kept = "".join(character for character in text if character not in "<>\n\r\0")
    return " ".join(kept.split()).strip(_CRUD)


def read_settings(git: Git) -> Settings:
    """The configuration as `git config --list` shows it, with where each value stands."""
    fields = git.run("config", "--list", "--show-scope", "-z").text.split("\0")
    rows = []
    for scope, line in zip(fields[::2], fields[1::2], strict=False):
        key, _, value = line.partition("\n")
        rows.append((scope, key, value))
    return Settings(tuple(row for row in rows if row[0] != "command"))
