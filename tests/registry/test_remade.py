"""The registry of this repository is what the tool makes of the scores it ships."""

import csv
import gzip
import json

import make_registry
import pytest
import train

from calreg.documents import load, load_calibration
from calreg.names import classify

REGISTRY = make_registry.ROOT / "registry"
SHIPPED = sorted(make_registry.FOLDERS[0].glob("*.csv.gz"))


def files_of(folder):
    """Path to bytes, but for what names the program's version."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    for name, raw in found.items():
        place = classify(name)
        if place is not None and place.kind == "run":
            found[name] = json.dumps(json.loads(raw) | {"tool": "any"}).encode()
    return found


def test_registry_is_remade_byte_for_byte(tmp_path, capfd):
    """The script makes the committed registry again from the scores in the package."""
    make_registry.make(tmp_path / "again")

    assert files_of(tmp_path / "again") == files_of(REGISTRY)


def test_registry_is_valid():
    """Every document of the registry passes its checks, and references are byte copies."""
    copies = 0
    for name, raw in files_of(REGISTRY).items():
        place = classify(name)
        if place is None:
            assert name in {"README.md", ".gitattributes"}
            continue
        load(
            place.kind if place.kind not in {"version", "reference"} else "calibration",
            raw,
            where=name,
        )
        if place.kind == "reference":
            version = load_calibration(raw, where=name).version
            assert (REGISTRY / place.head.version_path(version)).read_bytes() == raw
            copies += 1
    assert copies == 6


def test_scores_fit_in_the_package():
    """The scores that ship take less than 300 kB."""
    assert 0 < sum(path.stat().st_size for path in SHIPPED) < 300_000


def rows_of(raw):
    return list(csv.reader(gzip.decompress(raw).decode().splitlines()))


@pytest.mark.parametrize("name", ["wine", "breast-cancer"])
def test_scores_are_what_training_gives(name):
    """Training again gives the shipped scores, but for another machine's last digits."""
    made = {"wine": train.wine_scores, "breast-cancer": train.breast_cancer_scores}[name]()
    header, *rows = rows_of(train.table_bytes(made))
    shipped_header, *shipped = rows_of(make_registry.table(name).read_bytes())

    assert header == shipped_header
    assert len(rows) == len(shipped)
    for row, other in zip(rows, shipped, strict=True):
        assert [float(cell) for cell in row] == pytest.approx(
            [float(cell) for cell in other], abs=0.02
        )
