"""Blocks lists of keys that are not signed by the list before, and says every change of keys.

Who signs decides what production believes. A list follows another only if enough keys of the
list before, and enough of its own, signed it. The first is taken on trust, so whoever merges it
must know whose keys they are: it comes alone, where nobody overlooks it. A sound change is a
warning, never silence.
"""

from __future__ import annotations

from collections.abc import Iterator

from calreg.errors import CalregError
from calreg.gate.case import Case
from calreg.gate.rule import Rule
from calreg.gate.said import Said
from calreg.gate.values import Severity
from calreg.names import SIGNATURE_ENDING, keys_path
from calreg.plan.keys import SignedKeys, checked_lists

__all__ = ["RULE", "check"]


_MOST = 200  # a signature takes milliseconds


def check(case: Case) -> Iterator[Said]:
    """Every touched list of keys, checked from the first on."""
    touched = case.files.of_kind("keys", "keys-signature")
    if not touched:
        return
    if len(touched) > _MOST:
        yield Said(
            f"touches {len(touched):,} files of keys, at most {_MOST} are checked", touched[0]
        )
        return
    files = _files(case, touched)
    for path in files:
        if path.endswith(SIGNATURE_ENDING) and path.removesuffix(SIGNATURE_ENDING) not in files:
            yield Said("signs a list of keys that is not there", path)
    try:
        lists = checked_lists(case.known.settings.name, files)
    except CalregError as error:
        yield Said(error.message, error.where or touched[0], hint=error.hint)
        return
    except (ArithmeticError, ValueError) as error:
        yield Said(f"cannot be checked: {error}", touched[0])
        return
    is_alone = len(touched) == len(case.files.places)
    for before, after in zip((None, *lists), lists, strict=False):
        if after.path in touched:
            # Of a new registry there is nothing that the first list could be hidden behind.
            is_open = before is not None or is_alone or case.known.side is None
            yield _said(before, after, "warning" if is_open else "error")
        if after.path in touched and after.keys.to_bytes() != after.raw:
            yield Said("is not in canonical form", after.path)


def _files(case: Case, touched: list[str]) -> dict[str, bytes]:
    kept = [
        path
        for path in case.known.listing
        if path.startswith("keys/") and path not in case.files.touches
    ]
    brought = {path: case.documents.raw[path] for path in touched if path in case.documents.raw}
    return {**case.known.read(kept), **brought}


def _said(before: SignedKeys | None, after: SignedKeys, severity: Severity) -> Said:
    old = before.public if before is not None else ()
    added = ", ".join(str(key) for key in after.public if key not in old) or "none"
    removed = ", ".join(str(key) for key in old if key not in after.public) or "none"
    signed = f"{after.keys.threshold} of {len(after.public)} keys must sign"
    if before is None:
        text = f"the first list of keys: {added}; {signed}. Nobody vouches for it but this change"
    else:
        text = f"added {added}; removed {removed}; {signed}, signed by the keys of {before.path}"
    hint = "Bring the first list in a change of its own." if severity == "error" else None
    return Said(text, keys_path(after.keys.number), severity=severity, hint=hint)


RULE = Rule("keys-changed", "who signs is always said", "error", "error", check)
