"""What is seen of a registry: how heads stand, since when, what they miss; in words and numbers."""

from pathlib import Path

import pytest
from warmth import at_home
from watched import NASTY, SETTLED, Head, copied, make, publish_run

from calreg.git import Stored
from calreg.names import HeadName
from calreg.pages.answers import head_answer, overview_answer, runs_answer, short_names
from calreg.pages.observed import Observed
from calreg.plan import plan_withdraw
from calreg.registry import Registry
from calreg.site.observing import MAX_VERSIONS, detail_of, observe

HAPPY = "essentia/effnet/mood_happy"
DANCE = "essentia/effnet/danceability"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("watched")
    with at_home(folder / "home"):
        return make(folder / "music")


@pytest.fixture(scope="module")
def observed(made: Path) -> Observed:
    return observe(Registry.open(made))


def test_a_head_is_settled_since_its_last_doubt(observed):
    """Settled since: the first of the newest versions that were all stable."""
    settled = {head.name.full: head.settled_since for head in observed.heads}

    assert settled[HAPPY] == 4  # run 3 moved it
    assert settled["essentia/musicnn/timbre"] == 2  # v1 had nothing to be compared with
    assert settled["essentia/musicnn/valence"] is None
    assert settled[DANCE] is None


def test_the_standing_is_the_verdict_of_the_newest_version(observed, made):
    """What stands for each head is what its newest history row says."""
    rows = Registry.open(made).history(limit=len(observed.heads))

    for row in rows:
        head = observed.by_name[f"{row['model_name']}/{row['head_name']}"]
        newest = head.points[-1]
        assert newest.version == row["version"] == 4
        assert dict(newest.row.metrics) == {name: row[name] for name in newest.row.metrics}
        expected = "new" if row["reference_version"] is None else row["verdict"]
        assert head.standing == {"undecided": "noise"}.get(expected, expected)


def test_what_is_missing_is_what_the_run_said(observed, made):
    """A head within noise misses what its row says is needed, less what there is."""
    head = observed.by_name[DANCE]
    row = head.points[-1].row

    assert head.standing == "noise"
    assert head.missing is not None
    assert row.items_needed is not None
    assert row.file_count is not None
    wanted = row.items_needed - row.file_count if head.missing.is_more else row.items_needed
    assert head.missing.items == wanted


def test_the_answer_counts_and_names(observed):
    """The overview's sentence has the settled ones, who needs items, and who is new."""
    said = overview_answer(observed)

    assert said.startswith("3 of 5 heads are settled; danceability needs about ")
    assert said.endswith("; valence is new.")


def test_a_drifted_head_is_named(made):
    """After the run that moved it, the answer says which head has drifted."""
    registry = Registry.open(made)
    third = _commit_of_run(registry, 3)

    seen = observe(registry, registry.at(third))

    assert "mood_happy has drifted" in overview_answer(seen)
    assert head_answer(seen.by_name[HAPPY]).startswith("It has drifted: ")
    assert seen.by_name[HAPPY].settled_since is None
    assert runs_answer(seen).startswith("Run 3, of 988 scores, found ")


def _commit_of_run(registry: Registry, number: int) -> str:
    """The commit that has a run, and no later one."""
    commit = registry.now.commit
    while registry.at(commit).run_numbers != list(range(1, number + 1)):
        commit = Stored(registry.repository).first_parent(str(commit))
        assert commit is not None
    return commit


def test_short_names_tell_heads_apart(observed):
    """A head is called by its own name, unless another model has one of that name."""
    names = short_names(observed.heads, observed.heads)

    assert names == [
        "danceability", "mood_happy", "essentia/effnet/timbre", "essentia/musicnn/timbre",
        "valence",
    ]  # fmt: skip


def test_worst_come_first(observed):
    """The list begins with what needs a look and ends with what is settled."""
    standings = [head.standing for head in observed.worst_first]

    assert standings == ["noise", "new", "stable", "stable", "stable"]


def test_only_news_is_read(made, tmp_path):
    """With an earlier observation, a new run is seen as if all had been read anew."""
    registry = Registry.open(copied(made, tmp_path / "music"))
    before = observe(registry)
    publish_run(registry, SETTLED, 5)

    after = observe(registry, before=before)

    assert after == observe(registry)
    assert after.runs[0].run.version == 5


