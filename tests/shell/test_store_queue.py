"""The re-tag queue: everybody gets other items, and none is forgotten."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

from calreg.errors import InputError
from calreg.failpoints import STORE_STEPS, VARIABLE
from calreg.store import DoneCounts, QueueCounts, Row, Store


@dataclass
class Clock:
    """A clock that stands still until it is put forward."""

    time: float = 1_000.0

    def now(self) -> float:
        """The time in seconds."""
        return self.time


@pytest.fixture
def clock() -> Clock:
    """The time of `store`."""
    return Clock()


@pytest.fixture
def store(store_url, clock) -> Iterator[Store]:
    """A store with the items `item 0` to `item 9`."""
    with Store.open(store_url, now=clock.now) as found:
        found.put_scores([Row(f"item {n}", "m/h", "x", n / 10) for n in range(10)])
        yield found


def test_an_item_waits_once(store):
    """Names, ids and all items may be put in; who waits already is not counted again."""
    ids, _ = next(store.item_scores("m/h", "x"))

    assert store.enqueue(["item 3", "item 1", "item 3"], reason="v2") == 2
    assert store.enqueue(ids[:4], reason="v2") == 2
    assert store.enqueue([int(number) for number in ids[:5]], reason="v2") == 1
    assert store.enqueue("all", reason="v2") == 5
    assert store.enqueue("all", reason="v3") == 0
    assert store.enqueue([], reason="v3") == 0
    assert store.queue_counts() == QueueCounts(10, 0)


def test_nobody_knows_an_item_without_scores(store):
    """A name that is no item's is refused, and none of its batch is put in."""
    with pytest.raises(InputError, match="no item 'item 10' has a score here"):
        store.enqueue(["item 1", "item 10"], reason="v2")
    with pytest.raises(InputError, match="expected items or 'all', got 'item 1'"):
        store.enqueue("item 1", reason="v2")

    assert store.queue_counts() == QueueCounts(0, 0)


def test_the_first_in_are_the_first_out(store, clock):
    """Items come in the order in which they were put in."""
    store.enqueue(["item 7"], reason="v2")
    clock.time += 1
    store.enqueue(["item 2", "item 5"], reason="v2")

    assert store.lease(2, seconds=10).items == ["item 7", "item 2"]
    assert store.lease(2, seconds=10).items == ["item 5"]
    nothing = store.lease(2, seconds=10)
    assert (nothing.items, nothing.until) == ([], clock.time + 10)


def test_what_is_done_is_out_and_counted_once(store):
    """`done` takes out what the lease holds; all else, told twice included, is unknown."""
    store.enqueue("all", reason="v2")
    lease = store.lease(4, seconds=10)
    other = store.lease(1, seconds=10)

    assert store.done(lease.id, [*lease.items[:3], "stranger"]) == DoneCounts(3, 1)
    assert store.done(lease.id, lease.items) == DoneCounts(1, 3)
    assert store.done(lease.id, other.items) == DoneCounts(0, 1)
    assert store.done("no lease", other.items) == DoneCounts(0, 1)
    assert store.queue_counts() == QueueCounts(5, 1)


def test_a_lease_that_ran_out_returns(store, clock):
    """What is not done in time comes again, after those that nobody has tried."""
    store.enqueue("all", reason="v2")
    late = store.lease(2, seconds=10)
    assert store.queue_counts() == QueueCounts(8, 2)

    clock.time += 11

    assert store.queue_counts() == QueueCounts(10, 0)
    again = store.lease(10, seconds=10)
    assert again.items[-2:] == late.items
    assert store.done(late.id, late.items) == DoneCounts(0, 2)
    assert store.done(again.id, again.items) == DoneCounts(10, 0)


def test_late_work_counts_while_nobody_else_has_it(store, clock):
    """A tagger that finishes after its time has done its items, if none of them went on."""
    store.enqueue(["item 1"], reason="v2")
    late = store.lease(1, seconds=10)
    clock.time += 60

    assert store.done(late.id, late.items) == DoneCounts(1, 0)
    assert store.queue_counts() == QueueCounts(0, 0)


def test_an_item_put_in_again_while_leased_is_not_lost(store):
    """Work on an older reference does not take an item out that a newer one put in."""
    store.enqueue(["item 1", "item 2"], reason="v2")
    lease = store.lease(2, seconds=10)
    assert store.enqueue(["item 1"], reason="v3") == 1
    assert store.enqueue(["item 1"], reason="v4") == 0

    assert store.done(lease.id, lease.items) == DoneCounts(2, 0)

    assert store.queue_counts() == QueueCounts(1, 0)
    again = store.lease(5, seconds=10)
    assert again.items == ["item 1"]
    assert store.done(again.id, again.items) == DoneCounts(1, 0)
    assert store.queue_counts() == QueueCounts(0, 0)


