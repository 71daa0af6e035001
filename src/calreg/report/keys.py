"""Which keys sign a registry, since when, and what a new list of keys changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from calreg.documents import LockSource, digest_of
from calreg.plan.keys import KeysPlan, SignedKeys
from calreg.report.numbers import UNICODE, Signs, plural
from calreg.report.table import Column, rows
from calreg.signatures import PublicKey

__all__ = [
    "changed_json",
    "changed_lines",
    "lists_json",
    "lists_lines",
    "made_json",
    "rule_text",
    "trusted_json",
    "trusted_lines",
]


def rule_text(threshold: int, count: int) -> str:
    """How many of how many keys must sign.

    >>> rule_text(2, 3), rule_text(1, 1)
    ('2 of 3 keys must sign', 'its one key must sign')
    """
    return "its one key must sign" if count == 1 else f"{threshold} of {count} keys must sign"


def made_json(key: PublicKey) -> dict[str, Any]:
    """One key, for programs."""
    return {"fingerprint": key.fingerprint, "comment": key.comment, "line": key.line}


# A registry's own lists


def lists_json(registry: str, lists: Sequence[SignedKeys]) -> dict[str, Any]:
    """All lists of a registry, and the keys of the newest."""
    newest = lists[-1] if lists else None
    since = _since(lists)
    return {
        "registry": registry,
        "number": newest.keys.number if newest else None,
        "threshold": newest.keys.threshold if newest else None,
        "keys": [{**made_json(key), "since": since[key]} for key in newest.public]
        if newest
        else [],
        "lists": [
            {
                "number": each.keys.number,
                "threshold": each.keys.threshold,
                "keys": list(each.keys.keys),
                "signed_by": sorted(each.signed_by),
                "digest": digest_of(each.raw),
            }
            for each in lists
        ],
    }


def lists_lines(
    registry: str, lists: Sequence[SignedKeys], *, width: int | None, signs: Signs = UNICODE
) -> list[Text]:
    """The newest list as a table, then the lists before it, a line each."""
    if not lists:
        return [
            Text(f"{registry} has no keys: nobody signs its index.", "bold"),
            Text("Next: calreg keys new PATH, then calreg keys trust PATH.pub --sign PATH"),
        ]
    newest = lists[-1]
    rule = rule_text(newest.keys.threshold, len(newest.public))
    heading = signs.joined([f"{registry}  {newest.path}", rule])
    since = {key: f"list {number}" for key, number in _since(lists).items()}
    lines = [Text(heading, "bold"), *_table(newest.public, since, width, signs)]
    for list_, before in zip(reversed(lists), reversed([None, *lists[:-1]]), strict=True):
        lines.append(Text(f"list {list_.keys.number}: {_what_changed(list_, before, signs)}"))
    return lines


def _since(lists: Sequence[SignedKeys]) -> dict[PublicKey, int]:
    """The number of the list since which each of the newest list's keys counts."""
    found: dict[PublicKey, int] = {}
    for each in lists:
        found = {key: found.get(key, each.keys.number) for key in each.public}
    return found


def _what_changed(after: SignedKeys, before: SignedKeys | None, signs: Signs) -> str:
    plan = KeysPlan(after, before, "")
    names = {key.fingerprint: _name(key) for key in (*plan.removed, *after.public)}
    signers = ", ".join(names.get(each, each) for each in sorted(after.signed_by))
    return signs.joined(
        [
            rule_text(after.keys.threshold, len(after.public)),
            f"added {', '.join(map(_name, plan.added))}" if plan.added else "",
            f"removed {', '.join(map(_name, plan.removed))}" if plan.removed else "",
            f"signed by {signers}",
        ]
    )


def _name(key: PublicKey) -> str:
    return key.comment or key.fingerprint


def _table(
    keys: Sequence[PublicKey], since: Mapping[PublicKey, str], width: int | None, signs: Signs
) -> list[Text]:
    columns = [
        Column("key", [key.fingerprint for key in keys]),
        Column("name", [key.comment or signs.nothing for key in keys], can_shrink=True),
    ]
    if since:
        columns.append(Column("since", [since[key] for key in keys]))
    return rows(columns, width=width, signs=signs)


# What somebody else trusts


def trusted_json(sources: Sequence[LockSource]) -> dict[str, Any]:
    """Whose signatures are asked for, per source."""
    return {"sources": [_trusted_of(each) for each in sources]}


def _trusted_of(source: LockSource) -> dict[str, Any]:
    trust = source.trust
    return {
        "source": source.source,
        "registry": source.registry,
        "read": source.read,
        "number": trust.number if trust else None,
        "threshold": trust.threshold if trust else None,
        "keys": [made_json(PublicKey.parse(line)) for line in trust.keys] if trust else [],
    }


def trusted_lines(
    sources: Sequence[LockSource], *, width: int | None, signs: Signs = UNICODE
) -> list[Text]:
    """Whose signatures are asked for: a heading and a table per source.

    Args:
        sources: What is known of each source.
        width: Columns of the terminal; None: no limit.
        signs: What the stream can show.
    """
    lines: list[Text] = []
    for source in sources:
        name, trust = f"{source.registry} from {source.source}", source.trust
        if trust is None:
            is_published = source.read != "main"
            why = "its index is not signed" if is_published else "nobody signs a working branch"
            lines.append(Text(f"{name}  no keys: {why}", "bold"))
            continue
        keys = [PublicKey.parse(line) for line in trust.keys]
        origin = f"list {trust.number}" if trust.number else "keys that were given"
        rule = rule_text(trust.threshold, len(keys))
        lines.append(Text(signs.joined([f"{name}  {origin}", rule]), "bold"))
        lines += _table(keys, {}, width, signs)
    return lines


# A new list


def changed_json(plan: KeysPlan) -> dict[str, Any]:
    """What a new list of keys changes."""
    after = plan.after
    return {
        "registry": after.keys.registry,
        "number": after.keys.number,
        "threshold": after.keys.threshold,
        "keys": [made_json(key) for key in after.public],
        "added": [key.fingerprint for key in plan.added],
        "removed": [key.fingerprint for key in plan.removed],
        "signed_by": sorted(after.signed_by),
    }


def changed_lines(plan: KeysPlan, *, signs: Signs = UNICODE) -> list[Text]:
    """What a new list of keys changes: who comes, who goes, who stays, who signed."""
    after = plan.after
    rule = rule_text(after.keys.threshold, len(after.public))
    stay = [key for key in after.public if key not in plan.added]
    signers = [key for key in (*after.public, *plan.removed) if key.fingerprint in after.signed_by]
    return [
        Text(signs.joined([f"{after.keys.registry}  {after.path}", rule]), "bold"),
        *(Text(f"+ {key}", "green") for key in plan.added),
        *(Text(f"- {key}", "red") for key in plan.removed),
        *(Text(f"  {key}") for key in stay),
        Text(f"{plural(len(signers), 'signature')}: {', '.join(map(_name, signers))}"),
    ]
