"""Looking now and then: when, after failures, and until when."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calreg.client.following import Following, Pace
from calreg.errors import TransportError


class Waiting:
    """Stands for `Event.wait`: so many looks at once, then the end."""

    def __init__(self, looks: int) -> None:
        self.left, self.delays = looks, []

    def __call__(self, ended: threading.Event, delay_s: float) -> bool:
        """Note the delay; True at the end."""
        self.delays.append(delay_s)
        self.left -= 1
        return ended.is_set() or self.left < 0


class Looks:
    """A look that fails in the ways it is given, one after another, then succeeds."""

    def __init__(self, *errors: Exception | None) -> None:
        self.errors, self.count = list(errors), 0

    def __call__(self) -> None:
        """Look once."""
        self.count += 1
        if not self.errors:
            return
        error = self.errors.pop(0)
        if error is not None:
            raise error


def test_looks_that_succeed_come_at_the_interval():
    """The first look comes within a tenth of the interval, the others an interval apart."""
    looks, waiting = Looks(), Waiting(3)
    following = Following(looks, print, pace=Pace(300), chance=lambda: 0.5, wait=waiting)
    following._thread.join()

    assert waiting.delays == [15.0, 300.0, 300.0, 300.0]
    assert looks.count == 3


def test_failures_double_the_delay_and_success_ends_that():
    """After failures looks come later and later, after a success at the interval again."""
    errors = (TransportError("no"), TransportError("no"), ValueError("a bug"), None, None)
    looks, waiting, told = Looks(*errors), Waiting(5), []
    following = Following(looks, told.append, pace=Pace(300), chance=lambda: 1.0, wait=waiting)
    following._thread.join()

    assert waiting.delays == [30.0, 300.0, 600.0, 1200.0, 330.0, 330.0]
    assert told == list(errors[:3])


@given(st.integers(0, 10**6), st.floats(0, 1), st.floats(0.001, 10**6))
def test_delays_are_bounded(failures, chance, interval):
    """Whatever happens, a delay is never below half the interval nor above an hour or it."""
    delay = Pace(interval).next_s(failures, chance)

    assert interval / 2 <= delay <= max(3600.0, interval * 1.1)
    assert 0 <= Pace(interval).first_s(chance) <= interval


def test_the_end_comes_at_once():
    """Whoever ends it does not wait for the interval."""
    following = Following(lambda: None, print, pace=Pace(10**6), chance=lambda: 1.0)
    assert following.is_alive

    following.end(10)

    assert not following.is_alive


def test_a_look_may_end_it():
    """A look that ends the following does not wait for itself."""
    box: list[Following] = []
    ready = threading.Event()

    def look() -> None:
        ready.wait(10)
        box[0].end()

    box.append(
        Following(look, print, pace=Pace(300), chance=lambda: 0.0, wait=Waiting(99))
    )  # fmt: skip
    ready.set()
    box[0]._thread.join(10)

    assert not box[0].is_alive


@pytest.mark.parametrize("failures", [1, 5])
def test_chance_spreads_failures(failures):
    """A fleet whose server failed does not come back as one."""
    low, high = (Pace(300).next_s(failures, chance) for chance in (0.0, 1.0))
    assert high == 2 * low
