"""Workers forked off one process that has imported what they need: they begin at once.

A service begins its worker anew, which takes a second. Tests of how processes begin and end do
so, too (`is_forked=False`); all others are about what a worker does.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from multiprocessing import get_context

from calreg.failpoints import VARIABLE
from calreg.service.state import Pace
from calreg.service.working import WARM

__all__ = ["forked"]

# What a worker imports besides, while it gets ready and does its first jobs.
_MORE = (
    "calreg.documents.calibration_semantics", "calreg.documents.registry_semantics",
    "calreg.documents.run_semantics", "calreg.service.gate_job", "calreg.service.look_job",
    "calreg.service.run_job", "calreg.store.face", "git", "psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite", "sqlalchemy.dialects.postgresql.psycopg",
)  # fmt: skip


def forked(pace: Pace) -> Pace:
    """The same pace with workers that begin at once, where that is safe."""
    # A forked worker has the environment of the process that it comes from, not ours of now.
    if sys.platform != "linux" or VARIABLE in os.environ:
        return pace
    get_context("forkserver").set_forkserver_preload([*WARM, *_MORE])
    return replace(pace, start_method="forkserver")
