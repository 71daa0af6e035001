"""`Registry.push`: whatever waits is published, in order, once, and never lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from computing import DANCE, HAPPY, WHEN, at, computed, publish_run
from githttp import GitServer
from killing import Warm

from calreg import failpoints
from calreg.documents import Distribution, LabelCalibration
from calreg.errors import InputError, RegistryError, StaleRegistryError, TransportError
from calreg.plan import RegistryState, RunPlan, plan_pin, plan_promote, plan_rollback, plan_run
from calreg.registry import Registry, Retry

Git = Callable[..., str]
Clone = Callable[[str], Registry]


def tip(folder: Path, run_git: Git) -> str:
    return run_git(folder, "rev-parse", "main").strip()


def outbox(registry: Registry, run_git: Git) -> list[str]:
    options = ("--format=%(subject)", "refs/calreg/outbox")
    return run_git(registry.root, "for-each-ref", *options).splitlines()


def settled(registry: Registry, remote: Path, run_git: Git) -> bool:
    """Nothing waits, here is what is there, and the work tree is clean."""
    assert run_git(registry.root, "for-each-ref", "refs/calreg") == ""
    assert run_git(registry.root, "status", "--porcelain") == ""
    registry.at().state  # noqa: B018 - raises if a document is not valid
    return tip(remote, run_git) == registry.repository.tip()


def numbers(registry: Registry) -> dict[int, int]:
    """Every run's number and the digest of its scores, which tells whose it is."""
    return {run.version: int(run.inputs.digest, 16) for run in registry.at().runs()}


def decide(registry: Registry, plan: Callable[..., object], version: int, **how: object) -> None:
    """Move the reference of HAPPY by hand, without a push."""
    target = registry.at().calibration(HAPPY, version)
    registry.publish(
        lambda state: plan(  # type: ignore[arg-type,return-value]
            state, target, by="Ada", reason="checked", timestamp=at(12), **how
        )
    )


# --- what is made anew ----------------------------------------------------------------------


def test_run_is_measured_again(cloned: Clone, remote_folder: Path, run_git: Git) -> None:
    """A waiting run is renumbered, and its drift is that from the reference that won."""
    one, other = cloned("one"), cloned("other")
    publish_run(one, {HAPPY: 0.7, DANCE: 0.4}, digest=2, push=True)
    publish_run(other, {HAPPY: 0.7, DANCE: 0.6}, digest=3)

    pushed = other.push(when=WHEN)

    assert [(item.outcome, item.version) for item in pushed.items] == [("pushed", 3)]
    assert numbers(other) == {1: 1, 2: 2, 3: 3}
    rows = {part.model: part for part in other.model_runs(2)}
    happy = rows[HAPPY.model].heads[HAPPY.head]
    assert (happy.reference_version, happy.verdict, happy.reference_after) == (2, "stable", 2)
    dance = rows[DANCE.model].heads[DANCE.head]
    assert (dance.reference_version, dance.verdict, dance.reference_after) == (1, "unstable", 3)
    assert settled(other, remote_folder, run_git)


def test_waiting_runs_go_in_one_push(
    cloned: Clone, tmp_path: Path, remote_folder: Path, run_git: Git
) -> None:
    """However many runs wait, the server is pushed to once."""
    one, other = cloned("one"), cloned("other")
    publish_run(one, {HAPPY: 0.7}, digest=2, push=True)
    for digest in (3, 4, 5):
        publish_run(other, {HAPPY: 0.5}, digest=digest)

    with GitServer(tmp_path) as server:
        run_git(remote_folder, "config", "http.receivepack", "true")
        run_git(other.root, "remote", "set-url", "origin", f"{server.url}/remote.git")
        pushed = Registry.open(other.root).push(when=WHEN)
        sent = [path for method, path, _ in server.requests if method == "POST"]

    assert [item.version for item in pushed.items] == [3, 4, 5]
    assert sum("git-receive-pack" in path for path in sent) == 1
    assert numbers(other) == {1: 1, 2: 2, 3: 3, 4: 4, 5: 5}
    assert settled(other, remote_folder, run_git)


def test_what_lies_on_top_is_pushed_as_it_is(
    cloned: Clone, remote_folder: Path, run_git: Git
) -> None:
    """If nobody was faster, the waiting commits keep their ids."""
    one = cloned("one")
    publish_run(one, {HAPPY: 0.7}, digest=2)
    before = one.repository.tip()

    pushed = one.push(when=WHEN)

    assert [(item.subject[:5], item.version) for item in pushed.items] == [("Run 2", 2)]
    assert tip(remote_folder, run_git) == before
    assert settled(one, remote_folder, run_git)


