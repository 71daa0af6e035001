"""Publishing to a remote: races, refusals, lost connections, and death at any step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from computing import DANCE, HAPPY, WHEN, at, computed, publish_run
from killing import Warm

from calreg import failpoints
from calreg.errors import InputError, RegistryError, StaleRegistryError, TransportError
from calreg.plan import RegistryState, RunPlan, plan_run
from calreg.registry import AlreadyDone, Published, Registry, Retry

Git = Callable[..., str]
Clone = Callable[[str], Registry]


def remote_tip(remote: Path, run_git: Git) -> str:
    return run_git(remote, "rev-parse", "main").strip()


def is_clean(registry: Registry, run_git: Git) -> bool:
    return run_git(registry.root, "status", "--porcelain") == ""


def hook(remote: Path, text: str, *, name: str = "pre-receive") -> Path:
    file = remote / "hooks" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def racing(
    registry: Registry, others: Iterator[Callable[[], object]], *, digest: int, attempts: int = 4
) -> Published | AlreadyDone:
    """Publish while, after each time the plan is made, somebody else is faster."""
    brings = computed({HAPPY: 0.7, DANCE: 0.4}, digest=digest)

    def plan_of(state: RegistryState) -> RunPlan:
        plan = plan_run(state, brings, timestamp=at(9), tool="calreg 0")
        next(others, lambda: None)()
        return plan

    retry = Retry(attempts=attempts, pause=lambda _seconds: None)
    return registry.publish(plan_of, push=True, retry=retry)


# --- pushes -------------------------------------------------------------------------------


def test_push_moves_both_branches(cloned: Clone, remote_folder: Path, run_git: Git) -> None:
    """A pushed run is the tip here and there, and the work tree is clean."""
    one = cloned("one")

    done = publish_run(one, {HAPPY: 0.7, DANCE: 0.4}, digest=2, push=True)

    assert isinstance(done, Published)
    assert (done.pushed, done.is_behind, done.tries) == (True, False, 1)
    assert remote_tip(remote_folder, run_git) == done.commit == one.repository.tip()
    assert run_git(one.root, "status", "--porcelain", "--branch") == "## main...origin/main\n"


def test_push_starts_from_what_is_there(cloned: Clone, run_git: Git) -> None:
    """A clone that is behind builds on the remote's tip and catches up."""
    one, other = cloned("one"), cloned("other")
    publish_run(one, {HAPPY: 0.7, DANCE: 0.4}, digest=2, push=True)

    done = publish_run(other, {HAPPY: 0.7, DANCE: 0.4}, digest=3, push=True)

    assert isinstance(done, Published)
    assert isinstance(done.plan, RunPlan)
    assert done.plan.run.version == 3
    assert (other.root / "runs" / "2.json").is_file()
    assert is_clean(other, run_git)


def test_repeat_across_clones_does_nothing(cloned: Clone, run_git: Git) -> None:
    """A run that another clone pushed is not made again, and this clone has it afterwards."""
    one, other = cloned("one"), cloned("other")
    publish_run(one, {HAPPY: 0.7}, digest=2, push=True)

    again = publish_run(other, {HAPPY: 0.7}, digest=2, push=True)

    assert isinstance(again, AlreadyDone)
    assert again.run.version == 2
    assert other.repository.tip() == one.repository.tip()
    assert is_clean(other, run_git)


def test_repeat_pushes_what_lay_here(cloned: Clone, remote_folder: Path, run_git: Git) -> None:
    """A run that was committed without --push is pushed by its repeat with it."""
    one = cloned("one")
    done = publish_run(one, {HAPPY: 0.7}, digest=2)
    assert isinstance(done, Published)

    again = publish_run(one, {HAPPY: 0.7}, digest=2, push=True)

    assert isinstance(again, AlreadyDone)
    assert again.pushed
    assert remote_tip(remote_folder, run_git) == done.commit


