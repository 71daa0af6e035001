"""The table of threats names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
TABLE = TESTS.parent / "docs" / "threats.md"


def test_every_test_that_is_named_exists():
    """Each `file.py::test` in docs/threats.md is a test of that file."""
    named = re.findall(r"`([a-z]+/test_\w+\.py)::(test_\w+)`", TABLE.read_text("utf-8"))
    there = {
        (file, node.name)
        for file in {file for file, _ in named}
        for node in ast.parse((TESTS / file).read_bytes()).body
        if isinstance(node, ast.FunctionDef)
    }

    assert sorted(set(named) - there) == []
    assert len(named) > 80


def test_every_fault_test_is_named():
    """Each file of fault tests stands in the table."""
    text = TABLE.read_text("utf-8")
    files = [*TESTS.glob("shell/test_faults_*.py"), *TESTS.glob("faults/test_*.py")]

    assert [file.name for file in files if file.name not in text] == []
