"""Predictions against outcomes: how far off they were, and the factors that would mend it.

Values in, values out: what was joined becomes figures, figures become suggestions, and
suggestions become bounded factors. No file, clock or chance is touched here.
"""
