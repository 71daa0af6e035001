"""A quick yes to documents that are right: a schema as a chain of plain tests.

jsonschema says what is wrong with a document, and takes a millisecond to say that nothing
is; a run checks thousands. What is accepted here, jsonschema accepts too. What is not, it
is asked about: a wrong document, or a keyword that is not in `_TESTS`, costs time and
changes nothing else. To add a keyword: one function here, and the property test must hold.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["Check", "acceptance"]

Check = Callable[[Any], bool]
Schema = Mapping[str, Any]

_SILENT = frozenset({"$schema", "$id", "$defs", "title", "description", "if"})


def acceptance(schema: Schema) -> Check:
    """A test that is True only for values that the schema allows."""
    return _Reader(schema).test_of(schema)


class _Unsupported(Exception):  # noqa: N818 - not an error: the slow way is taken
    """A keyword that only jsonschema knows."""


def _never(_value: Any) -> bool:
    return False


def _anything(_value: Any) -> bool:
    return True


class _Reader:
    """Turns the parts of one schema into tests; a definition is read once."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._known: dict[str, Check] = {}

    def test_of(self, schema: Schema) -> Check:
        try:
            tests = [
                _TESTS[key](self, schema) for key in schema if key in _TESTS or self._refuse(key)
            ]
        except _Unsupported:
            return _never
        return tests[0] if len(tests) == 1 else _every(tests)

    def _refuse(self, key: str) -> bool:
        if key in _SILENT:
            return False
        raise _Unsupported(key)

    def reference(self, schema: Schema) -> Check:
        name = str(schema["$ref"])
        if not name.startswith("#/$defs/"):
            raise _Unsupported(name)
        if name not in self._known:
            # A definition may mention itself: it is looked up when it is used.
            self._known[name] = lambda value: self._known[name](value)  # noqa: PLW0108
            self._known[name] = self.test_of(self._root["$defs"][name.removeprefix("#/$defs/")])
        return self._known[name]

    def any_of(self, schema: Schema) -> Check:
        tests = [self.test_of(part) for part in schema["anyOf"]]
        return lambda value: any(test(value) for test in tests)

    def all_of(self, schema: Schema) -> Check:
        return _every([self.test_of(part) for part in schema["allOf"]])

    def then(self, schema: Schema) -> Check:
        """What holds either way is allowed; an `if` is only needed to let a value off."""
        test = self.test_of(schema["then"])
        excuse = _other_constant(schema.get("if"))
        return lambda value: excuse(value) or test(value)

    def object(self, schema: Schema) -> Check:
        """`properties` and `additionalProperties` in one walk over the keys."""
        known = {key: self.test_of(part) for key, part in schema.get("properties", {}).items()}
        rest = schema.get("additionalProperties", True)
        if isinstance(rest, bool):
            others: Check = _anything if rest else _never
        else:
            others = self.test_of(rest)

        def test(value: Any) -> bool:
            if type(value) is not dict:
                return False
            for key, inner in value.items():  # noqa: SIM110 - a generator costs twice that
                if not known.get(key, others)(inner):
                    return False
            return True

        return test

    def rest(self, schema: Schema) -> Check:
        """`additionalProperties`; nothing more to do where `properties` saw to it."""
        return _anything if "properties" in schema else self.object(schema)

    def names(self, schema: Schema) -> Check:
        test = self.test_of(schema["propertyNames"])
        return lambda value: type(value) is dict and all(test(key) for key in value)

    def items(self, schema: Schema) -> Check:
        if schema["items"] == {"type": "integer", "minimum": 0}:
            return _are_counts
        test = self.test_of(schema["items"])
        return lambda value: type(value) is list and all(test(inner) for inner in value)


def _every(tests: Sequence[Check]) -> Check:
    def test(value: Any) -> bool:
        for one in tests:  # noqa: SIM110 - a generator costs twice that
            if not one(value):
                return False
        return True

    return test