def test_run_that_is_there_is_dropped(cloned: Clone, remote_folder: Path, run_git: Git) -> None:
    """A waiting run whose like was published meanwhile is not made twice, and that is said."""
    one, other = cloned("one"), cloned("other")
    publish_run(one, {HAPPY: 0.9}, digest=9, push=True)
    publish_run(one, {HAPPY: 0.7}, digest=2, push=True)
    publish_run(other, {HAPPY: 0.7}, digest=2)

    pushed = other.push(when=WHEN)

    assert [(item.outcome, item.version) for item in pushed.items] == [("published-before", 3)]
    assert "as run 3" in (pushed.items[0].reason or "")
    assert numbers(other) == {1: 1, 2: 9, 3: 2}
    assert settled(other, remote_folder, run_git)


def test_run_from_the_outbox(cloned: Clone, remote_folder: Path, run_git: Git) -> None:
    """A run that lost every race and was kept by a ref is published by a push."""
    one, other = cloned("one"), cloned("other")
    brings = computed({HAPPY: 0.7}, digest=2)

    def faster(state: RegistryState) -> RunPlan:
        publish_run(other, {HAPPY: 0.5}, digest=50, push=True)
        return plan_run(state, brings, timestamp=at(9), tool="calreg 0")

    with pytest.raises(StaleRegistryError):
        one.publish(faster, push=True, retry=Retry(attempts=1))
    assert outbox(one, run_git) == ["Run 2: 1 head, 1 reference moved"]

    pushed = one.push(when=WHEN)

    assert [(item.outcome, item.version) for item in pushed.items] == [("pushed", 3)]
    assert numbers(one) == {1: 1, 2: 50, 3: 2}
    assert settled(one, remote_folder, run_git)


def test_race_lost_while_ahead_loses_nothing(
    cloned: Clone, remote_folder: Path, run_git: Git
) -> None:
    """A race lost on top of unpushed runs keeps the new run, too, and one push has them all."""
    one, other = cloned("one"), cloned("other")
    publish_run(one, {HAPPY: 0.6}, digest=3)
    brings = computed({HAPPY: 0.7}, digest=2)
    faster = iter([lambda: publish_run(other, {HAPPY: 0.5}, digest=50, push=True)])

    def planner(state: RegistryState) -> RunPlan:
        next(faster, lambda: None)()
        return plan_run(state, brings, timestamp=at(9), tool="calreg 0")

    with pytest.raises(RegistryError, match="have both moved on") as caught:
        one.publish(planner, push=True, retry=Retry(pause=lambda _seconds: None))
    assert caught.value.code == "diverged"
    assert "Run 3 is kept as commit" in caught.value.message

    pushed = one.push(when=WHEN)

    assert sorted(item.version or 0 for item in pushed.items) == [3, 4]
    assert numbers(one) == {1: 1, 2: 50, 3: 3, 4: 2}
    assert settled(one, remote_folder, run_git)


def test_remote_that_is_gone(cloned: Clone, remote_folder: Path, run_git: Git) -> None:
    """Without a connection everything waits on, and the next push has it all."""
    one, other = cloned("one"), cloned("other")
    publish_run(other, {HAPPY: 0.5}, digest=9, push=True)
    publish_run(one, {HAPPY: 0.7}, digest=2)
    before = one.repository.tip()
    remote_folder.rename(remote_folder.with_suffix(".away"))

    with pytest.raises(TransportError):
        one.push(when=WHEN)

    assert one.repository.tip() == before
    remote_folder.with_suffix(".away").rename(remote_folder)
    assert [item.version for item in one.push(when=WHEN).items] == [3]
    assert settled(one, remote_folder, run_git)


def test_refused_push_loses_nothing(cloned: Clone, remote_folder: Path, run_git: Git) -> None:
    """What the server declines waits on, and a later push needs no help."""
    one, other = cloned("one"), cloned("other")
    publish_run(other, {HAPPY: 0.5}, digest=9, push=True)
    publish_run(one, {HAPPY: 0.7}, digest=2)
    before = one.repository.tip()
    hook = remote_folder / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho frozen >&2\nexit 1\n")
    hook.chmod(0o755)

    with pytest.raises(RegistryError, match="frozen"):
        one.push(when=WHEN)

    assert one.repository.tip() == before
    hook.unlink()
    assert [item.version for item in one.push(when=WHEN).items] == [3]
    assert settled(one, remote_folder, run_git)


