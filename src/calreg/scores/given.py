"""Scores that come as arrays, label by label, from a store: described as those of a table are.

The same scores have the same numbers and the same digest whichever way they come. Nothing is
rejected here: what cannot be a score is refused by whoever stores it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from calreg.errors import InputError
from calreg.names import HeadName, check_label
from calreg.scores.described import Described, Found, by_head, described_label, digest_of_labels
from calreg.scores.table import Scores

__all__ = ["described"]

_Key = tuple[HeadName, str]


def described(
    labels: Iterable[tuple[HeadName, str, NDArray[np.float64]]],
    *,
    grid_of: Callable[[HeadName, str], tuple[float, float] | None],
    display_names: Mapping[HeadName, str | None] | None = None,
    rows: int | None = None,
    rejected: Mapping[str, int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Scores:
    """The distribution of every head's and label's scores, as `read_scores` finds it.

    At most as many labels as there are processors, and one more, are held at a time.

    Args:
        labels: Head, label and all of its scores, finite, in any order; each pair once.
        grid_of: The ends of the histogram for a head and label, if they are fixed already.
        display_names: What heads were called where they come from, if otherwise.
        rows: How many scores there are, accepted or not; without it those that came.
        rejected: How many were not accepted, by reason.
        progress: Is told after each label how many scores of how many are described.

    Raises:
        InputError: No scores, a label that comes twice or has a bad name, a score that is
            NaN, infinite or beyond ±1e140.
    """
    found: Found = {}
    waiting: deque[tuple[_Key, Future[Described]]] = deque()
    threads = os.cpu_count() or 1
    accepted = 0

    def settle(most: int) -> None:
        nonlocal accepted
        while len(waiting) > most:
            key, job = waiting.popleft()
            found[key] = job.result()
            accepted += found[key].distribution.samples or 0
            if progress is not None:
                progress(accepted, max(rows or 0, accepted))

    with ThreadPoolExecutor(max_workers=threads) as pool:
        keys: set[_Key] = set()
        for head, label, scores in labels:
            key = head, check_label(label)
            if key in keys:
                raise InputError("comes twice", where=f"{head}, label {label!r}", code="labels")
            keys.add(key)
            waiting.append((key, pool.submit(_one, head, label, scores, grid_of(head, label))))
            settle(threads)
        settle(0)
    return _scores(found, display_names or {}, accepted, rows, rejected or {})


def _one(
    head: HeadName, label: str, scores: NDArray[np.float64], grid: tuple[float, float] | None
) -> Described:
    ordered = np.sort(np.asarray(scores, np.float64), axis=None)
    if ordered.size and not (np.isfinite(ordered[0]) and np.isfinite(ordered[-1])):
        raise InputError(
            "scores must be finite, got NaN or infinity",
            where=f"{head}, label {label!r}",
            code="scores",
        )
    return described_label(head, label, lambda: (ordered,), samples=ordered.size, grid=grid)


def _scores(
    found: Found,
    display_names: Mapping[HeadName, str | None],
    accepted: int,
    rows: int | None,
    rejected: Mapping[str, int],
) -> Scores:
    counted = accepted + sum(rejected.values()) if rows is None else rows
    if not counted:
        raise InputError("the store holds no scores", hint="Send some first.", code="empty")
    return Scores(
        heads=by_head(found, display_names),
        digest=digest_of_labels(found),
        rows=counted,
        accepted=accepted,
        rejected=dict(rejected),
        first_rejects=(),
        files=(),
        kind="store",
    )
