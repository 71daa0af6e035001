"""Bytes in, plain values out, and back: the one strict reader and the one writer.

What other readers forgive is refused here: duplicate keys, NaN and Infinity, numbers that
overflow to infinity, lone surrogates, byte order marks, deep nesting, large files, YAML
aliases. What is written is canonical: equal values have equal bytes on any machine.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Hashable, Mapping
from typing import Any

from calreg.documents.writing import canonical_text
from calreg.errors import InputError

__all__ = [
    "MAX_DEPTH",
    "MAX_JSON_BYTES",
    "MAX_YAML_BYTES",
    "Json",
    "canonical_bytes",
    "digest_of",
    "load_json",
    "load_yaml",
]

Json = dict[str, Any]

MAX_JSON_BYTES = 16 * 2**20
MAX_YAML_BYTES = 2**20
MAX_DEPTH = 32

# Possessive: nothing is tried twice, which in a packed file of many documents is most of it.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")


def canonical_bytes(value: Mapping[str, Any]) -> bytes:
    r"""The one way to write a document: UTF-8, sorted keys, two spaces, one final newline.

    Raises:
        ValueError: NaN or infinity, which is a bug of the caller: documents hold none.

    >>> canonical_bytes({"b": 0.1, "a": None})
    b'{\n  "a": null,\n  "b": 0.1\n}\n'
    """
    return canonical_text(value).encode("utf-8") + b"\n"


def digest_of(raw: bytes) -> str:
    """The sha256 of a document's bytes, 64 hex digits."""
    return hashlib.sha256(raw).hexdigest()


def load_json(raw: bytes, *, where: str, max_bytes: int = MAX_JSON_BYTES) -> Json:
    """The object that the bytes of one JSON document hold.

    Args:
        raw: The document's bytes, UTF-8.
        where: The path to name in an error.
        max_bytes: More than this is refused unread.

    Raises:
        InputError: Anything that is not exactly one strict JSON object.
    """
    if len(raw) > max_bytes:
        raise _refused(where, f"has {len(raw):,} bytes, at most {max_bytes:,} are read")
    if raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise _refused(where, "begins with a byte order mark")
    _check_depth(raw, where)
    try:
        value = json.loads(
            raw.decode("utf-8", "strict"),
            object_pairs_hook=_unique_pairs,
            parse_constant=_no_constant,
            parse_float=_finite_float,
        )
        if b"\\u" in raw:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError as error:
        raise _refused(where, "is not UTF-8 text") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise _refused(where, f"is not JSON: {error.msg.lower()} at {place}") from error
    except ValueError as error:
        # What Python says of a number of thousands of digits is about Python.
        problem = "holds a number of too many digits" if "digits" in str(error) else str(error)
        raise _refused(where, problem) from error
    except RecursionError as error:
        raise _refused(where, f"is nested deeper than {MAX_DEPTH}") from error
    if not isinstance(value, dict):
        raise _refused(where, "expected a JSON object")
    return value


def _refused(where: str, problem: str) -> InputError:
    return InputError(problem, where=where, code="document")


def _check_depth(raw: bytes, where: str) -> None:
    # Before parsing: a parser that recurses is the thing to protect.
    depth = 0
    for bracket in _BRACKETS.findall(_STRING.sub(b"", raw)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise _refused(where, f"is nested deeper than {MAX_DEPTH}")


def _unique_pairs(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"has the key {key[:60]!r} twice in one object")
            seen.add(key)
    return found


def _no_constant(text: str) -> float:
    raise ValueError(f"holds {text}, which is not a JSON number")


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"holds {text[:40]}, which is too large for a number")
    return number


def load_yaml(raw: bytes, *, where: str, max_bytes: int = MAX_YAML_BYTES) -> Json:
    """The mapping that the bytes of one YAML file hold; as strict as `load_json`.

    Raises:
        InputError: Not one YAML mapping of plain values, or with aliases or duplicate keys.
    """
    import yaml  # not needed by a client that only pulls

    if len(raw) > max_bytes:
        raise _refused(where, f"has {len(raw):,} bytes, at most {max_bytes:,} are read")
    try:
        text = raw.decode("utf-8", "strict")
        _check_yaml_events(text, where)
        value = yaml.load(text, Loader=_strict_loader())  # noqa: S506 -- a SafeLoader's child
    except UnicodeError as error:
        raise _refused(where, "is not UTF-8 text") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" at line {mark.line + 1}" if mark else ""
        raise _refused(where, f"is not valid YAML: {error.problem}{place}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _refused(where, f"is not valid YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(value, dict):
        raise _refused(where, "expected a mapping of keys to values")
    _check_plain(value, where, "")
    return value


def _check_yaml_events(text: str, where: str) -> None:
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            line = "" if event.start_mark is None else f" at line {event.start_mark.line + 1}"
            raise _refused(where, f"holds a YAML alias{line}")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise _refused(where, f"is nested deeper than {MAX_DEPTH}")


def _strict_loader() -> type[Any]:
    import yaml

    class StrictLoader(yaml.SafeLoader):
        """SafeLoader that refuses a key given twice."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 -- PyYAML's
            seen = set()
            for key_node, _ in node.value:
                key = self.construct_object(key_node, deep=True)
                if not isinstance(key, Hashable):
                    break  # which is refused in a moment
                if key in seen:
                    line = key_node.start_mark.line + 1
                    raise ValueError(f"the key {key!r} stands twice, again at line {line}")
                seen.add(key)
            return super().construct_mapping(node, deep)

    return StrictLoader


def _check_plain(value: Any, where: str, pointer: str) -> None:
    """Refuse what YAML can say and JSON cannot: dates, binary, non-text keys, .nan."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise _refused(where, f"{pointer or '/'}: the key {key!r} is not text; quote it")
            _check_plain(inner, where, f"{pointer}/{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            _check_plain(inner, where, f"{pointer}/{number}")
    elif isinstance(value, float) and not math.isfinite(value):
        raise _refused(where, f"{pointer}: {value} is not a finite number")
    elif not isinstance(value, str | int | float | bool | None):
        raise _refused(where, f"{pointer}: {value!r} is not plain text; quote it")
