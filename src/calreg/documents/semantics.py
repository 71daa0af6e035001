"""What a document must mean, beyond what JSON Schema can say.

The one place for it: writers, readers and the gate all ask here. Each check takes the
plain object of a document that passed its schema and yields problems; it never repairs.
A new check is one generator in the module of its kind, and one line in `_CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from calreg.documents.pointers import Problem
from calreg.documents.schemas import Kind

__all__ = ["Problem", "semantic_problems"]

# The module beside this one and the function in it; a reader of locks imports no other.
_CHECKS: Mapping[Kind, tuple[str, str]] = {
    "calibration": ("calibration_semantics", "calibration_problems"),
    "index": ("production_semantics", "index_problems"),
    "keys": ("production_semantics", "keys_problems"),
    "lock": ("production_semantics", "lock_problems"),
    "model-index": ("production_semantics", "model_index_problems"),
    "model-run": ("run_semantics", "model_run_problems"),
    "move": ("registry_semantics", "move_problems"),
    "overrides": ("feedback_semantics", "overrides_problems"),
    "pins": ("pointers", "head_problems"),
    "references": ("production_semantics", "packed_problems"),
    "registry": ("registry_semantics", "registry_problems"),
    "retention": ("registry_semantics", "retention_problems"),
    "run": ("run_semantics", "run_problems"),
    "suggestions": ("feedback_semantics", "suggestions_problems"),
    "withdrawn": ("pointers", "head_problems"),
}


def semantic_problems(kind: Kind, data: Mapping[str, Any]) -> Iterator[Problem]:
    """Everything about a document that its schema allows and its meaning does not."""
    return _check_of(kind)(data)


@cache
def _check_of(kind: Kind) -> Callable[[Mapping[str, Any]], Iterator[Problem]]:
    module, function = _CHECKS[kind]
    found: Callable[[Mapping[str, Any]], Iterator[Problem]]
    found = getattr(import_module(f"calreg.documents.{module}"), function)
    return found
