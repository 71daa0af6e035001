"""MLflow and GTO at what a registry of calibrations does: register all heads, resolve all.

Run by `bench_production.py` with the Python of an environment that has both; prints one line
per peer with its seconds.

    python peer_registries.py HEADS GTO_HEADS
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def mlflow_seconds(heads: int, folder: Path) -> tuple[float, float]:
    """Register a version of every head with an alias; then find every alias."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    logging.disable(logging.WARNING)
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/mlflow.db", f"sqlite:///{folder}/mlflow.db")
    client.search_registered_models()  # makes the tables, which is not what is timed
    begin = time.perf_counter()
    for number in range(heads):
        client.create_registered_model(f"head_{number}")
        client.create_model_version(f"head_{number}", f"file:///models/head_{number}.json")
        client.set_registered_model_alias(f"head_{number}", "reference", "1")
    published = time.perf_counter()
    for number in range(heads):
        client.get_model_version_by_alias(f"head_{number}", "reference")
    return published - begin, time.perf_counter() - published


def gto_seconds(heads: int, folder: Path) -> float:
    """One more version registered in a repository that has so many tags already."""
    from gto.api import register

    def git(*words: str) -> None:
        line = ["git", "-c", "user.name=B", "-c", "user.email=b@example.org", *words]
        subprocess.run(line, cwd=folder, check=True, capture_output=True)

    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "--message", "first")
    tags = "".join(f"create refs/tags/head_{n}@v1.0.0 HEAD\n" for n in range(heads))
    subprocess.run(["git", "update-ref", "--stdin"], cwd=folder, input=tags, text=True, check=True)
    os.environ |= {f"GIT_{who}_{what}": "b@example.org" for who in ("AUTHOR", "COMMITTER")
                   for what in ("NAME", "EMAIL")}  # fmt: skip
    begin = time.perf_counter()
    register(str(folder), "one_more", "HEAD", version="v1.0.0", stdout=False)
    return time.perf_counter() - begin


def main(heads: int, gto_heads: int) -> None:
    """Print what each took, with versions."""
    from importlib.metadata import version

    with tempfile.TemporaryDirectory() as name:
        publish, resolve = mlflow_seconds(heads, Path(name))
        print(f"MLflow {version('mlflow')}: publish {heads} heads {publish:.2f} s, "
              f"resolve them {resolve:.2f} s")  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        one = gto_seconds(gto_heads, Path(name))
        print(f"GTO {version('gto')}: one more version beside {gto_heads} tags {one:.2f} s")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
