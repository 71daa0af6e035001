"""Which references were meant: names, models, patterns and versions, over several sources.

A head is taken from the first source that has it, so that a company's own source put before
an upstream registry overrides it head by head. What was meant exactly and is nowhere is an
error with the nearest names; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from calreg.client.offers import suggestion
from calreg.client.views import View
from calreg.documents import Entry, Lock, Withdrawn
from calreg.errors import InputError, RegistryError
from calreg.names import parse_version

__all__ = [
    "Choice",
    "check_withdrawn",
    "choose",
    "choose_installed",
    "selection_of",
    "withdrawn_error",
    "withdrawn_in",
]

_WILD = "*?["


@dataclass(frozen=True, slots=True)
class Choice:
    """One reference or version that was meant: of which view, and which.

    `entry` is that of the reference, or None for a version that is to be looked up.
    """

    origin: int
    version: int
    entry: Entry | None


def selection_of(patterns: Sequence[str]) -> tuple[str, ...]:
    """What was asked for, in one order and each once."""
    return tuple(sorted(set(patterns)))


def choose(views: Sequence[View], patterns: Sequence[str]) -> dict[str, Choice]:
    """The references that were meant, by full head name in order; all if nothing is named.

    Args:
        views: What is searched, the first one first.
        patterns: Full names, `head@v3`, models, patterns in which `*` crosses slashes.

    Raises:
        InputError: Something that names no head in any view, with the nearest that exist, or
            two versions of one head.
    """
    found: dict[str, Choice] = {}
    exact: dict[str, Choice] = {}
    for pattern in patterns or ("*",):
        name, at, version = pattern.partition("@")
        chosen = dict(_named(views, name))
        if not chosen and patterns:
            raise _unknown(views, name)
        if at:
            chosen = {head: _at(choice, parse_version(version)) for head, choice in chosen.items()}
            _refuse_two_versions(exact, chosen)
            exact |= chosen
        found |= chosen
    return dict(sorted((found | exact).items()))


def choose_installed(lock: Lock, patterns: Sequence[str], *, where: str) -> tuple[str, ...]:
    """Of what is installed, the heads that were meant; all if nothing is named.

    Raises:
        InputError: Something that names nothing that is installed, or another version.
    """
    found: set[str] = set()
    for pattern in patterns:
        name, _, version = pattern.partition("@")
        chosen = {head for head in lock.heads if is_meant(head, name)}
        if not chosen:
            raise InputError(
                f"No head {name!r} in {where}. {suggestion(name, lock.heads)}", code="unknown-head"
            )
        for head in chosen:
            if version and lock.heads[head].version != parse_version(version):
                raise InputError(
                    f"{head} is installed as v{lock.heads[head].version}, not {version}",
                    where=where,
                    code="no-such-version",
                )
        found |= chosen
    return tuple(sorted(found)) if patterns else tuple(sorted(lock.heads))


def _at(choice: Choice, version: int) -> Choice:
    if choice.version == version:
        return choice
    return Choice(choice.origin, version, None)


def _refuse_two_versions(before: dict[str, Choice], now: dict[str, Choice]) -> None:
    for head, choice in now.items():
        if head in before and before[head].version != choice.version:
            raise InputError(
                f"{head} is asked for as v{before[head].version} and as v{choice.version}",
                hint="Name one version of it.",
                code="two-versions",
            )


def _named(views: Sequence[View], pattern: str) -> Iterator[tuple[str, Choice]]:
    """Every head that a name, a model or a pattern means, in the first view that has it."""
    seen: set[str] = set()
    for origin, view in enumerate(views):
        for model in view.models():
            if not _may_be_in(model, pattern):
                continue
            for head, entry in view.entries(model).items():
                if head not in seen and is_meant(head, pattern):
                    seen.add(head)
                    yield head, Choice(origin, entry.version, entry)


def _may_be_in(model: str, pattern: str) -> bool:
    """Whether a model may have heads that are meant; only then is its index read."""
    if any(character in pattern for character in _WILD):
        literal = pattern[: min(pattern.find(c) for c in _WILD if c in pattern)]
        return f"{model}/".startswith(literal) or literal.startswith(f"{model}/")
    name = pattern.rstrip("/")
    return name.rpartition("/")[0] == model or model == name or model.startswith(f"{name}/")


def is_meant(head: str, pattern: str) -> bool:
    """Whether a head is of that name, of that model, or fits that pattern.

    >>> is_meant("a/b/x", "a/b"), is_meant("a/b/x", "*/x"), is_meant("a/b/x", "b/x")
    (True, True, False)
    """
    if any(character in pattern for character in _WILD):
        return fnmatchcase(head, pattern)
    model = pattern.rstrip("/")
    return head == pattern or (model != "" and head.startswith(f"{model}/"))


def _unknown(views: Sequence[View], name: str) -> InputError:
    known = {head for view in views for model in view.models() for head in view.entries(model)}
    registries = " or ".join(dict.fromkeys(view.origin.registry for view in views))
    return InputError(
        f"No head {name!r} in {registries}. {suggestion(name, known)}", code="unknown-head"
    )


def check_withdrawn(head: str, version: int, withdrawn: Withdrawn) -> None:
    """Refuse a version that is unfit for use.

    Raises:
        RegistryError: It was withdrawn, since when and why (code "withdrawn").
    """
    error = withdrawn_error(head, version, withdrawn)
    if error is not None:
        raise error


def withdrawn_error(head: str, version: int, withdrawn: Withdrawn) -> RegistryError | None:
    """The error for a version that is unfit for use; None if it is not."""
    found = withdrawn.of(head, version)
    if found is None:
        return None
    return RegistryError(
        f"{head} v{version} was withdrawn on {found.since} by {found.by}: {found.why}",
        hint="Use another version of it, or ask who withdrew this one.",
        code="withdrawn",
    )


def withdrawn_in(lock: Lock) -> tuple[str, ...]:
    """The installed heads whose version is unfit for use, as far as is known, in order."""
    return tuple(
        head
        for head, entry in sorted(lock.heads.items())
        if lock.source_of(head).withdrawn.of(head, entry.version) is not None
    )