def test_an_item_leased_anew_after_it_was_put_in_again_is_done_once(store, clock):
    """A lease that began after the newer reference does all that is to do."""
    store.enqueue(["item 1"], reason="v2")
    store.lease(1, seconds=10)
    store.enqueue(["item 1"], reason="v3")
    clock.time += 11

    lease = store.lease(1, seconds=10)

    assert store.done(lease.id, lease.items) == DoneCounts(1, 0)
    assert store.queue_counts() == QueueCounts(0, 0)


def test_taggers_at_once_share_nothing(store_url):
    """Six taggers over two stores do 600 items: each item by one of them, none left out."""
    with Store.open(store_url) as one, Store.open(store_url) as two:
        one.put_scores([Row(f"{n}", "m/h", "x", 0.5) for n in range(600)])
        one.enqueue("all", reason="v2")

        def tag(store: Store) -> list[str]:
            mine: list[str] = []
            while (lease := store.lease(7, seconds=600)).items:
                assert store.done(lease.id, lease.items) == DoneCounts(len(lease.items), 0)
                mine += lease.items
            return mine

        with ThreadPoolExecutor(6) as pool:
            shares = list(pool.map(tag, [one, two] * 3))

        assert sorted(item for share in shares for item in share) == sorted(map(str, range(600)))
        assert one.queue_counts() == QueueCounts(0, 0)


def test_putting_in_and_taking_out_at_once_ends(store_url):
    """Whoever puts all items in while others work waits for nobody for ever."""
    with Store.open(store_url) as store:
        store.put_scores([Row(f"{n}", "m/h", "x", 0.5) for n in range(50)])

        def work(number: int) -> None:
            for _ in range(10):
                if number % 2:
                    store.enqueue("all", reason="v2")
                else:
                    lease = store.lease(20, seconds=600)
                    store.done(lease.id, lease.items[::-1])

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))

        waiting, leased = store.queue_counts()
        assert leased == 0
        assert waiting <= 50


_LEASE = """
import sys
from calreg.store import Store
with Store.open(sys.argv[1]) as store:
    print(store.enqueue("all", reason="v2"), flush=True)
    lease = store.lease(4, seconds=0.001)
    print(*lease.items, sep=",", flush=True)
    print(store.done(lease.id, lease.items).done, flush=True)
"""


@pytest.mark.parametrize("step", ["leased", "done"])
def test_a_kill_loses_no_item(store_url, step):
    """Killed in a lease, all items still wait; killed after `done`, what is done stays so."""
    assert step in STORE_STEPS
    with Store.open(store_url) as store:
        store.put_scores([Row(f"{n}", "m/h", "x", 0.5) for n in range(10)])

    ran = subprocess.run(
        [sys.executable, "-c", _LEASE, store_url],
        env={**os.environ, VARIABLE: f"{step}:kill"},
        capture_output=True,
        check=False,
    )

    assert ran.returncode == -signal.SIGKILL
    with Store.open(store_url) as store:
        left = 10 if step == "leased" else 6
        assert store.queue_counts() == QueueCounts(left, 0)
        assert len(set(store.lease(20, seconds=60).items)) == left


def test_ids_may_be_a_whole_library(store_url):
    """Twenty thousand ids are one call, whatever a statement's limit on parameters is."""
    with Store.open(store_url) as store:
        store.put_scores([Row(f"{n}", "m/h", "x", 0.5) for n in range(20_000)])

        assert store.enqueue(np.arange(1, 20_001), reason="v2") == 20_000
        assert len(store.lease(20_000, seconds=60).items) == 20_000


@pytest.mark.parametrize("lease", ["", "\0", "%", "x" * 32, "\ud800", "0" * 33])
def test_what_is_no_lease_holds_nothing(store, lease):
    """Any text may be shown as a lease; one that never was holds no item, in either database."""
    store.enqueue("all", reason="v2")
    store.lease(2, seconds=60)

    assert store.done(lease, ["item 0", "item 1"]) == DoneCounts(0, 2)
    assert store.queue_counts() == QueueCounts(8, 2)


def test_a_lease_from_the_future_returns(store, clock):
    """Items that were leased while the clock was a year ahead come back when it is right again."""
    store.enqueue("all", reason="v2")
    clock.time += 365 * 86_400
    store.lease(4, seconds=300)
    clock.time -= 365 * 86_400

    assert len(store.lease(10, seconds=300).items) == 10
