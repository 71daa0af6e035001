"""The arithmetic of methods: raw scores in; calibrated scores, probabilities, decisions out.

Pure functions of arrays and of a label's numbers. Nothing here is fitted, read or written,
and numpy comes in when the first of them is called: a service that starts pays nothing.

`maps` has one label's scores, `shared` the softmax of several labels, `decisions` what
fires, `heads` all labels of a head at once. A new method is one function in `maps` and one
line in its table.
"""

from __future__ import annotations

from calreg.methods.arrays import BLOCK, raw_scores
from calreg.methods.decisions import decision_of, fires
from calreg.methods.heads import apply_head, head_columns, head_fires, is_shared
from calreg.methods.maps import apply_method
from calreg.methods.parameters import PROBABILITY_CLIP
from calreg.methods.shared import softmax

__all__ = [
    "BLOCK",
    "PROBABILITY_CLIP",
    "apply_head",
    "apply_method",
    "decision_of",
    "fires",
    "head_columns",
    "head_fires",
    "is_shared",
    "raw_scores",
    "softmax",
]