def test_nothing_waits(cloned: Clone, remote_folder: Path, run_git: Git) -> None:
    """A push of nothing pushes nothing, and brings this clone up to date."""
    one, other = cloned("one"), cloned("other")
    publish_run(one, {HAPPY: 0.7}, digest=2, push=True)

    assert other.push(when=WHEN).items == ()
    assert settled(other, remote_folder, run_git)


# --- rules ----------------------------------------------------------------------------------


def change_rules(registry: Registry, least: int, run_git: Git, *, push: bool) -> None:
    file = registry.root / "registry.yaml"
    file.write_text(file.read_text().replace("min_samples: 100", f"min_samples: {least}"))
    run_git(registry.root, "commit", "--quiet", "--all", "--message", "rules")
    if push:
        run_git(registry.root, "push", "--quiet")


def test_rules_of_the_run_hold(cloned: Clone, run_git: Git) -> None:
    """What was asked for when a run was computed still holds when it is made anew."""
    one, other = cloned("one"), cloned("other")
    publish_run(one, {HAPPY: 0.5}, digest=2, push=True)
    lenient = {"heads": {"*": {"thresholds": dict.fromkeys(("apd_p5", "apd_p95"), 0.5)}}}
    publish_run(Registry.open(other.root, overrides=lenient), {HAPPY: 0.5}, digest=3)

    other.push(when=WHEN)

    row = other.model_runs(1)[0].heads[HAPPY.head]
    assert row.thresholds["apd_p5"] == 0.5


def test_new_rules_of_the_registry_win(cloned: Clone, run_git: Git) -> None:
    """If the registry's rules were changed meanwhile, a waiting run is judged by the new ones."""
    one, other = cloned("one"), cloned("other")
    change_rules(one, 7, run_git, push=True)
    publish_run(other, {HAPPY: 0.5}, digest=3)

    other.push(when=WHEN)

    assert other.at().run(2).options["min_samples"] == 7


def factors(registry: Registry, factor: float, *, digest: int, push: bool = False) -> None:
    """Publish a run in which DANCE holds a factor instead of a range."""
    label = LabelCalibration("factor", {"factor": factor}, Distribution(samples=10))
    brings = replace(computed({}, digest=digest), heads={DANCE: {"all": label}})
    registry.publish(
        lambda state: plan_run(state, brings, timestamp=at(9), tool="calreg 0"), push=push
    )


def test_head_that_was_tuned_meanwhile(cloned: Clone, remote_folder: Path, run_git: Git) -> None:
    """Scores alone do not take a head's factors from it: it is left out, the others go on."""
    one, other = cloned("one"), cloned("other")
    factors(one, 1.1, digest=2, push=True)
    publish_run(other, {HAPPY: 0.7, DANCE: 0.6}, digest=3)

    other.push(when=WHEN)

    run = other.at().run(3)
    assert set(run.excluded) == {DANCE.full}
    assert "its reference holds factors" in run.excluded[DANCE.full]
    assert other.at().references[HAPPY].version == 3
    assert settled(other, remote_folder, run_git)


def test_factors_made_from_others(cloned: Clone) -> None:
    """Factors that were made from others than those in force now are refused, and kept."""
    one, other = cloned("one"), cloned("other")
    factors(one, 1.1, digest=2, push=True)
    factors(other, 1.2, digest=3)

    pushed = other.push(when=WHEN)

    assert [item.outcome for item in pushed.items] == ["refused"]
    assert "somebody else changed the factors in force" in (pushed.refused[0].reason or "")
    assert len(other.waiting()) == 1


# --- moves ----------------------------------------------------------------------------------


def test_moves_are_decided_again(cloned: Clone, remote_folder: Path, run_git: Git) -> None:
    """A move that waits with the run it is about follows that run to its new number."""
    one, other = cloned("one"), cloned("other")
    publish_run(one, {DANCE: 0.4}, digest=2, push=True)
    publish_run(other, {HAPPY: 0.7}, digest=3)
    decide(other, plan_pin, 2)

    pushed = other.push(when=WHEN)

    assert [item.outcome for item in pushed.items] == ["pushed", "pushed"]
    assert other.at().pins.heads[HAPPY.full].pinned_to == 3
    assert other.at().references[HAPPY].version == 3
    assert [move.number for move in other.at().moves()] == [1]
    assert settled(other, remote_folder, run_git)


