"""Runs the steps of a workflow as the host would: each `run` in bash, in an empty environment.

Expressions are looked up in a table, so that one nobody thought of is an error and none is
ever part of a command. What is installed by a step is this checkout's own program.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

__all__ = ["ROOT", "Runner", "steps_of", "workflow_of"]

ROOT = Path(__file__).parents[2]
_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


def workflow_of(text: str) -> dict[str, Any]:
    """A workflow as a mapping; its key `on` is read as what YAML 1.1 makes of it."""
    return yaml.safe_load(text)


def steps_of(workflow: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All steps of all jobs, or of a composite action."""
    if "runs" in workflow:
        return workflow["runs"]["steps"]
    return [step for job in workflow["jobs"].values() for step in job.get("steps", ())]


@dataclass
class Runner:
    """A machine that runs one job.

    Args:
        folder: Its temporary folder.
        variables: What the host sets, such as GITHUB_SHA.
        expressions: Each expression and its value.
        cwd: Where steps run; else an empty folder.
    """

    folder: Path
    variables: Mapping[str, str]
    expressions: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None

    def __post_init__(self) -> None:
        for name in ("home", "temp/calreg/bin", "work"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        program = self.folder / "temp/calreg/bin/calreg"
        if not program.exists():
            program.symlink_to(Path(sys.executable).parent / "calreg")

    def run(self, step: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
        """One step, in bash, with nothing in the environment but what the host puts there."""
        files = {
            f"GITHUB_{name}": str(self.folder / name.lower())
            for name in ("STEP_SUMMARY", "OUTPUT", "ENV", "PATH")
        }
        for file in files.values():
            Path(file).touch()
        assert "${{" not in step["run"]
        own = {name: self._evaluated(str(value)) for name, value in step.get("env", {}).items()}
        variables = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder / "home"),
            "RUNNER_TEMP": str(self.folder / "temp"),
            "CI": "true",
            **files,
            **self.variables,
            **own,
        }
        script = self.folder / "step.sh"
        script.write_text(step["run"])
        words = ["env", "-i", *(f"{name}={value}" for name, value in variables.items())]
        # As the host starts it.
        return subprocess.run(
            [*words, "bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.cwd or self.folder / "work", capture_output=True, text=True, check=False,
        )  # fmt: skip

    def run_all(self, steps: list[dict[str, Any]]) -> dict[str, int]:
        """Every step that runs a command but the installation; exit codes by name."""
        mine = [step for step in steps if "run" in step and step["name"] != "Install calreg"]
        return {step["name"]: self.run(step).returncode for step in mine}

    def _evaluated(self, text: str) -> str:
        return _EXPRESSION.sub(lambda found: self.expressions[found[1]], text)

    @property
    def summary(self) -> str:
        """What the steps wrote for people."""
        return (self.folder / "step_summary").read_text()

    @property
    def report(self) -> Path:
        """Where the gate leaves its report."""
        return self.folder / "temp/calreg-gate/gate-report.json"
