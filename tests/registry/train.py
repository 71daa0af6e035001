"""Make the scores that `registry/` and `calreg demo` are computed from.

Classifiers on the data sets that scikit-learn bundles, every item scored by a model that
has not seen it (out of fold). Run it again only to change the story: the scores are kept,
because other versions of scikit-learn give other last digits. What the demo replays ships
in the package, the rest lies beside this file.

    python tests/registry/train.py
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Scores = dict[str, Floats]

BESIDE = Path(__file__).parent / "scores"
SHIPPED = Path(__file__).parents[2] / "src" / "calreg" / "demo_data"
DIGITS_WITH_A_LOOP = (0, 6, 8, 9)
DECIMALS = 5  # what is left of a score; more would only store the noise of one machine


def out_of_fold(model: Any, features: Floats, truth: NDArray[np.int_]) -> Floats:
    """Probabilities of each item by a model trained on the four fifths without it.

    Returns:
        float64, shape (n_items, n_classes).
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores: Floats = cross_val_predict(model, features, truth, cv=folds, method="predict_proba")
    return scores


def logistic(strength: float) -> Any:
    """Logistic regression on standardised features; `strength` is scikit-learn's C."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))


def forest(*, items_per_leaf: int) -> Any:
    """A random forest of 200 trees."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(200, min_samples_leaf=items_per_leaf, random_state=0)


def digit_scores(name: str, model: Any, *, one_vs_rest: bool = False) -> Scores:
    """The head that says which of the ten digits an item is."""
    from sklearn.datasets import load_digits
    from sklearn.multiclass import OneVsRestClassifier

    features, truth = load_digits(return_X_y=True)
    scores = out_of_fold(OneVsRestClassifier(model) if one_vs_rest else model, features, truth)
    return {f"{name}/digit:{digit}": scores[:, digit] for digit in range(10)}


def loop_truth() -> list[int]:
    """Which items have a loop: what the demo tunes a threshold on."""
    from sklearn.datasets import load_digits

    return np.isin(load_digits(return_X_y=True)[1], DIGITS_WITH_A_LOOP).astype(int).tolist()


def loop_scores(name: str, model: Any) -> Scores:
    """The head that says whether a digit has a loop."""
    from sklearn.datasets import load_digits

    features, truth = load_digits(return_X_y=True)
    has_loop = np.isin(truth, DIGITS_WITH_A_LOOP).astype(int)
    return {f"{name}/has_loop:loop": out_of_fold(model, features, has_loop)[:, 1]}


def breast_cancer_scores() -> Scores:
    """One head on the breast cancer data, in the order of the file."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    malignant = 1 - data.target  # the file's 1 is benign
    scores = out_of_fold(logistic(0.1), data.data, malignant)
    return {"breast-cancer/logistic/malignant:malignant": scores[:, 1]}


def wine_scores() -> Scores:
    """One head on the wine data, shuffled, because the file is sorted by the answer."""
    from sklearn.datasets import load_wine

    data = load_wine()
    order = np.random.default_rng(0).permutation(len(data.target))
    scores = out_of_fold(logistic(1.0), data.data[order], data.target[order])
    return {f"wine/logistic/cultivar:{name}": scores[:, name] for name in range(3)}


def tables() -> dict[Path, Scores]:
    """The files to write, and their columns."""
    trees, simpler, line = forest(items_per_leaf=3), forest(items_per_leaf=10), logistic(0.01)
    name = "digits/forest"
    return {
        SHIPPED / "digits.csv.gz": digit_scores(name, trees) | loop_scores(name, trees),
        SHIPPED / "digits-retrained.csv.gz": loop_scores(name, simpler),
        BESIDE / "digits-logistic.csv.gz": {
            **digit_scores("digits/logistic", line, one_vs_rest=True),
            **loop_scores("digits/logistic", line),
        },
        BESIDE / "breast-cancer.csv.gz": breast_cancer_scores(),
        BESIDE / "wine.csv.gz": wine_scores(),
    }


def table_bytes(scores: Scores) -> bytes:
    """One wide score table: an item per row, a column per head and label."""
    return packed({name: column.round(DECIMALS).tolist() for name, column in scores.items()})


def packed(columns: Mapping[str, Sequence[float]]) -> bytes:
    """A table as it ships: items by number, in the order of the data."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["item", *columns])
    rows = zip(*columns.values(), strict=True)
    writer.writerows([number, *row] for number, row in enumerate(rows, start=1))
    return gzip.compress(text.getvalue().encode(), mtime=0)


def main() -> None:
    """Write every table."""
    for path, scores in tables().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(table_bytes(scores))
    (SHIPPED / "digits-truth.csv.gz").write_bytes(packed({"y_loop": loop_truth()}))


if __name__ == "__main__":
    main()
