"""Scores with truth that tests make themselves."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import label_binarize

from calreg.labelled import LabelledColumn, LabelledScores


def column(scores, truth) -> LabelledColumn:
    """All rows of one label."""
    values = np.asarray(scores)
    return LabelledColumn(values, np.asarray(truth, dtype=bool), np.arange(values.size))


def labelled(*, is_logit=False, items=None, keys=None, **labels) -> LabelledScores:
    """A set of labels, each a pair of scores and truth."""
    columns = {name: column(*pair) for name, pair in labels.items()}
    rows = len(next(iter(columns.values())).scores)
    return LabelledScores(
        columns,
        is_logit=is_logit,
        rows=rows,
        items=None if items is None else np.array(items, dtype=object),
        keys={name: np.array(texts, dtype=object) for name, texts in (keys or {}).items()},
    )


def drawn(items: int, *, seed: int = 0, prevalence: float = 0.3, apart: float = 1.5):
    """Logits of one label, positives `apart` standard deviations above negatives."""
    rng = np.random.default_rng(seed)
    truth = rng.random(items) < prevalence
    return rng.normal(size=items) + apart * truth, truth


def digits_logits() -> tuple[LabelledScores, LabelledScores]:
    """Overconfident one-vs-rest logits of scikit-learn's digits: calibration, holdout."""
    images, digits = load_digits(return_X_y=True)
    # A few pixels only, weakly regularised: a model that is sure of what it does not know.
    images, truth = images[:, 20:28] / 16, label_binarize(digits, classes=range(10)).astype(bool)
    train, rest = slice(0, 300), np.arange(300, len(digits))
    sets = []
    for rows in (rest[::2], rest[1::2]):
        labels = {}
        for digit in range(10):
            model = LogisticRegression(C=1e3).fit(images[train], truth[train, digit])
            labels[f"d{digit}"] = (model.decision_function(images[rows]), truth[rows, digit])
        sets.append(labelled(is_logit=True, items=[f"i{row}" for row in rows], **labels))
    return sets[0], sets[1]