def test_versions_are_bounded(made, tmp_path):
    """Of each head the last versions alone are kept, with labels of the newest alone."""
    registry = Registry.open(copied(made, tmp_path / "music"))
    for run in range(5, 9):
        publish_run(registry, SETTLED[:1], run)

    head = observe(registry).by_name[HAPPY]

    assert [point.version for point in head.points] == list(range(1, 9))
    assert [bool(point.row.labels) for point in head.points] == [False] * 7 + [True]
    assert MAX_VERSIONS == 50


def test_a_registry_without_runs_has_an_answer(tmp_path):
    """Where nothing was ever computed, the page says so instead of failing."""
    seen = observe(Registry.open(make(tmp_path / "music", (), runs=0)))

    assert overview_answer(seen) == "No head has been calibrated yet."
    assert runs_answer(seen) == "There was no run yet."


# --- one head -----------------------------------------------------------------------------------


def detail(registry: Registry, head: str, commit: str | None = None):
    snapshot = registry.at(commit)
    return detail_of(snapshot, observe(registry, snapshot).by_name[head])


def test_a_head_is_compared_with_its_reference(made):
    """The newest version stands beside the one that production reads."""
    found = detail(Registry.open(made), HAPPY)

    assert (found.before_version, found.new_version, found.is_moved) == (3, 4, False)
    assert {label.name for label in found.labels} == {"no", "yes"}
    assert all(label.new != label.before for label in found.labels)


def test_a_moved_head_is_compared_with_what_it_replaced(made):
    """Where the newest version is the reference, it stands beside the one before."""
    registry = Registry.open(made)

    found = detail(registry, HAPPY, _commit_of_run(registry, 3))

    assert (found.before_version, found.new_version, found.is_moved) == (1, 3, True)
    assert found.retag_range is not None
    assert found.retag_range[0] > 0.5  # moved by 0.06 of a range of about 0.5: nearly all


def test_a_settled_head_would_re_tag_little(made):
    """The share of items that a promotion changes is small where next to nothing moved."""
    found = detail(Registry.open(made), "essentia/effnet/timbre")

    assert found.retag_range is not None
    assert found.retag_range[1] < 0.2


def test_trends_are_those_of_the_documents(made):
    """p5, median and p95 over versions are what each version's document holds."""
    registry = Registry.open(made)
    found = detail(registry, HAPPY)

    for label in found.labels:
        assert [point.version for point in label.trend] == [1, 2, 3, 4]
        for point in label.trend:
            numbers = registry.calibration(HeadName.parse(HAPPY), point.version)
            known = numbers.calibration.labels[label.name].distribution.quantiles
            assert known is not None
            assert (point.p5, point.median, point.p95) == (known["p5"], known["p50"], known["p95"])


def test_a_new_head_has_nothing_to_compare_with(made):
    """A first version is its own reference; no share of items is told."""
    found = detail(Registry.open(made), "essentia/musicnn/valence")

    assert found.before_version is None
    assert found.retag_range is None


def test_names_of_others_are_kept_apart(tmp_path):
    """What people call a head, and its labels, come as they are, markup and all."""
    head = Head("m/h", labels=(NASTY,), display_name=NASTY)

    found = detail(Registry.open(make(tmp_path / "music", (head,), runs=2)), "m/h")

    assert found.seen.display_name == NASTY
    assert found.labels[0].name == NASTY


def test_a_head_that_lost_its_only_version_says_so(tmp_path):
    """A head whose only version is withdrawn has no reference, and no one calls it settled."""
    registry = Registry.open(make(tmp_path / "music", (Head("m/h"), Head("m/other")), runs=1))
    registry.publish(
        lambda state: plan_withdraw(
            state, HeadName("m", "h"), 1, fallback=None, by="Ada <ada@example.org>",
            reason="scored twice", timestamp="2026-11-20T00:00:00.000Z",
        )
    )  # fmt: skip

    seen = observe(registry)

    lost = seen.by_name["m/h"]
    assert (lost.standing, lost.reference_version, lost.settled_since) == ("withdrawn", None, None)
    assert lost.withdrawn[1].why == "scored twice"
    assert "h has no reference" in overview_answer(seen)
    assert head_answer(lost) == "Its reference was withdrawn, and there is no other."
