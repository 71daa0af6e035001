"""How often an FPR limit is exceeded on fresh items: by the plain optimum, by a guarantee.

Not a timing: a simulation of normal scores, the figures that docs/tune.md quotes. Positives
lie 1.5 standard deviations above negatives, half as many.
"""

import numpy as np
from scipy.stats import norm

from calreg.calibrate.objectives import parse_objective
from calreg.calibrate.thresholds import best_cut

REPEATS = 1000


def shares(limit: float, negatives: int, rng: np.random.Generator) -> tuple[float, float]:
    """The share of calibration sets whose threshold has a true FPR above the limit."""
    objective = parse_objective(f"max-recall@fpr<={limit}")
    positives = max(negatives // 2, 50)
    truth = np.arange(negatives + positives) >= negatives
    exceeded = np.zeros(2)
    given = np.zeros(2)
    for _ in range(REPEATS):
        scores = np.concatenate([rng.normal(size=negatives), rng.normal(1.5, 1.0, positives)])
        for place, guarantee in enumerate((None, 0.95)):
            cut = best_cut(scores, truth, objective, guarantee=guarantee)
            if cut.threshold is not None:
                given[place] += 1
                exceeded[place] += norm.sf(cut.threshold) > limit
    plain, guaranteed = exceeded / np.maximum(given, 1)
    return float(plain), float(guaranteed)


def main() -> None:
    rng = np.random.default_rng(1)
    print("limit  negatives  plain  guarantee 0.95")
    for limit in (0.01, 0.02, 0.05):
        for negatives in (100, 300, 1000, 3000):
            plain, guaranteed = shares(limit, negatives, rng)
            print(f"{limit:5}  {negatives:9,}  {plain:5.1%}  {guaranteed:14.1%}")


if __name__ == "__main__":
    main()
