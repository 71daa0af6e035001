"""Make fits.json: probability maps fitted by other software than calreg.

    python tests/golden/fits/make_fits.py > tests/golden/fits/fits.json

Scores are decision functions of logistic regressions on data that scikit-learn bundles, each
row scored by a model that did not see it. The maps are those of scikit-learn's
`CalibratedClassifierCV` around an estimator that returns these scores, and, for beta, of its
`LogisticRegression` without a penalty on ln(s) and -ln(1 - s). `nll` is the mean loss by
`sklearn.metrics.log_loss`.
"""

from __future__ import annotations

import json
import platform
import sys

import numpy as np
import sklearn
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_predict


class Scored(ClassifierMixin, BaseEstimator):
    """An estimator whose features are its scores already."""

    def fit(self, features, truth):  # noqa: ARG002  (scikit-learn calls it so)
        """Keep the names of the classes."""
        self.classes_ = np.unique(truth)
        return self

    def decision_function(self, features):
        """The scores."""
        return features[:, 0] if features.shape[1] == 1 else features

    def predict(self, features):
        """The class with the highest score."""
        return self.classes_[np.argmax(features, axis=1)]


def calibrated(scores, truth, method):
    around = FrozenEstimator(Scored().fit(scores, truth))
    return CalibratedClassifierCV(around, method=method).fit(scores, truth)


def calibrator(fitted):
    return fitted.calibrated_classifiers_[0].calibrators[0]


def decisions(features, truth, count, decimals):
    model = LogisticRegression(C=0.01, max_iter=5000)
    found = cross_val_predict(model, features[:, :count], truth, method="decision_function")
    return np.round(found, decimals)


def one_label():
    """Breast cancer by its first two features, to two decimals: with ties."""
    data = load_breast_cancer()
    scores, truth = decisions(data.data, data.target, 2, 2), data.target
    platt = calibrator(calibrated(scores[:, None], truth, "sigmoid"))
    isotonic = calibrator(calibrated(scores[:, None], truth, "isotonic"))
    logs = np.column_stack([np.log(expit(scores)), -np.log(expit(-scores))])
    beta = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000).fit(logs, truth)
    return {
        "scores": scores.tolist(),
        "truth": truth.tolist(),
        "platt": {"slope": -platt.a_, "intercept": -platt.b_},
        "isotonic": {
            "x": isotonic.X_thresholds_.tolist(),
            "y": isotonic.y_thresholds_.tolist(),
            "predicted": isotonic.predict(scores).tolist(),
        },
        "beta": {
            "a": beta.coef_[0, 0],
            "b": beta.coef_[0, 1],
            "c": beta.intercept_[0],
            "nll": log_loss(truth, beta.predict_proba(logs)[:, 1]),
        },
    }


def three_labels():
    """Wine by its first three features."""
    data = load_wine()
    scores = decisions(data.data, data.target, 3, 6)
    fitted = calibrated(scores, data.target, "temperature")
    return {
        "scores": scores.tolist(),
        "truth": data.target.tolist(),
        "temperature": 1 / float(calibrator(fitted).beta_),
        "nll": log_loss(data.target, fitted.predict_proba(scores)),
    }


def main() -> None:
    """Write the cases to standard output."""
    made_by = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        "command": "python tests/golden/fits/make_fits.py > tests/golden/fits/fits.json",
    }
    found = {"made_by": made_by, "one_label": one_label(), "three_labels": three_labels()}
    json.dump(found, sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
