"""Make evaluate.json: figures of evidence computed by scikit-learn, on data it bundles.

    python tests/golden/evaluate/make_evaluate.py > tests/golden/evaluate/evaluate.json

A score is one raw measurement: of the digits one pixel (17 grey levels, so nearly all
scores tie) against "is it this digit", of the breast cancer data one feature against
"malignant". A probability is the score on a line from 0.02 to 0.98. Each case stands in
the file with its scores and truth, so that a test needs no scikit-learn.
"""

from __future__ import annotations

import json
import platform
import sys
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn import metrics
from sklearn.datasets import load_breast_cancer, load_digits


def _figures(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> dict[str, Any]:
    said = _probabilities(scores)
    fires = scores >= float(np.median(scores[truth]))
    (tn, fp), (fn, tp) = metrics.confusion_matrix(truth, fires)
    return {
        "threshold": float(np.median(scores[truth])),
        "confusion": {"tp": int(tp), "fp": int(fp), "fn": int(fn), "tn": int(tn)},
        "precision": metrics.precision_score(truth, fires, zero_division=0),
        "recall": metrics.recall_score(truth, fires),
        "f1": metrics.f1_score(truth, fires),
        "auroc": metrics.roc_auc_score(truth, scores),
        "average_precision": metrics.average_precision_score(truth, scores),
        "average_precision_lower": metrics.average_precision_score(truth, -scores),
        "brier": metrics.brier_score_loss(truth, said),
        "nll": metrics.log_loss(truth, said),
    }


def _probabilities(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = scores.min(), scores.max()
    line: NDArray[np.float64] = 0.02 + 0.96 * ((scores - low) / (high - low))
    return line


def main() -> None:
    """Write the cases to standard output."""
    digits, cancer = load_digits(), load_breast_cancer()
    columns = {
        f"digits pixel {pixel}, is it {digit}": (
            digits.data[::3, pixel],
            digits.target[::3] == digit,
        )
        for pixel, digit in ((36, 0), (21, 5), (42, 1))
    }
    names = cancer.feature_names.tolist()
    for feature in ("worst radius", "mean texture", "mean fractal dimension"):
        columns[f"breast cancer, {feature}"] = (
            cancer.data[:, names.index(feature)],
            cancer.target == 0,
        )
    cases = [
        {
            "name": name,
            "scores": scores.tolist(),
            "truth": truth.astype(int).tolist(),
            "probabilities": _probabilities(scores).tolist(),
            "figures": _figures(scores, truth),
        }
        for name, (scores, truth) in columns.items()
    ]
    made_by = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        "command": "cd tests/golden/evaluate && python make_evaluate.py > evaluate.json",
    }
    json.dump({"made_by": made_by, "cases": cases}, sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
