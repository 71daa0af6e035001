"""Registries to pull from: real repositories, made of documents by hand."""

from __future__ import annotations

import subprocess
from pathlib import Path

from calreg.documents import Calibration, Distribution, LabelCalibration
from calreg.names import HeadName

__all__ = ["HAPPY", "RELAXED", "TIMBRE", "Published", "calibration"]

HAPPY = "essentia/effnet/mood_happy"
RELAXED = "essentia/effnet/mood_relaxed"
TIMBRE = "essentia/musicnn/timbre"


def calibration(head: str, version: int, *, p5: float = 0.1, p95: float = 0.9) -> Calibration:
    """A small valid calibration; equal arguments, equal bytes."""
    numbers = LabelCalibration("minmax", {"p5": p5, "p95": p95}, Distribution(samples=1000))
    return Calibration(HeadName.parse(head), version, {"yes": numbers, "no": numbers})


class Published:
    """A registry in a work tree, published version by version."""

    def __init__(self, root: Path, *, folder: str = "", name: str = "nom-cal") -> None:
        self.root, self.folder = root, root / folder
        self.folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main", str(root))
        self.write("registry.yaml", f"schema: calreg/registry/1.0\nname: {name}\n".encode())

    def git(self, *arguments: str) -> str:
        """What the user's own git says."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.root, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def write(self, path: str, data: bytes) -> None:
        """Put a file into the registry's folder, not yet committed."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def add(self, head: str, version: int, *, p5: float = 0.1, p95: float = 0.9) -> None:
        """A new version of a head, and its reference moved to it."""
        raw = calibration(head, version, p5=p5, p95=p95).to_bytes()
        self.write(HeadName.parse(head).version_path(version), raw)
        self.write(HeadName.parse(head).reference_path, raw)

    def commit(self, message: str = "publish") -> str:
        """Commit all there is; the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def publish(self, version: int, *heads: str, p5: float = 0.1) -> str:
        """A version of each head, with its references, as one commit."""
        for head in heads or (HAPPY, RELAXED, TIMBRE):
            self.add(head, version, p5=p5)
        return self.commit(f"Run {version}")
