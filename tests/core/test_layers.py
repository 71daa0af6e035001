"""The house: who may import whom. README's map of modules is this table."""

import ast
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import calreg

SOURCE = Path(calreg.__file__).parent

WORDS = {"late", "errors", "names", "documents", "methods", "signatures"}
CORE = {
    "calibrate",
    "decisions",
    "drift",
    "evaluate",
    "feedback",
    "formats",
    "gate",
    "labelled",
    "noise",
    "plan",
    "retag",
    "summaries",
    "tuning",
}
SHELL = {
    "client",
    "collect",
    "computing",
    "config",
    "failpoints",
    "files",
    "git",
    "hosting",
    "overrides",
    "registry",
    "scores",
    "signing",
    "store",
}

# Each room and the rooms below it that it may import.
MAY_IMPORT: dict[str, set[str]] = {
    "late": set(),
    "errors": set(),
    "signatures": {"errors"},
    "names": {"errors"},
    "documents": {"errors", "names", "late"},
    "methods": {"errors", "documents"},
    "failpoints": set(),
    "labelled": WORDS,
    "calibrate": WORDS | {"labelled"},
    "evaluate": WORDS | {"labelled", "calibrate"},
    "tuning": WORDS | {"labelled", "calibrate", "evaluate"},
    "summaries": WORDS,
    "noise": WORDS | {"summaries"},
    "decisions": WORDS,
    "drift": WORDS | {"summaries", "noise", "decisions"},
    "plan": WORDS | {"drift", "decisions"},
    "retag": WORDS,
    "feedback": WORDS | {"labelled", "evaluate"},
    "gate": WORDS | {"drift", "decisions", "evaluate", "plan", "labelled", "noise", "summaries"},
    "formats": WORDS,
    "scores": WORDS | {"calibrate", "labelled", "feedback", "retag"},
    "collect": WORDS | {"scores", "failpoints"},
    "git": WORDS | {"failpoints"},
    "registry": WORDS | {"plan", "drift", "gate", "git", "failpoints"},
    # `formats` for plain copies that another system reads.
    "client": WORDS | {"git", "failpoints", "formats"},
    "config": WORDS,
    "files": {"errors"},
    "computing": WORDS | CORE | {"files", "registry", "scores"},
    "signing": WORDS,
    "store": WORDS | {"failpoints"},
    # Pull requests at a host, by its API.
    "hosting": {"errors", "documents"},
    # An application's start pays for the standard library and the errors.
    "overrides": {"errors"},
    "report": WORDS | CORE,
    "pages": WORDS | CORE | {"report"},
    "site": WORDS | CORE | {"git", "registry", "pages"},
    "service": WORDS | CORE | SHELL | {"report", "pages", "site"},
    "cli": WORDS | CORE | SHELL | {"report", "pages", "site", "service", "demo"},
    "demo": WORDS | CORE | SHELL | {"site", "cli"},
    "__main__": {"cli"},
}

# Libraries and the only rooms that may know them.
ONLY_IN = {
    "duckdb": {"scores"},
    "nanoarrow": {"scores"},
    "git": {"git"},
    "subprocess": {"git", "signing"},
    "click": {"cli"},
    "fastapi": {"service"},
    "starlette": {"service"},
    "pydantic": {"service"},
    "uvicorn": {"service"},
    "prometheus_client": {"service"},
    "rich": {"cli", "report"},
    "sqlalchemy": {"store"},
    "psycopg": {"store"},
    "sqlite3": {"collect", "store"},
    "vl_convert": {"cli", "pages"},
    "jsonschema": {"documents"},
    "referencing": {"documents"},
    "yaml": {"documents"},
    # JSONL tables are read in scores, lines of records are written in collect; an
    # application's overrides are read with the standard library alone.
    "json": {"documents", "cli", "scores", "collect", "overrides", "store"},
}

# Rooms of pure functions: no file, clock, chance, process or socket.
PURE = WORDS | CORE - {"documents"}
IMPURE = {"os", "io", "time", "random", "secrets", "socket", "subprocess", "shutil", "tempfile"}

FILES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").parts[0]


@cache
def imports(path: Path) -> set[str]:
    """Every module that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rooms(found: set[str]) -> set[str]:
    steps = {tuple(name.split(".")[1:2]) for name in found if name.split(".")[0] == "calreg"}
    return {step[0] for step in steps if step and not step[0].startswith("__")}


def findings(room: str, wrong: Callable[[set[str]], set[str]]) -> dict[str, set[str]]:
    """What is wrong with the imports of each file of a room that has anything wrong."""
    files = [path for path in FILES if room_of(path) == room]
    found = {str(path.relative_to(SOURCE)): wrong(imports(path)) for path in files}
    return {path: names for path, names in found.items() if names}


def libraries(found: set[str]) -> set[str]:
    return {name.split(".")[0] for name in found}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_go_down_only(room):
    """A module imports only the rooms that the map puts below its own."""
    allowed = MAY_IMPORT[room] | {room}

    assert findings(room, lambda found: rooms(found) - allowed) == {}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_libraries_stay_in_their_rooms(room):
    """A library that one room is for is imported nowhere else."""
    elsewhere = {name for name, homes in ONLY_IN.items() if room not in homes}

    assert findings(room, lambda found: libraries(found) & elsewhere) == {}


@pytest.mark.parametrize("room", sorted(PURE))
def test_the_core_is_pure(room):
    """Words and core import nothing that could touch the world."""
    assert findings(room, lambda found: libraries(found) & IMPURE) == {}


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sorted(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in ran.stdout.splitlines()[-1].split()}


HEAVY = {"numpy", "git", "jsonschema", "duckdb", "nanoarrow", "yaml", "scipy", "rich", "sqlalchemy"}


@pytest.mark.parametrize(
    "statement",
    [
        "import calreg.client",
        "from calreg import Client",
        "from calreg.cli import main; main(['--version'], standalone_mode=False)",
    ],
)
def test_start_up_is_light(statement):
    """Production and `calreg --version` do not pay for statistics, git or tables."""
    assert modules_after(statement) & HEAVY == set()


def test_every_room_has_a_place_on_the_map():
    """A new room is put on the map, and an empty place is taken off it."""
    assert {room_of(path) for path in FILES} == set(MAY_IMPORT)


@pytest.mark.parametrize("package", ["client", "documents", "git", "store"])
def test_every_name_that_loads_late_is_found(package):
    """A package that loads its modules late has every name that it lists."""
    module = import_module(f"calreg.{package}")

    assert [name for name in module.__all__ if getattr(module, name, None) is None] == []
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = module.nothing
