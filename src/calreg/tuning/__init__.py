"""From scores with truth to calibrations with evidence: what `tune` and `compare` compute.

Pure: arrays in, frozen values out. `request` says what is wanted, `tune` does it label by
label, `cautions` says what a person should know before believing it. A new method of
calibrating is a fit in `calreg.calibrate.fits` and a line in `maps`.
"""

from __future__ import annotations

from calreg.tuning.cautions import Caution
from calreg.tuning.request import METHODS, Request
from calreg.tuning.tune import Outputs, Tuned, TunedLabel, outputs_of, tune

__all__ = [
    "METHODS",
    "Caution",
    "Outputs",
    "Request",
    "Tuned",
    "TunedLabel",
    "outputs_of",
    "tune",
]