def _other_constant(condition: Any) -> Check:
    """A test that is True only where the condition is certainly false.

    Of the one form that is understood: a key that has another text than the constant.
    """
    match condition:
        case {"properties": {**rules}} if len(condition) == 1 and len(rules) == 1:
            [(key, rule)] = rules.items()
            if isinstance(rule, dict) and rule.keys() == {"const"} and type(rule["const"]) is str:
                wanted = rule["const"]
                return lambda value: (
                    type(value) is dict and type(value.get(key)) is str and value[key] != wanted
                )
    return _never


def _are_counts(value: Any) -> bool:
    # 100 histogram counts a label: most of a document.
    return type(value) is list and set(map(type, value)) <= {int} and min(value, default=0) >= 0


def _required(_reader: _Reader, schema: Schema) -> Check:
    keys = frozenset(schema["required"])
    return lambda value: type(value) is dict and keys <= value.keys()


def _of_type(_reader: _Reader, schema: Schema) -> Check:
    wanted = schema["type"]
    names = [wanted] if isinstance(wanted, str) else wanted
    kinds = frozenset(kind for name in names for kind in _KINDS[name])
    return lambda value: type(value) in kinds


_KINDS: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


def _enumeration(_reader: _Reader, schema: Schema) -> Check:
    # 1, 1.0 and true are one key to Python and three values to JSON: text only.
    if not all(isinstance(value, str) for value in schema["enum"]):
        raise _Unsupported("enum")
    allowed = frozenset(schema["enum"])
    return lambda value: type(value) is str and value in allowed


def _pattern(_reader: _Reader, schema: Schema) -> Check:
    search = re.compile(schema["pattern"]).search
    return lambda value: type(value) is str and search(value) is not None


def _unique(_reader: _Reader, schema: Schema) -> Check:
    if schema["uniqueItems"] is not True:
        raise _Unsupported("uniqueItems")

    def test(value: Any) -> bool:
        return (
            type(value) is list and set(map(type, value)) <= {str} and len(set(value)) == len(value)
        )

    return test


def _limit(key: str, is_within: Callable[[Any, Any], bool]) -> Callable[[_Reader, Schema], Check]:
    def read(_reader: _Reader, schema: Schema) -> Check:
        limit = schema[key]
        # A limit says nothing about what it does not measure: null passes "minimum".
        return lambda value: value is None or (type(value) in _NUMBERS and is_within(value, limit))

    return read


def _length(key: str, is_within: Callable[[int, int], bool]) -> Callable[[_Reader, Schema], Check]:
    def read(_reader: _Reader, schema: Schema) -> Check:
        limit = schema[key]
        return lambda value: is_within(len(value), limit) if type(value) in _SIZED else False

    return read


_NUMBERS = frozenset({int, float})
_SIZED = frozenset({str, list, dict})


_TESTS: Mapping[str, Callable[[_Reader, Schema], Check]] = {
    "$ref": _Reader.reference,
    "allOf": _Reader.all_of,
    "anyOf": _Reader.any_of,
    "then": _Reader.then,
    "type": _of_type,
    "enum": _enumeration,
    "pattern": _pattern,
    "required": _required,
    "properties": _Reader.object,
    "additionalProperties": _Reader.rest,
    "propertyNames": _Reader.names,
    "items": _Reader.items,
    "uniqueItems": _unique,
    "minimum": _limit("minimum", operator.ge),
    "maximum": _limit("maximum", operator.le),
    "exclusiveMinimum": _limit("exclusiveMinimum", operator.gt),
    "minLength": _length("minLength", operator.ge),
    "maxLength": _length("maxLength", operator.le),
    "minItems": _length("minItems", operator.ge),
    "maxItems": _length("maxItems", operator.le),
    "minProperties": _length("minProperties", operator.ge),
    "maxProperties": _length("maxProperties", operator.le),
}