def test_move_that_is_there_word_for_word(cloned: Clone, remote_folder: Path, run_git: Git) -> None:
    """A move that was published already is not recorded twice; what waits beside it is pushed."""
    one, other = cloned("one"), cloned("other")
    publish_run(one, {HAPPY: 0.7}, digest=2, push=True)
    run_git(other.root, "pull", "--quiet")
    decide(other, plan_rollback, 1)
    publish_run(one, {DANCE: 0.4}, digest=3)
    decide(one, plan_rollback, 1)
    one.push(when=WHEN)
    publish_run(other, {DANCE: 0.6}, digest=4)

    pushed = other.push(when=WHEN)

    assert [item.outcome for item in pushed.items] == ["published-before", "pushed"]
    assert [move.number for move in other.at().moves()] == [1]
    assert settled(other, remote_folder, run_git)


def test_promotion_of_what_is_pinned_by_now(
    cloned: Clone, remote_folder: Path, run_git: Git
) -> None:
    """A promotion is refused if the head was pinned meanwhile; runs beside it are published."""
    one, other = cloned("one"), cloned("other")
    publish_run(one, {HAPPY: 0.5, DANCE: 0.4}, digest=2, push=True)
    run_git(other.root, "pull", "--quiet")
    decide(one, plan_pin, 1)
    one.push(when=WHEN)
    decide(other, plan_promote, 2)
    publish_run(other, {DANCE: 0.6}, digest=3)

    pushed = other.push(when=WHEN)

    assert [item.outcome for item in pushed.items] == ["refused", "pushed"]
    assert "is pinned to v1" in (pushed.refused[0].reason or "")
    assert other.at().references[HAPPY].version == 1
    assert tip(remote_folder, run_git) == other.repository.tip()
    kept = outbox(other, run_git)
    assert len(kept) == 1
    assert [item.outcome for item in other.push(when=WHEN).items if item.outcome == "refused"]
    waiting = other.waiting()
    assert len(waiting) == 1
    assert other.forget(waiting[0].commit[:7]).commit == waiting[0].commit
    assert other.push(when=WHEN).items == ()
    with pytest.raises(InputError, match="no commit that begins with"):
        other.forget("abcdef")


# --- what is not ours -----------------------------------------------------------------------


def test_commit_of_a_person(cloned: Clone, run_git: Git) -> None:
    """A commit that is no run and no move is not made anew: it is named, and nothing moves."""
    one, other = cloned("one"), cloned("other")
    publish_run(one, {HAPPY: 0.7}, digest=2, push=True)
    publish_run(other, {HAPPY: 0.6}, digest=3)
    change_rules(other, 7, run_git, push=False)
    before = other.repository.tip()

    with pytest.raises(RegistryError, match=r"\('rules'\) is neither a run nor a move") as caught:
        other.push(when=WHEN)

    assert "git rebase origin/main" in (caught.value.hint or "")
    assert other.repository.tip() == before


def test_checkout_with_other_changes_stays(cloned: Clone, run_git: Git) -> None:
    """Where the remote has other people's files, a diverged branch is published and left."""
    one, other = cloned("one"), cloned("other")
    (one.root / "code.py").write_text("pass\n")
    run_git(one.root, "add", "code.py")
    run_git(one.root, "commit", "--quiet", "--message", "code")
    run_git(one.root, "push", "--quiet")
    publish_run(other, {HAPPY: 0.6}, digest=3)

    pushed = other.push(when=WHEN)

    assert (pushed.is_behind, pushed.is_diverged) == (True, True)
    run_git(other.root, "reset", "--quiet", "--keep", "origin/main")
    assert other.push(when=WHEN).items == ()
    assert (other.root / "code.py").is_file()


# --- death ----------------------------------------------------------------------------------

_PUSH = """
import sys
from pathlib import Path
from computing import WHEN
from calreg.registry import Registry
Registry.open(Path(sys.argv[1])).push(when=WHEN)
"""


@pytest.mark.parametrize("step", failpoints.STEPS)
def test_killed_at_any_step(
    cloned: Clone, remote_folder: Path, run_git: Git, warm: Warm, step: str
) -> None:
    """A push killed at any step is ended by the next one: no run is lost, none made twice."""
    one, other = cloned("one"), cloned("other")
    publish_run(one, {HAPPY: 0.7}, digest=2, push=True)
    publish_run(other, {HAPPY: 0.6}, digest=3)
    publish_run(other, {HAPPY: 0.5}, digest=4)
    decide(other, plan_pin, 3)

    warm.run_to(step, other.root, code=_PUSH)

    half = Registry.open(other.root)
    half.push(when=WHEN)
    assert numbers(half) == {1: 1, 2: 2, 3: 3, 4: 4}
    assert len(half.at().moves()) == 1
    assert half.at().pins.heads[HAPPY.full].pinned_to == 4
    assert settled(half, remote_folder, run_git)
