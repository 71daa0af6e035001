"""Probability maps, fitted to scores with truth by negative log-likelihood.

Each `fit_` returns the parameters of one method, ready for a label of a document, or raises
InputError where there is no best map; the arithmetic of applying them is in
`calreg.methods`. Nothing here is tuned for decisions, and nothing depends on the order of
rows. A new map is a module here, and its parameters in `METHOD_PARAMETERS`.
"""

from __future__ import annotations

from calreg.calibrate.fits.accepted import refuse_unfit
from calreg.calibrate.fits.binning import fit_histogram
from calreg.calibrate.fits.cuts import goes_by_rounding, score_cut
from calreg.calibrate.fits.isotonic import fit_isotonic
from calreg.calibrate.fits.sigmoid import fit_beta, fit_platt
from calreg.calibrate.fits.temperature import fit_temperature

__all__ = [
    "fit_beta",
    "fit_histogram",
    "fit_isotonic",
    "fit_platt",
    "fit_temperature",
    "goes_by_rounding",
    "refuse_unfit",
    "score_cut",
]
