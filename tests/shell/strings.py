"""Strings that would be options, commands or paths elsewhere, in every place that takes one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from editions import Editions

__all__ = ["STRINGS", "string_findings"]

STRINGS = (
    "--upload-pack=touch canary;",
    "--upload-pack=touch${IFS}canary",
    "-utouch canary",
    "--exec=touch canary",
    "--receive-pack=touch canary",
    "--config=core.sshCommand=touch canary",
    "-ccore.fsmonitor=touch canary",
    "--output=canary",
    "--git-dir=canary",
    "-oProxyCommand=touch canary",
    "ext::sh -c touch% canary",
    "fd::17",
    "file:///dev/zero",
    "ssh://-oProxyCommand=touch%20canary/x",
    "ssh://x@-oProxyCommand=touch canary/x",
    "-oProxyCommand=touch canary:x",
    "https://127.0.0.1:1/%0a--upload-pack=touch canary",
    "$(touch canary)",
    "`touch canary`",
    "; touch canary",
    "| touch canary",
    "a\nb",
    "a\0b",
    "../../../../etc/passwd",
    "/etc/passwd",
    "\\\\server\\share",
    "C:\\canary",
    "con",
    "m/..",
    "m/mood@v1 --all",
    "m/mood@{upstream}",
    "HEAD^{commit}",
    "main:refs/heads/x",
    "+main:main",
    "refs/heads/main",
    "@",
    "*" * 300,
    "x" * 5000,
    "\x1b[2J\x07",
    "\u202egnp.exe",
    "e\u0301",
    "\udcff",
)


def places(text: str, dest: Path, key: Path) -> tuple[tuple[object, ...], ...]:
    """Every place of the command line that takes what a person types, by its command."""
    return (
        ("pull", text, dest),
        ("pull", "../remote.git", text),
        ("pull", "../remote.git", dest, text),
        ("pull", f"../remote.git#{text}", dest),
        ("status", dest, "--source", text),
        ("show", text),
        ("diff", text, "v1", "v2"),
        ("promote", text, "v1", "--reason", "r"),
        ("promote", "m/mood", text, "--reason", "r"),
        ("rollback", "m/mood", "--reason", text),
        ("withdraw", text, "v1", "--reason", "r"),
        ("push", "--forget", text),
        ("stable", "publish", "--dry-run", "--branch", text),
        ("stable", "publish", "--dry-run", "--commit", text),
        ("stable", "publish", "--branch", "s", "--sign", text),
        ("site", "build", dest / "site", "--branch", text),
        ("run", text),
        ("keys", "trust", text, "--sign", key),
        ("--registry", text, "doctor"),
    )


def string_findings(
    editions: Editions, dest: Path, texts: Iterable[str], *, one_in: int = 1
) -> Iterator[str]:
    """Put strings in places; what a command did that it must not.

    Args:
        editions: Where the commands run.
        dest: A folder for what they install.
        texts: The strings.
        one_in: Of the places take every so many-th, others for each string.
    """
    for number, text in enumerate(texts):
        for words in places(text, dest / str(number), editions.key)[number % one_in :: one_in]:
            if any("\0" in str(word) for word in words):
                continue  # no system hands such an argument over
            ended = editions.bench.warm.run(*words, cwd=editions.folder / "seed")
            if ended.code not in range(6) or "Traceback" in ended.err:
                yield f"{words}: {ended.code}: {ended.err[-300:]}"
            if not all(line.isprintable() for line in ended.err.splitlines()):
                yield f"{words}: unprintable: {ended.err[-300:]!r}"
