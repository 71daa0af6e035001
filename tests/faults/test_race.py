"""Eight publishers at once, 25 runs each."""

from __future__ import annotations

from campaigns import race
from gitfaults import QuietGitServer

MOST_TRIES = 10


def test_eight_publishers(tmp_path, bench, tell):
    """Of 200 runs that race none is lost, doubled or misnumbered, none tried over ten times."""
    with QuietGitServer(tmp_path) as server:
        result = race(bench, server, publishers=8, runs=25)
    # Seconds are printed, not judged: they are those of eight publishers on this machine.
    tell(result)

    assert (result.failed, result.findings) == ([], [])
    assert len(result.seconds) == 200
    assert max(result.tries) <= MOST_TRIES
