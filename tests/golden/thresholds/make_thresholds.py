"""Make thresholds.json: the best thresholds on curves computed by scikit-learn.

    python tests/golden/thresholds/make_thresholds.py > tests/golden/thresholds/thresholds.json

Scores are of a deliberately weak classifier, five neighbours on two columns, on data that
scikit-learn bundles, so that most of them tie, and of a logistic regression, where hardly any
do. Thresholds are read off `precision_recall_curve` and `roc_curve(drop_intermediate=False)`
by the tie rules of this project.
"""

from __future__ import annotations

import json
import platform
import sys

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, fbeta_score, precision_recall_curve, roc_curve
from sklearn.neighbors import KNeighborsClassifier

Scores = NDArray[np.float64]


def _first(values: Scores) -> int:
    """The first of the highest, up to what three roundings can do."""
    return int(np.flatnonzero(values >= values.max() - 1e-14)[0])


def _thresholds(truth: NDArray[np.int64], scores: Scores) -> dict[str, float]:
    precision, recall, cuts = (curve[::-1] for curve in precision_recall_curve(truth, scores))
    precision, recall = precision[1:], recall[1:]  # the first point has no threshold
    fpr, tpr, levels = roc_curve(truth, scores, drop_intermediate=False)
    positives, negatives = truth.sum(), (1 - truth).sum()
    found = {}
    for beta in (1, 0.5, 2):
        values = np.array([fbeta_score(truth, scores >= cut, beta=beta) for cut in cuts])
        found[f"max-f{beta}"] = cuts[_first(values)]
    for limit in (0.02, 0.1):
        found[f"max-recall@fpr<={limit}"] = levels[_first(np.where(fpr <= limit, tpr, -1.0))]
    found["max-precision@recall>=0.9"] = cuts[_first(np.where(recall >= 0.9, precision, -1.0))]
    found["max-recall@precision>=0.8"] = cuts[_first(np.where(precision >= 0.8, recall, -1.0))]
    cost = fpr * negatives + 20 * (1 - tpr) * positives
    found["min-cost@fp=1,fn=20"] = levels[int(np.flatnonzero(cost <= cost.min() + 1e-9)[0])]
    found["youden"] = levels[_first(tpr - fpr)]
    return {text: float(cut) for text, cut in found.items()}


def _case(name: str, model: object, columns: list[int]) -> dict[str, object]:
    data = load_breast_cancer()
    x, truth = data.data[:, columns], 1 - data.target
    model.fit(x[::2], truth[::2])
    scores = np.round(model.predict_proba(x[1::2])[:, 1], 12)
    found = _thresholds(truth[1::2], scores)
    counts = {
        text: confusion_matrix(truth[1::2], scores >= cut).ravel().tolist()
        for text, cut in found.items()
    }
    return {
        "name": name,
        "scores": scores.tolist(),
        "truth": truth[1::2].tolist(),
        "thresholds": found,
        "tn_fp_fn_tp": counts,
    }


def main() -> None:
    """Print the document."""
    document = {
        "made_with": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
        },
        "cases": [
            _case("many ties", KNeighborsClassifier(5), [4, 9]),
            _case("few ties", LogisticRegression(), [4, 9, 14]),
        ],
    }
    json.dump(document, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