def test_checkout_is_left_when_others_changed_code(cloned: Clone, run_git: Git) -> None:
    """If the remote also has changes that are not the registry's, the checkout stays behind."""
    one, other = cloned("one"), cloned("other")
    (one.root / "code.py").write_text("pass\n")
    run_git(one.root, "add", "code.py")
    run_git(one.root, "commit", "--quiet", "--message", "code")
    run_git(one.root, "push", "--quiet")
    before = other.repository.tip()

    done = publish_run(other, {HAPPY: 0.7}, digest=2, push=True)

    assert isinstance(done, Published)
    assert (done.pushed, done.is_behind) == (True, True)
    assert other.repository.tip() == before
    assert is_clean(other, run_git)
    run_git(other.root, "pull", "--quiet")
    assert other.repository.tip() == done.commit


# --- races --------------------------------------------------------------------------------


def test_lost_race_is_run_again(cloned: Clone, run_git: Git) -> None:
    """The slower of two is renumbered and compared with the faster one's new reference."""
    one, other = cloned("one"), cloned("other")
    faster = iter([lambda: publish_run(other, {HAPPY: 0.7, DANCE: 0.4}, digest=5, push=True)])

    done = racing(one, faster, digest=2)

    assert isinstance(done, Published)
    assert isinstance(done.plan, RunPlan)
    assert (done.tries, done.plan.run.version) == (2, 3)
    row = done.plan.model_runs[HAPPY.model].heads[HAPPY.head]
    assert (row.reference_version, row.verdict) == (2, "stable")
    assert [run.version for run in one.runs()] == [1, 2, 3]
    assert is_clean(one, run_git)


def test_every_race_lost_keeps_the_run(cloned: Clone, remote_folder: Path, run_git: Git) -> None:
    """After the last try the run is kept as a commit, and running it again publishes it."""
    one, other = cloned("one"), cloned("other")
    before = one.repository.tip()
    faster = iter(
        [
            lambda digest=digest: publish_run(other, {HAPPY: 0.5}, digest=digest, push=True)
            for digest in (5, 6)
        ]
    )

    with pytest.raises(StaleRegistryError, match=r"after 2 tries; Run 3 is kept as") as caught:
        racing(one, faster, digest=2, attempts=2)

    assert one.repository.tip() == before
    assert is_clean(one, run_git)
    kept = run_git(one.root, "for-each-ref", "--format=%(refname)", "refs/calreg/outbox").strip()
    assert kept in str(caught.value)
    assert "calreg push" in (caught.value.hint or "")
    assert "Run 3" in run_git(one.root, "log", "-1", "--format=%s", kept)
    assert [(item.ref, item.subject[:5]) for item in one.waiting()] == [(kept, "Run 3")]
    done = racing(one, iter([]), digest=2)
    assert isinstance(done, Published)
    assert remote_tip(remote_folder, run_git) == done.commit
    assert one.waiting() == []


def test_kept_run_that_was_pushed_by_hand(cloned: Clone, remote_folder: Path, run_git: Git) -> None:
    """A kept run waits until its commit is published, by whatever way, and is forgotten then."""
    one, other = cloned("one"), cloned("other")
    faster = iter([lambda: publish_run(other, {HAPPY: 0.5}, digest=5, push=True)])
    with pytest.raises(StaleRegistryError):
        racing(one, faster, digest=2, attempts=1)
    kept = one.waiting()[0]
    run_git(remote_folder, "branch", "-f", "main", "main~1")

    run_git(one.root, "push", "--quiet", "origin", f"{kept.ref}:refs/heads/main")

    assert remote_tip(remote_folder, run_git) == kept.commit
    publish_run(one, {HAPPY: 0.9}, digest=3, push=True)
    assert run_git(one.root, "for-each-ref", "refs/calreg") == ""
    assert [run.version for run in one.runs()] == [1, 2, 3]


