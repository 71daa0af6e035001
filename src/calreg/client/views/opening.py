"""Find out what a source is, and open it: the branch `stable`, a site, or a working branch.

One question to a git server answers whether there is a `stable` and where it and the
working branch are. A source that was read from `stable` or a site once is never read from
its working branch again: that would be a way around the gate and the signatures.
"""

from __future__ import annotations

from calreg.client.sources import BRANCH, Source, SourceKind
from calreg.client.views import Asking, View
from calreg.documents import LockSource, ReadFrom
from calreg.errors import CalregError, InputError, RegistryError, TransportError

__all__ = ["open_view"]

_NO_BRANCH = "no-such-branch"
# A web server's "no" may be a git server's, which has no such file, or wants to know who asks.
_REFUSED, _FAILED = 400, 500
_NO_REPOSITORY = frozenset({"not-a-repository", TransportError.default_code})


def open_view(source: Source, asking: Asking) -> View | None:
    """What the source offers now, verified; None if that is what is known already.

    Raises:
        InputError: It is no registry.
        RegistryError: It is not what it must be: signatures, history, the registry itself.
        TransportError: It cannot be reached, or not in time.
    """
    match _kind(source, asking.known):
        case "site":
            return _site(source, asking)
        case "web":
            return _either(source, asking)
        case "git":
            return _git(source, asking)


def _kind(source: Source, known: LockSource | None) -> SourceKind:
    """What answers at an address; a lock remembers it."""
    if source.kind != "web" or known is None or known.source != source.shown:
        return source.kind
    return "site" if known.read == "site" else "git"


def _site(source: Source, asking: Asking) -> View | None:
    from calreg.client.views.site import open_site

    return open_site(source, asking)


def _either(source: Source, asking: Asking) -> View | None:
    try:
        return _site(source, asking)
    except (InputError, TransportError) as error:
        if error.code != "not-a-registry" and not _REFUSED <= getattr(error, "status", 0) < _FAILED:
            raise
        no_site = error
    try:
        return _git(source, asking)
    except CalregError as error:
        if error.code not in _NO_REPOSITORY:
            raise
        raise InputError(
            f"{source.shown} is not a registry: {no_site.message}; and no git repository is there",
            hint=f"Check the address. What git says: {error.message}",
            code="not-a-registry",
        ) from error


def _git(source: Source, asking: Asking) -> View | None:
    if asking.known is None:
        # Nothing to compare with: one conversation with the server instead of two.
        try:
            return _stable(source, asking)
        except RegistryError as error:
            if error.code != _NO_BRANCH:
                raise
    from calreg.git import remote_tips

    tips = remote_tips(source.url, [asking.branch, "HEAD"], timeout_s=asking.deadline.left_s())
    if asking.branch in tips:
        is_known = _is_known(asking, "stable", tips[asking.branch])
        return None if is_known else _stable(source, asking)
    _check_ungated(source, asking)
    if "HEAD" in tips:
        return None if _is_known(asking, "main", tips["HEAD"]) else _main(source, asking)
    raise RegistryError(
        f"{source.shown} has no commits yet",
        hint="A new registry needs its first run.",
        code=_NO_BRANCH,
    )


def _is_known(asking: Asking, read: ReadFrom, tip: str) -> bool:
    known = asking.known
    return not asking.always and known is not None and (known.read, known.tip) == (read, tip)


def _stable(source: Source, asking: Asking) -> View:
    # What reads trees and judges histories comes in when there is something to judge.
    from calreg.client.views.stable import open_stable

    return open_stable(source, asking)


def _main(source: Source, asking: Asking) -> View:
    from calreg.client.views.main import open_main

    return open_main(source, asking)


def _check_ungated(source: Source, asking: Asking) -> None:
    """Refuse a working branch where something that was published, or signed, is wanted."""
    if asking.known is not None and asking.known.read != "main":
        raise _no_longer_published(source, asking.known, asking.branch)
    if asking.branch != BRANCH:
        raise RegistryError(
            f"{source.shown} has no branch {asking.branch!r}",
            hint="Check the name after '@'.",
            code=_NO_BRANCH,
        )
    if asking.keys:
        raise RegistryError(
            f"{source.shown} has no branch {asking.branch!r}, and its working branch is not signed",
            hint="Pull without keys, or ask who keeps the registry to publish and sign it.",
            code="unsigned",
        )


def _no_longer_published(source: Source, known: LockSource, branch: str) -> RegistryError:
    signed = "signed " if known.trust else ""
    return RegistryError(
        f"{source.shown} has no branch {branch!r} any more; {signed}index {known.seq} was seen "
        "here, and its working branch is no replacement",
        hint="Ask who keeps the registry; if it is meant so, pull into a new folder.",
        code="unsigned" if known.trust else "rewound",
    )
