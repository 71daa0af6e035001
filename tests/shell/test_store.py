"""Scores in a store: what was put is what comes out, once, whoever else is at it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calreg.errors import InputError
from calreg.store import MAX_ITEM_BYTES, PutCounts, Revision, Row, Store

HEAD = "essentia/effnet/mood_happy"


@pytest.fixture
def store(store_url) -> Iterator[Store]:
    """A store that holds nothing yet."""
    with Store.open(store_url) as found:
        yield found


def rows(count: int, *, label: str = "happy", first: int = 0, shift: float = 0.0) -> list[Row]:
    return [Row(f"track {n}", HEAD, label, n / 1000 + shift) for n in range(first, first + count)]


def held(store: Store) -> dict[tuple[str, str, str], float]:
    """All scores by item, head and label."""
    found = {}
    for head, label, scores in list(store.score_arrays()):
        for ids, some in store.item_scores(head, label):
            for item, score in zip(store.item_names(ids), some.tolist(), strict=True):
                found[item, head, label] = score
        assert len(scores) == sum(key[1:] == (head, label) for key in found)
    return found


def test_a_score_that_is_put_twice_is_there_once(store):
    """The same batch again changes nothing; a new score replaces the old; counts say which."""
    assert store.put_scores(rows(3)) == PutCounts(3, 3, 0, 0)
    assert store.put_scores(rows(3)) == PutCounts(0, 0, 0, 3)
    assert store.revision() == Revision(3, 3, 1)

    again = store.put_scores([*rows(2, shift=0.5), *rows(1, first=9)])

    assert again == PutCounts(new_items=1, new=1, changed=2, same=0)
    assert store.revision() == Revision(4, 4, 2)
    assert held(store)["track 1", HEAD, "happy"] == 0.501


def test_of_two_rows_for_one_score_the_later_counts(store):
    """Within a batch the last one wins, and the others are counted as repeated."""
    counts = store.put_scores([*rows(1), *rows(2, shift=0.25), *rows(1, shift=0.5)])

    assert counts == PutCounts(new_items=2, new=2, changed=0, same=0, repeated=2)
    assert held(store) == {("track 0", HEAD, "happy"): 0.5, ("track 1", HEAD, "happy"): 0.251}


def test_no_rows_are_no_change(store):
    """An empty batch is taken, and changes nothing."""
    assert store.put_scores([]) == PutCounts(0, 0, 0, 0)
    assert store.revision() == Revision(0, 0, 0)
    assert list(store.score_arrays()) == []


NAMES = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=20
)
ROWS = st.builds(
    Row,
    NAMES,
    st.sampled_from([HEAD, "m/a", "m/b"]),
    st.sampled_from(["happy", "非常に", "à côté", "🎵"]),
    st.floats(allow_nan=False, allow_infinity=False),
)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_store_is_a_dictionary(kind, new_store_url):
    """After any batches the store holds the last score of every item, head and label."""
    known: dict[tuple[str, str, str], float] = {}
    with Store.open(new_store_url(kind)) as store:

        @settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
        @given(st.lists(ROWS, max_size=30))
        def check(batch):
            before = dict(known)
            known.update({row[:3]: row.score for row in batch})

            counts = store.put_scores(batch)

            assert sum(counts[1:]) == len(batch)
            assert counts.new == len(known) - len(before)
            assert counts.changed == sum(known[key] != before[key] for key in before)
            assert held(store) == known
            items = len({key[0] for key in known})
            assert store.revision()[:2] == (items, len(known))

        check()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (Row("a", HEAD, "happy", float("nan")), "expected a finite score, got nan"),
        (Row("a", HEAD, "happy", float("-inf")), "expected a finite score, got -inf"),
        (Row("a", HEAD, "happy", "0.5"), "expected a finite score, got '0.5'"),
        (Row("a", HEAD, "happy", None), "expected a finite score, got None"),
        (Row("a", HEAD, "happy", 10**400), "expected a finite score"),
        (Row("", HEAD, "happy", 0.5), "item '' is empty"),
        (Row("a\0b", HEAD, "happy", 0.5), "holds a NUL"),
        (Row("\ud800", HEAD, "happy", 0.5), "half of a surrogate pair"),
        (Row(7, HEAD, "happy", 0.5), "is not text but int"),
        (Row("é" * 1001, HEAD, "happy", 0.5), "has 2002 bytes as UTF-8, at most 2000"),
        (Row("a", "happy", "happy", 0.5), "not a head's full name"),
        (Row("a", "M/Happy", "happy", 0.5), "may only hold a-z"),
        (Row("a", HEAD, "", 0.5), "label '' is empty"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_row_that_cannot_be_is_refused_with_its_batch(store, row, said):
    """A batch with one bad row says which, and keeps none."""
    with pytest.raises(InputError, match=said):
        store.put_scores([*rows(3), row, *rows(3, first=3)])

    assert store.revision() == Revision(0, 0, 0)


def test_names_of_any_script_and_the_longest_come_back_as_they_were(store):
    """Items up to 2,000 bytes of UTF-8 and labels of any script are what they were."""
    items = ["x" * MAX_ITEM_BYTES, "音" * (MAX_ITEM_BYTES // 3), "a\nb\t", " ", "🎵/é/e\u0301"]
    batch = [Row(item, HEAD, label, 0.5) for item in items for label in ("愉快", "naïve 🎵")]

    assert store.put_scores(batch).new_items == len(items)
    assert set(held(store)) == {row[:3] for row in batch}


def test_scores_keep_every_bit(store):
    """The smallest, the largest and the most awkward doubles come back as they were."""
    values = [5e-324, 1.7976931348623157e308, -2.5, 0.1 + 0.2, 1.0, 2.0**53 + 2]
    store.put_scores([Row(f"{n}", HEAD, "happy", value) for n, value in enumerate(values)])

    (found,) = [scores for _, _, scores in store.score_arrays()]

    assert found.dtype == np.float64
    assert found.tolist() == values


def test_scores_of_some_heads_alone(store):
    """Arrays come by head and label, of the heads that are asked for."""
    store.put_scores([Row("a", f"m/{head}", label, 0.5) for head in "cab" for label in "ts"])

    assert [found[:2] for found in store.score_arrays()] == [
        (f"m/{head}", label) for head in "abc" for label in "st"
    ]
    assert [found[:2] for found in store.score_arrays(["m/b"])] == [("m/b", "s"), ("m/b", "t")]
    assert list(store.score_arrays(["m/none"])) == []


def test_items_come_in_blocks_by_id(store):
    """Ids with their scores come some at a time, and none is missing or doubled."""
    store.put_scores(rows(25))

    blocks = list(store.item_scores(HEAD, "happy", block=10))

    assert [len(ids) for ids, _ in blocks] == [10, 10, 5]
    ids = np.concatenate([ids for ids, _ in blocks])
    assert (np.diff(ids) > 0).all()
    assert store.item_names(ids[::-1]) == [f"track {n}" for n in range(24, -1, -1)]
    assert np.concatenate([some for _, some in blocks]).tolist() == [n / 1000 for n in range(25)]


def test_what_is_not_there_is_said_with_the_nearest(store):
    """An unknown head, label or id is refused by name."""
    store.put_scores(rows(1))

    with pytest.raises(InputError, match="no scores of head 'essentia/effnet/mood_hapy'") as head:
        next(store.item_scores("essentia/effnet/mood_hapy", "happy"))
    assert head.value.hint == f"Did you mean {HEAD}?"
    with pytest.raises(InputError, match="no scores of label 'hapy'"):
        next(store.item_scores(HEAD, "hapy"))
    with pytest.raises(InputError, match="no item with the id 77"):
        store.item_names([77])


def test_an_iteration_is_of_one_moment(store):
    """Arrays are of the moment of the first, whatever is written between them."""
    store.put_scores([*rows(5), *rows(5, label="sad")])
    arrays = store.score_arrays()
    first = next(arrays)

    store.put_scores([*rows(9, shift=1), *rows(9, label="sad", shift=1)])
    second = next(arrays)

    assert first[2].tolist() == second[2].tolist() == [n / 1000 for n in range(5)]
    assert [len(found[2]) for found in store.score_arrays()] == [9, 9]


def test_readers_and_writers_at_once(store):
    """Eight threads write and read at once: no batch is seen in part, none is lost."""
    writers, batches = 4, 12
    is_over = threading.Event()

    def write(writer: int) -> None:
        for number in range(batches):
            batch = rows(20, first=20 * (writer * batches + number))
            store.put_scores([*batch, *(row._replace(label="sad") for row in batch)])

    def read(_: int) -> list[int]:
        seen = []
        while not is_over.is_set():
            both = [scores for _, _, scores in store.score_arrays()]
            assert not both or both[0].tolist() == both[1].tolist()
            seen.append(len(both[0]) if both else 0)
        return seen

    with ThreadPoolExecutor(8) as pool:
        reading = [pool.submit(read, number) for number in range(4)]
        try:
            for done in [pool.submit(write, number) for number in range(writers)]:
                done.result()
        finally:
            is_over.set()
        seen = [found.result() for found in reading]

    total = writers * batches * 20
    assert all(count % 20 == 0 for some in seen for count in some)
    assert all(one <= two for some in seen for one, two in pairwise(some))
    assert store.revision() == Revision(total, 2 * total, writers * batches)
    assert len(held(store)) == 2 * total


def test_two_services_share_one_database(store_url):
    """Two stores over one database give out each id and label once, and see each other's."""

    def write(number: int) -> None:
        with Store.open(store_url) as store:
            for batch in range(10):
                store.put_scores(
                    [Row(f"{batch}-{n}", "m/h", f"label {batch}", number) for n in range(10)]
                )

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(write, number) for number in range(3)]:
            done.result()

    with Store.open(store_url) as store:
        assert store.revision()[:2] == (100, 100)
        assert len(held(store)) == 100


def test_a_huge_batch_is_one_transaction(store):
    """A hundred thousand rows in one batch come out as they went in."""
    count = 50_000
    batch = [*rows(count), *rows(count, label="sad")]

    assert store.put_scores(batch) == PutCounts(count, 2 * count, 0, 0)
    assert store.put_scores(batch[1:]).same == 2 * count - 1
    assert [len(scores) for _, _, scores in store.score_arrays()] == [count, count]
