"""Work that many wait for, done once."""

from __future__ import annotations

import asyncio

import pytest

from calreg.errors import InputError
from calreg.service.flights import Flights


class Work:
    """Something that takes until it is told to end, and counts how often it was begun."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun, self.may_end, self.error = 0, asyncio.Event(), error

    async def __call__(self) -> int:
        """How often it was begun."""
        self.begun += 1
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        return self.begun


async def waiting(flights, work, key, count):
    """So many that wait for the same."""
    tasks = [asyncio.ensure_future(flights.join(key, work)) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


def test_what_many_wait_for_is_done_once():
    """A hundred who ask at the same moment get one result; who asks later begins anew."""

    async def story():
        flights, work = Flights(), Work()
        tasks = await waiting(flights, work, "a", 100)
        work.may_end.set()
        return await asyncio.gather(*tasks), await flights.join("a", work)

    together, later = asyncio.run(story())

    assert (set(together), later) == ({1}, 2)


def test_another_key_is_another_work():
    """Who waits for something else is given something else."""

    async def story():
        flights, work = Flights(), Work()
        tasks = await waiting(flights, work, "a", 2) + await waiting(flights, work, "b", 2)
        work.may_end.set()
        await asyncio.gather(*tasks)
        return work.begun

    assert asyncio.run(story()) == 2


def test_who_goes_away_leaves_the_others_waiting():
    """The first one's time is over: the others get what it had begun."""

    async def story():
        flights, work = Flights(), Work()
        first, second = await waiting(flights, work, "a", 2)
        first.cancel()
        work.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second

    assert asyncio.run(story()) == 1


def test_an_error_is_everybodys():
    """All who waited are told what went wrong, and the next one tries again."""

    async def story():
        flights, work = Flights(), Work(InputError("no"))
        tasks = await waiting(flights, work, "a", 3)
        work.may_end.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        work.error = None
        return [str(one) for one in found], await flights.join("a", work)

    assert asyncio.run(story()) == (["no"] * 3, 2)
