"""Labels whose scores are described, and the value and digest that a whole set of them makes.

How the scores were gathered is not known here; whoever did hands them over label by label.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from calreg.calibrate.distribution import Segments, describe_sorted
from calreg.documents.calibration import Distribution
from calreg.documents.strict import canonical_bytes, digest_of
from calreg.errors import InputError
from calreg.names import HeadName
from calreg.scores.table import HeadScores

__all__ = ["Described", "Found", "by_head", "described_label", "digest_of_labels"]


@dataclass(frozen=True, slots=True)
class Described:
    """One label's numbers and the sha256 of its sorted scores."""

    distribution: Distribution
    digest: str


Found: TypeAlias = dict[tuple[HeadName, str], Described]


def described_label(
    head: HeadName,
    label: str,
    segments: Segments,
    *,
    samples: int,
    grid: tuple[float, float] | None,
) -> Described:
    """The numbers of one label's scores, which are sorted; as `describe_sorted` takes them.

    Raises:
        InputError: A score that is too large, with the label it is of.
    """
    sha = hashlib.sha256()
    try:
        distribution = describe_sorted(
            segments,
            samples=samples,
            grid=grid,
            visit=lambda block: sha.update(_little_endian(block)),
        )
    except InputError as error:
        raise InputError(error.message, where=f"{head}, label {label!r}") from error
    return Described(distribution, sha.hexdigest())


def _little_endian(block: NDArray[np.float64]) -> memoryview:
    return block.astype("<f8", copy=False).data


def by_head(
    found: Found, display_names: Mapping[HeadName, str | None]
) -> dict[HeadName, HeadScores]:
    """The described labels, head by head."""
    labels: defaultdict[HeadName, dict[str, Distribution]] = defaultdict(dict)
    for name, label in sorted(found):
        labels[name][label] = found[name, label].distribution
    return {
        name: HeadScores(name, display_names.get(name), of_head) for name, of_head in labels.items()
    }


def digest_of_labels(found: Found) -> str:
    """One sha256 over head, label, count and sha256 of the sorted scores of each label."""
    rows = [
        [name.model, name.head, label, one.distribution.samples, one.digest]
        for (name, label), one in sorted(found.items(), key=lambda item: item[0])
        if one.distribution.samples
    ]
    return digest_of(canonical_bytes({"scores": rows}))