def test_many_publishers_at_once(cloned: Clone, run_git: Git) -> None:
    """Publishers that race lose no run, make none twice and leave no gap in the numbers."""
    clones = [cloned(f"clone-{number}") for number in range(3)]

    def two_runs(number: int) -> None:
        for digest in (10 + number, 20 + number):
            brings = computed({HAPPY: 0.5}, digest=digest)
            clones[number].publish(
                lambda state, brings=brings: plan_run(  # type: ignore[misc]
                    state, brings, timestamp=at(9), tool="calreg 0"
                ),
                push=True,
                retry=Retry(attempts=50, pause=lambda _seconds: None),
            )

    with ThreadPoolExecutor(len(clones)) as pool:
        list(pool.map(two_runs, range(len(clones))))

    runs = cloned("last").runs()
    assert [run.version for run in runs] == [1, 2, 3, 4, 5, 6, 7]
    expected = {f"{digest:064x}" for digest in (1, 10, 11, 12, 20, 21, 22)}
    assert {run.inputs.digest for run in runs} == expected
    assert all(is_clean(clone, run_git) for clone in clones)


def test_wait_is_a_random_part_of_what_a_try_takes() -> None:
    """Waits are drawn from a bound in times of a try: less for who lost often, up to a limit."""
    waits: list[float] = []
    retry = Retry(longest_s=5.0, pause=waits.append, chance=lambda: 0.5)

    for lost in (1, 2, 6, 8, 10, 16):
        retry.wait(lost, took_s=0.5)

    assert waits == [1.0, 0.75, 0.125, 0.125, 0.5, 2.5]


def test_winner_lets_others_go(cloned: Clone) -> None:
    """Who published among others a moment ago waits before the next try, and nobody else does."""
    one, other = cloned("one"), cloned("other")
    waits: list[float] = []
    retry = Retry(pause=waits.append, chance=lambda: 0.5)

    def run(registry: Registry, digest: int) -> None:
        brings = computed({HAPPY: 0.5}, digest=digest)
        registry.publish(
            lambda state: plan_run(state, brings, timestamp=at(9), tool="calreg 0"),
            push=True,
            retry=retry,
        )

    run(one, 2)
    run(one, 3)
    assert waits == []
    run(other, 4)
    run(one, 5)
    assert waits == []
    run(one, 6)
    assert len(waits) == 1
    run(one, 7)
    assert len(waits) == 1


def test_branches_that_diverged(cloned: Clone, run_git: Git) -> None:
    """Where both sides have commits that the other lacks, a run is kept, and a push has it all."""
    one, other = cloned("one"), cloned("other")
    publish_run(one, {HAPPY: 0.7}, digest=2, push=True)
    publish_run(other, {HAPPY: 0.6}, digest=3)

    with pytest.raises(RegistryError, match=r"have both moved on.*Run 3 is kept as") as caught:
        publish_run(other, {HAPPY: 0.8}, digest=4, push=True)
    assert "calreg push" in (caught.value.hint or "")
    assert is_clean(other, run_git)
    other.push(when=WHEN)
    assert [int(run.inputs.digest, 16) for run in other.at().runs()] == [1, 2, 3, 4]


# --- refusals -----------------------------------------------------------------------------


def test_hook_that_declines(cloned: Clone, remote_folder: Path, run_git: Git) -> None:
    """A server's refusal is told in its words; the run is kept, and `calreg push` pushes it."""
    one = cloned("one")
    before = remote_tip(remote_folder, run_git)
    file = hook(remote_folder, "echo 'frozen until Monday' >&2\nexit 1")

    with pytest.raises(RegistryError, match="frozen until Monday; Run 2 is kept as") as caught:
        publish_run(one, {HAPPY: 0.7}, digest=2, push=True)

    assert caught.value.code == "push-refused"
    assert remote_tip(remote_folder, run_git) == before
    assert is_clean(one, run_git)
    assert "calreg push" in (caught.value.hint or "")
    file.unlink()
    one.push(when=WHEN)
    assert remote_tip(remote_folder, run_git) == one.repository.tip() != before


