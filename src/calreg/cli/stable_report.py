"""What became of a publication, and what is published, in lines and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from calreg.report.numbers import UNICODE, Signs, date_text, plural, version_text

if TYPE_CHECKING:
    from calreg.documents import Index
    from calreg.plan.keys import SignedKeys
    from calreg.plan.publication import Moved, Publication
    from calreg.registry.stable import NothingNew, Pending, PublishedStable, Survey

__all__ = [
    "done_json",
    "done_lines",
    "nothing_json",
    "nothing_lines",
    "planned_json",
    "planned_lines",
    "survey_json",
    "survey_lines",
]

_MAX_SHOWN = 40
_SHORT = 7


# Published


def done_json(done: PublishedStable) -> dict[str, Any]:
    """What `stable publish` and `stable sign` did."""
    made = done.prepared
    return {
        "status": "pending" if made.missing else "published",
        "branch": made.branch,
        "commit": made.commit,
        **_index_json(made.index),
        "moved": _moved_json(made.publication.moved),
        "signed_by": list(made.signed_by),
        "missing": made.missing,
        "pushed": done.remote is not None,
        "remote": done.remote,
        "tries": done.tries,
    }


def done_lines(
    done: PublishedStable, *, signs: Signs = UNICODE, remote: str | None = None
) -> list[Text]:
    """One line, the references that moved, where it is, and what to do next."""
    made = done.prepared
    lines = _moved_lines(made.publication, made.branch, signs)
    where = f"pushed to {done.remote}" if done.remote else f"committed {made.commit[:_SHORT]}"
    signed = f"signed by {', '.join(made.signed_by)}" if made.signed_by else "not signed"
    until = f"expires {date_text(made.index.expires)} UTC"
    lines.append(Text(signs.joined([where, signed, until])))
    if made.missing:
        more = plural(made.missing, "more key")
        lines.append(Text(f"Production does not have it yet: {more} must sign", "yellow"))
        lines.append(Text("Next: calreg stable sign --sign KEY, by whoever has one"))
    elif remote is not None and done.remote is None:
        lines.append(
            Text(f"Next: calreg stable publish --push, or git push {remote} {made.branch}")
        )
    return lines


def planned_json(publication: Publication, branch: str) -> dict[str, Any]:
    """What `stable publish --dry-run` would publish."""
    return {
        "status": "dry-run",
        "branch": branch,
        "commit": None,
        **_index_json(publication.index),
        "moved": _moved_json(publication.moved),
        "signed_by": [],
        "missing": 0,
        "pushed": False,
        "remote": None,
        "tries": 0,
    }


def planned_lines(publication: Publication, branch: str, *, signs: Signs = UNICODE) -> list[Text]:
    """The same, for a person."""
    return [*_moved_lines(publication, branch, signs), Text("Nothing was written: --dry-run")]


def nothing_json(found: NothingNew) -> dict[str, Any]:
    """Why nothing was published."""
    return {
        "status": found.why,
        "branch": found.branch,
        "commit": found.commit,
        **_index_json(found.index),
        "moved": [],
        "signed_by": [],
        "missing": found.missing,
        "pushed": found.pushed,
        "remote": None,
        "tries": 0,
    }


def nothing_lines(found: NothingNew, *, signs: Signs = UNICODE) -> list[Text]:
    """The same, for a person."""
    index = found.index
    what = {
        "current": "says all that there is to publish",
        "later": f"was made from a later commit ({index.commit[:_SHORT]})",
        "waiting": f"waits for {plural(found.missing, 'more key')} to sign",
    }[found.why]
    parts = [
        f"{index.registry}  publication {index.seq} on {found.branch} {what}",
        "nothing to do" if not found.pushed else "it was pushed",
        f"expires {date_text(index.expires)} UTC",
    ]
    return [Text(signs.joined(parts))]


def _index_json(index: Index) -> dict[str, Any]:
    return {
        "registry": index.registry,
        "seq": index.seq,
        "issued": index.issued,
        "expires": index.expires,
        "main": index.commit,
        "index": index.digest,
        "keys": index.keys,
        "models": {model: entry.heads for model, entry in index.models.items()},
        "heads": _heads(index),
    }


def _heads(index: Index) -> int:
    return sum(entry.heads for entry in index.models.values())


def _moved_json(moved: Sequence[Moved]) -> list[dict[str, Any]]:
    return [{"head": one.head, "before": one.before, "after": one.after} for one in moved]


def _moved_lines(publication: Publication, branch: str, signs: Signs) -> list[Text]:
    index, moved = publication.index, publication.moved
    facts = [
        f"publication {index.seq} on {branch}",
        f"{len(moved):,} of {plural(_heads(index), 'reference')} moved"
        if moved
        else "no reference moved",
        f"from {index.commit[:_SHORT]}",
    ]
    return [Text(f"{index.registry}  {signs.joined(facts)}", "bold"), *_changes(moved, signs)]


def _changes(moved: Sequence[Moved], signs: Signs) -> Iterator[Text]:
    width = max((len(one.head) for one in moved[:_MAX_SHOWN]), default=0)
    for one in moved[:_MAX_SHOWN]:
        before, after = (version_text(number, signs=signs) for number in (one.before, one.after))
        yield Text(f"  {one.head:<{width}}  {before} {signs.arrow} {after}")
    if len(moved) > _MAX_SHOWN:
        yield Text(f"{signs.more} {len(moved) - _MAX_SHOWN:,} more", "dim")


# What is published


def survey_json(found: Survey) -> dict[str, Any]:
    """What `stable show` found."""
    stable, problem = found.stable, found.problem
    pending = found.pending
    return {
        "registry": found.registry,
        "branch": found.branch,
        "remote": found.remote,
        "state": found.state,
        "unpushed": found.is_unpushed,
        "commit": stable.commit if stable else None,
        "published": _index_json(stable.index) if stable else None,
        "signed_by": list(found.signed_by),
        "threshold": found.keys.keys.threshold if found.keys else None,
        "main": found.main,
        "lacking": _moved_json(found.lacking),
        "pending": _pending_json(pending) if pending else None,
        "problem": {"code": problem.code, "message": str(problem)} if problem else None,
    }


def _pending_json(pending: Pending) -> dict[str, Any]:
    return {
        "seq": pending.index.seq,
        "issued": pending.index.issued,
        "expires": pending.index.expires,
        "signed_by": list(pending.signed_by),
        "missing": pending.missing,
    }


def survey_lines(found: Survey, *, now: datetime, signs: Signs = UNICODE) -> list[Text]:
    """The same, for a person: what is published first, what is missing last."""
    return [*_published_lines(found, now, signs), *_lacking_lines(found, signs)]


def _published_lines(found: Survey, now: datetime, signs: Signs) -> Iterator[Text]:
    where = f"{found.branch} of {found.remote}" if found.remote else found.branch
    if found.stable is None:
        yield Text(f"{found.registry}  nothing is published on {where} yet", "bold")
        return
    index = found.stable.index
    yield Text(f"{found.registry}  publication {index.seq} on {where}", "bold")
    yield Text(f"issued   {date_text(index.issued)} UTC, from {index.commit[:_SHORT]}")
    yield _expiry_line(index, now, signs)
    yield Text(f"signed   {_signed_text(index, found.keys, found.signed_by)}")
    if found.is_unpushed:
        yield Text("The remote does not have it: it is pushed by the next publish", "yellow")
    models, heads = plural(len(index.models), "model"), plural(_heads(index), "reference")
    yield Text(f"holds    {heads} of {models}")
    width = max((len(model) for model in list(index.models)[:_MAX_SHOWN]), default=0)
    for model, entry in list(index.models.items())[:_MAX_SHOWN]:
        yield Text(f"  {model:<{width}}  {plural(entry.heads, 'reference')}")
    if len(index.models) > _MAX_SHOWN:
        yield Text(f"{signs.more} {len(index.models) - _MAX_SHOWN:,} more", "dim")


def _expiry_line(index: Index, now: datetime, signs: Signs) -> Text:
    days = (datetime.fromisoformat(index.expires) - now).total_seconds() / 86_400
    if days > 0:
        return Text(f"expires  {date_text(index.expires)} UTC, in {plural(round(days), 'day')}")
    late = f"expired  {date_text(index.expires)} UTC, {plural(round(-days), 'day')} ago"
    return Text(f"{late} {signs.failed} clients install nothing new until it is renewed", "red")


def _signed_text(index: Index, keys: SignedKeys | None, signed_by: Sequence[str]) -> str:
    if index.keys is None:
        return "by nobody"
    if keys is None:
        return f"by nobody whom list {index.keys} of its keys names, or it could not be checked"
    names = {key.fingerprint: str(key) for key in keys.public}
    who = ", ".join(names.get(one, one) for one in signed_by)
    rule = f"{keys.keys.threshold} of {plural(len(keys.public), 'key')} must sign"
    return f"by {who} ({keys.path}: {rule})"


def _lacking_lines(found: Survey, signs: Signs) -> Iterator[Text]:
    if found.problem is not None:
        yield Text(f"{signs.failed} {found.problem}", "red")
        if found.problem.hint:
            yield Text(f"Hint: {found.problem.hint}")
        return
    main, moved = found.main[:_SHORT], len(found.lacking)
    yield Text(
        {
            "current": f"{signs.good} it says all that {main} says",
            "later": f"{signs.good} it was made from a later commit than {main}",
            "old": f"{main} says the same, and the next publish renews it",
            "behind": f"{main} has what is not published: "
            + (
                f"{plural(moved, 'reference')} would move"
                if moved
                else "withdrawn versions or keys"
            ),
            "problem": "",
        }[found.state]
    )
    yield from _changes(found.lacking, signs)
    if found.pending is not None:
        more = plural(found.pending.missing, "more key")
        yield Text(f"publication {found.pending.index.seq} waits for {more} to sign", "yellow")
        yield Text("Next: calreg stable sign --sign KEY")
    elif found.state in {"behind", "old"} or found.is_unpushed:
        is_signed = found.stable is not None and found.stable.index.keys is not None
        yield Text(f"Next: calreg stable publish{' --sign KEY' if is_signed else ''}")
