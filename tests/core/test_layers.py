"""The house: who may import whom. README's map of modules is this table."""

import ast
import subprocess
import sys
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
    "feedback": WORDS | {"labelled", "evaluate"},
    "gate": WORDS | {"drift", "decisions", "evaluate", "plan", "labelled", "noise", "summaries"},
    "formats": WORDS,
    "scores": WORDS | {"calibrate", "labelled", "feedback"},
    "collect": WORDS | {"scores", "failpoints"},
    "git": WORDS | {"failpoints"},
    "registry": WORDS | {"plan", "drift", "gate", "git", "failpoints"},
    # `formats` for plain copies that another system reads.
    "client": WORDS | {"git", "failpoints", "formats"},
    "config": WORDS,
    "files": {"errors"},
    "computing": WORDS | CORE | {"files", "registry", "scores"},
    "signing": WORDS,
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
    "vl_convert": {"cli"},
    "jsonschema": {"documents"},
    "referencing": {"documents"},
    "yaml": {"documents"},
    # JSONL tables are read in scores, lines of records are written in collect; an
    # application's overrides are read with the standard library alone.
    "json": {"documents", "cli", "scores", "collect", "overrides"},
}

# Rooms of pure functions: no file, clock, chance, process or socket.
PURE = WORDS | CORE - {"documents"}
IMPURE = {"os", "io", "time", "random", "secrets", "socket", "subprocess", "shutil", "tempfile"}

FILES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").parts[0]


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


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_down_only(path):
    """A module imports only the rooms that the map puts below its own."""
    room = room_of(path)

    assert rooms(imports(path)) - {room} <= MAY_IMPORT[room]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_libraries_stay_in_their_rooms(path):
    """A library that one room is for is imported nowhere else."""
    libraries = {name.split(".")[0] for name in imports(path)}

    room = room_of(path)
    assert {name for name in libraries if room not in ONLY_IN.get(name, {room})} == set()


@pytest.mark.parametrize(
    "path", [path for path in FILES if room_of(path) in PURE], ids=lambda p: p.stem
)
def test_the_core_is_pure(path):
    """Words and core import nothing that could touch the world."""
    assert {name.split(".")[0] for name in imports(path)} & IMPURE == set()


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sorted(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in ran.stdout.splitlines()[-1].split()}


HEAVY = {"numpy", "git", "jsonschema", "duckdb", "nanoarrow", "yaml", "scipy", "rich"}


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


@pytest.mark.parametrize("package", ["client", "documents", "git"])
def test_every_name_that_loads_late_is_found(package):
    """A package that loads its modules late has every name that it lists."""
    module = import_module(f"calreg.{package}")

    assert [name for name in module.__all__ if getattr(module, name, None) is None] == []
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = module.nothing