def test_remote_that_is_gone(cloned: Clone, remote_folder: Path, run_git: Git) -> None:
    """Without a connection the run is committed here, and `calreg push` pushes it later."""
    one = cloned("one")
    remote_folder.rename(remote_folder.with_suffix(".away"))

    with pytest.raises(TransportError, match=r"Run 2 is kept as commit .* on main") as caught:
        publish_run(one, {HAPPY: 0.7}, digest=2, push=True)

    assert is_clean(one, run_git)
    assert [run.version for run in one.runs()] == [1, 2]
    assert "calreg push" in (caught.value.hint or "")
    remote_folder.with_suffix(".away").rename(remote_folder)
    one.push(when=WHEN)
    assert remote_tip(remote_folder, run_git) == one.repository.tip()


def test_answer_that_got_lost(cloned: Clone, remote_folder: Path, run_git: Git) -> None:
    """A push whose connection broke after the server took the commit counts as published."""
    one = cloned("one")
    hook(remote_folder, "kill -9 $PPID", name="post-receive")

    done = publish_run(one, {HAPPY: 0.7}, digest=2, push=True)

    assert isinstance(done, Published)
    assert remote_tip(remote_folder, run_git) == done.commit == one.repository.tip()


def test_uncommitted_change_stops_a_push(cloned: Clone, remote_folder: Path, run_git: Git) -> None:
    """An uncommitted change in a file concerned is found before anything reaches the remote."""
    one = cloned("one")
    (one.root / "registry.yaml").write_text("schema: calreg/registry/1.0\nname: other\n")
    before = remote_tip(remote_folder, run_git)

    with pytest.raises(InputError, match=r"uncommitted changes in registry\.yaml"):
        publish_run(one, {HAPPY: 0.7}, digest=2, push=True)
    assert remote_tip(remote_folder, run_git) == before


def test_published_though_the_checkout_cannot_follow(
    cloned: Clone, remote_folder: Path, run_git: Git
) -> None:
    """What is pushed counts as published, even if the checkout cannot be brought up to it."""
    one, other = cloned("one"), cloned("other")
    (one.root / "ghost/v1").mkdir(parents=True)
    (one.root / "ghost/v1/run.json").symlink_to("../../registry.yaml")
    run_git(one.root, "add", "ghost")
    run_git(one.root, "commit", "--quiet", "--message", "a link")
    run_git(one.root, "push", "--quiet", "origin", "main")
    before = other.repository.tip()

    done = publish_run(other, {HAPPY: 0.7}, digest=2, push=True)

    assert isinstance(done, Published)
    assert (done.pushed, done.is_behind) == (True, True)
    assert remote_tip(remote_folder, run_git) == done.commit
    assert other.repository.tip() == before
    assert is_clean(other, run_git)


# --- death --------------------------------------------------------------------------------

_PUBLISH = """
import sys
from pathlib import Path
from computing import HAPPY, DANCE, publish_run
from calreg.registry import Registry
publish_run(Registry.open(Path(sys.argv[1])), {HAPPY: 0.7, DANCE: 0.4}, digest=2, push=True)
"""


@pytest.mark.parametrize("step", failpoints.STEPS)
def test_killed_at_any_step(
    cloned: Clone, remote_folder: Path, run_git: Git, warm: Warm, step: str
) -> None:
    """A run killed at any step was never or wholly published, and its repeat ends it once."""
    one = cloned("one")
    before = remote_tip(remote_folder, run_git)

    warm.run_to(step, one.root, code=_PUBLISH)
    half = Registry.open(one.root)
    assert [run.version for run in half.runs()] in ([1], [1, 2])
    half.state()
    run_git(one.root, "fsck", "--strict")
    half.check_ready(push=True)
    publish_run(half, {HAPPY: 0.7, DANCE: 0.4}, digest=2, push=True)
    publish_run(half, {HAPPY: 0.9, DANCE: 0.4}, digest=3, push=True)

    assert [run.version for run in half.runs()] == [1, 2, 3]
    assert remote_tip(remote_folder, run_git) == half.repository.tip() != before
    assert is_clean(half, run_git)
