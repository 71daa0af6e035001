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

_MORE = ("calreg.service.gate_job", "calreg.service.look_job", "calreg.service.run_job")


def forked(pace: Pace) -> Pace:
    """The same pace with workers that begin at once, where that is safe."""
    # A forked worker has the environment of the process that it comes from, not ours of now.
    if sys.platform != "linux" or VARIABLE in os.environ:
        return pace
    get_context("forkserver").set_forkserver_preload([*WARM, *_MORE, "calreg.store", "psycopg"])
    return replace(pace, start_method="forkserver")
