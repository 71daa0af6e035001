"""No string starts a program, leaves the folder, steers a terminal or ends in a traceback."""

from __future__ import annotations

import pytest
from strings import STRINGS, string_findings

PARTS = 3


@pytest.mark.parametrize("part", range(PARTS))
def test_strings(tmp_path, editions, part):
    """Each string is taken for what it is, in every place that takes one."""
    copied = editions.copy(tmp_path / "bench")

    found = list(string_findings(copied, tmp_path / "models", STRINGS[part::PARTS]))

    assert found == []
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith("canary")]
