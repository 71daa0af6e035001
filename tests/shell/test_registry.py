"""Registries in real repositories: read, published to, begun."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from computing import DANCE, HAPPY, at, computed, fresh_copy, publish_run

from calreg.documents import METRICS
from calreg.errors import InputError, RegistryError
from calreg.git import init_repository
from calreg.names import HeadName
from calreg.plan import MovePlan, plan_pin, plan_promote, plan_rollback, plan_run, plan_unpin
from calreg.registry import AlreadyDone, Published, Registry, initialise

Git = Callable[..., str]

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def registry(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A registry that `initialise` made, without runs."""
    return Registry.open(fresh_copy(tmp_path / "music", tmp_path_factory))


def moved(registry: Registry, action: str, head: HeadName, version: int) -> Published:
    """Promote, roll back or pin a head by hand."""
    plans = {"promote": plan_promote, "rollback": plan_rollback, "pin": plan_pin}
    target = registry.calibration(head, version)
    done = registry.publish(
        lambda state: plans[action](
            state, target, by=registry.who(), reason="because", timestamp=at(23)
        )
    )
    assert isinstance(done, Published)
    return done


def unpinned(registry: Registry, head: HeadName) -> None:
    registry.publish(
        lambda state: plan_unpin(state, head, by="Ann", reason="over", timestamp=at(23))
    )


def held(registry: Registry, head: HeadName = HAPPY) -> int:
    return registry.calibration(head).version


# --- runs ---------------------------------------------------------------------------------


def test_first_run_is_one_commit(registry: Registry, run_git: Git) -> None:
    """A run is one commit with every file of its plan, and leaves a clean work tree."""
    done = publish_run(registry, {HAPPY: 0.5, DANCE: 0.4})

    assert isinstance(done, Published)
    assert not done.pushed
    assert run_git(registry.root, "rev-parse", "main").strip() == done.commit
    assert run_git(registry.root, "rev-list", "--count", "main").strip() == "2"
    assert run_git(registry.root, "status", "--porcelain") == ""
    for path, raw in done.plan.files.items():
        assert (registry.root / path).read_bytes() == raw
    reference = registry.root / HAPPY.reference_path
    assert reference.read_bytes() == (registry.root / HAPPY.version_path(1)).read_bytes()
    run_git(registry.root, "fsck", "--strict")


def test_commit_has_trailers_and_the_runs_time(registry: Registry) -> None:
    """The git of anybody finds the trailers of a run; its time is the run's own."""
    done = publish_run(registry, {HAPPY: 0.5}, digest=7)

    assert isinstance(done, Published)
    entry = registry.repository.log(done.commit, limit=1)[0]
    trailers = dict(entry.trailers)
    assert entry.subject == "Run 1: 1 head, 1 reference moved"
    assert trailers["Calreg-Run"] == "1"
    assert trailers["Calreg-Inputs"] == f"sha256:{7:064x}"
    assert trailers["Calreg-Moved"] == "essentia/effnet/mood_happy none -> v1"
    assert datetime.fromtimestamp(entry.time_s, UTC).isoformat() == "2026-11-01T07:00:00+00:00"


def test_runs_follow_each_other(registry: Registry) -> None:
    """Runs are numbered for all heads; a drifted head moves, a stable one keeps its version."""
    publish_run(registry, {HAPPY: 0.5, DANCE: 0.4}, digest=1)
    publish_run(registry, {HAPPY: 0.7, DANCE: 0.4}, digest=2)

    assert (held(registry, HAPPY), held(registry, DANCE)) == (2, 1)
    assert registry.versions(DANCE) == [1, 2]
    assert [run.version for run in registry.runs()] == [1, 2]


def test_repeat_does_nothing(registry: Registry, run_git: Git) -> None:
    """A run of the same scores and options is not made again, and says which it equals."""
    publish_run(registry, {HAPPY: 0.5}, digest=1)
    publish_run(registry, {HAPPY: 0.6}, digest=2)
    before = run_git(registry.root, "rev-parse", "main")

    again = publish_run(registry, {HAPPY: 0.5}, digest=1)

    assert isinstance(again, AlreadyDone)
    assert again.run.version == 1
    assert run_git(registry.root, "rev-parse", "main") == before


def test_other_options_are_another_run(registry: Registry) -> None:
    """The same scores judged by other rules are a run of their own."""
    publish_run(registry, {HAPPY: 0.5}, digest=1)
    strict = Registry.open(registry.root, overrides={"thresholds": {"jsd": 0.05}})

    done = publish_run(strict, {HAPPY: 0.5}, digest=1)

    assert isinstance(done, Published)
    assert strict.runs()[-1].options["thresholds"]["jsd"] == 0.05


def test_preview_writes_nothing(registry: Registry, run_git: Git) -> None:
    """A preview is the plan that would be published, and leaves no object behind."""
    brings = computed({HAPPY: 0.5})
    before = run_git(registry.root, "count-objects")

    plan = registry.preview(lambda state: plan_run(state, brings, timestamp=at(1), tool="calreg 0"))
    assert run_git(registry.root, "count-objects") == before
    done = publish_run(registry, {HAPPY: 0.5})

    assert isinstance(done, Published)
    assert done.plan == plan


def test_excluded_head_keeps_its_reference(registry: Registry) -> None:
    """A head that a run leaves out keeps version and bytes of its reference."""
    publish_run(registry, {HAPPY: 0.5, DANCE: 0.4}, digest=1)
    before = registry.calibration(DANCE)

    publish_run(registry, {HAPPY: 0.5}, digest=2, excluded={DANCE.full: "constant at 0.0"})

    assert registry.calibration(DANCE) == before
    assert registry.versions(DANCE) == [1]
    assert registry.runs()[-1].excluded == {DANCE.full: "constant at 0.0"}


def test_bare_repository(tmp_path: Path, run_git: Git) -> None:
    """A bare repository is a registry too: begun, published to and read without a checkout."""
    init_repository(tmp_path / "music.git", bare=True)
    made = initialise(tmp_path / "music.git", when=WHEN)
    registry = Registry.open(tmp_path / "music.git")

    publish_run(registry, {HAPPY: 0.5})

    assert made.name == registry.name == "music"
    assert held(registry) == 1
    listed = run_git(tmp_path / "music.git", "ls-tree", "-r", "--name-only", "main")
    assert HAPPY.reference_path in listed.split()
    assert not (tmp_path / "music.git" / "registry.yaml").exists()


def test_bare_subfolder(tmp_path: Path) -> None:
    """A folder of a bare repository can be a registry."""
    init_repository(tmp_path / "all.git", bare=True)
    initialise(tmp_path / "all.git" / "calibrations" / "music", when=WHEN)
    registry = Registry.open(tmp_path / "all.git" / "calibrations" / "music")

    publish_run(registry, {HAPPY: 0.5})

    assert registry.prefix == "calibrations/music"
    assert held(registry) == 1


def test_two_registries_in_one_repository(tmp_path: Path, run_git: Git) -> None:
    """Registries in one repository number their runs apart and touch only their own files."""
    root = init_repository(tmp_path / "work").work_tree
    assert root is not None
    one, other = (initialise(root / name, when=WHEN).folder for name in ("one", "other"))
    publish_run(Registry.open(one), {HAPPY: 0.5}, digest=1)
    publish_run(Registry.open(one), {HAPPY: 0.7}, digest=2)

    publish_run(Registry.open(other), {HAPPY: 0.5}, digest=1)

    assert (held(Registry.open(one)), held(Registry.open(other))) == (2, 1)
    assert run_git(root, "status", "--porcelain") == ""
    changed = run_git(root, "diff", "--name-only", "HEAD~1", "HEAD").split()
    assert all(path.startswith("other/") for path in changed)


def test_registry_in_a_registry_is_not_read_twice(registry: Registry) -> None:
    """A registry in a folder of another one keeps its heads to itself."""
    inner = initialise(registry.root / "inner", when=WHEN).folder
    publish_run(Registry.open(inner), {HAPPY: 0.5})

    assert Registry.open(registry.root).heads() == []
    assert Registry.open(inner).heads() == [HAPPY]


def test_other_files_stay_as_they_are(registry: Registry, run_git: Git) -> None:
    """Work that has nothing to do with the run, staged or not, is neither lost nor committed."""
    (registry.root / "notes.txt").write_text("draft")
    (registry.root / "staged.txt").write_text("staged")
    run_git(registry.root, "add", "staged.txt")

    publish_run(registry, {HAPPY: 0.5})

    assert run_git(registry.root, "status", "--porcelain") == "A  staged.txt\n?? notes.txt\n"


def test_open_finds_the_nearest_upwards(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a folder, the nearest registry.yaml from here upwards is meant."""
    publish_run(registry, {HAPPY: 0.5})
    monkeypatch.chdir(registry.root / "essentia" / "effnet")

    assert Registry.open().root == registry.root


# --- by hand ------------------------------------------------------------------------------


@pytest.fixture
def drifting(registry: Registry) -> Registry:
    """A registry whose head is at v3, after v1 and v2."""
    for digest, centre in enumerate((0.3, 0.5, 0.7), start=1):
        publish_run(registry, {HAPPY: centre}, digest=digest)
    return registry


def test_rollback_is_sticky(drifting: Registry, run_git: Git) -> None:
    """After a roll-back no run moves the head, until the pin is lifted by name."""
    moved(drifting, "rollback", HAPPY, 1)
    publish_run(drifting, {HAPPY: 0.8}, digest=4)
    row = drifting.history(limit=1)[0]
    assert (held(drifting), row["reference_update"], row["version"]) == (1, "held", 4)
    assert "because" in row["reason"]

    unpinned(drifting, HAPPY)
    assert held(drifting) == 1
    publish_run(drifting, {HAPPY: 0.9}, digest=5)

    assert held(drifting) == 5
    assert run_git(drifting.root, "status", "--porcelain") == ""


def test_moves_are_recorded(drifting: Registry) -> None:
    """Every decision is kept with who, why and what it moved, in the order it was made."""
    moved(drifting, "rollback", HAPPY, 1)
    unpinned(drifting, HAPPY)
    done = moved(drifting, "promote", HAPPY, 2)

    assert isinstance(done.plan, MovePlan)
    assert [(m.number, m.action, m.before, m.after) for m in drifting.moves()] == [
        (1, "rollback", 3, 1),
        (2, "unpin", 1, 1),
        (3, "promote", 1, 2),
    ]
    assert drifting.moves()[0].by == "Ada Lovelace <ada@example.org>"
    trailers = dict(drifting.repository.log(done.commit, limit=1)[0].trailers)
    assert trailers["Calreg-Action"] == "promote"


def test_pinned_head_is_not_promoted(drifting: Registry) -> None:
    """A pin stands above a promotion; nothing is written."""
    moved(drifting, "pin", HAPPY, 2)

    with pytest.raises(RegistryError, match="is pinned to v2"):
        moved(drifting, "promote", HAPPY, 3)
    assert len(drifting.moves()) == 1


def test_previous_is_the_reference_before(drifting: Registry) -> None:
    """A plain roll-back goes to the reference that was in use before, never to a newer one."""
    assert drifting.previous(HAPPY) == 2
    moved(drifting, "rollback", HAPPY, 2)
    assert drifting.previous(HAPPY) == 1
    moved(drifting, "rollback", HAPPY, 1)

    with pytest.raises(RegistryError, match="has had no reference before v1"):
        drifting.previous(HAPPY)


# --- reading ------------------------------------------------------------------------------


def test_history_rows_have_the_fields_others_read(drifting: Registry) -> None:
    """A history row has exactly the replaced system's fields, and more."""
    rows = drifting.history()

    assert [row["version"] for row in rows] == [3, 2, 1]
    fields = {"model_name", "head_name", "version", "file_count", "timestamp", "p5", "p95"}
    fields |= {"range", "reference_version", "is_stable", *METRICS}
    assert fields <= rows[0].keys()
    assert rows[0]["model_name"] == "essentia/effnet"
    assert rows[0]["timestamp"] == 1793502000000
    assert rows[0]["file_count"] == 2_000
    assert rows[0]["reference_version"] == 2
    assert rows[-1]["jsd"] is None


def test_history_filters(registry: Registry) -> None:
    """History is filtered by patterns of model and head, and cut at the limit."""
    for digest in (1, 2, 3):
        publish_run(registry, {HAPPY: 0.5, DANCE: 0.4}, digest=digest)

    assert len(registry.history()) == 6
    assert len(registry.history(limit=4)) == 4
    assert {row["head_name"] for row in registry.history(model="essentia/*")} == {"mood_happy"}
    assert {row["head_name"] for row in registry.history(head=DANCE.full)} == {"danceability"}


def test_unknown_names_are_named_with_the_nearest(registry: Registry) -> None:
    """An unknown head or version says what was probably meant, or what there is."""
    publish_run(registry, {HAPPY: 0.5})
    nearly = HeadName("essentia/effnet", "mood_hapy")

    with pytest.raises(InputError, match=r"no head 'essentia/effnet/mood_hapy' in music") as caught:
        registry.calibration(nearly)
    assert caught.value.hint == "Did you mean essentia/effnet/mood_happy?"
    with pytest.raises(InputError, match="has no version v9") as caught:
        registry.calibration(HAPPY, 9)
    assert caught.value.hint == "It has v1."
    with pytest.raises(InputError, match="no head 'nothing'"):
        registry.history(head="nothing")


# --- refused ------------------------------------------------------------------------------


def unchanged(registry: Registry, run_git: Git, act: Callable[[], object]) -> None:
    """Whatever `act` raises, branch, index and files are as before."""

    def picture() -> tuple[str, ...]:
        seen = [run_git(registry.root, *words) for words in _LOOKS]
        files = sorted(path for path in registry.root.rglob("*") if ".git" not in path.parts)
        return (*seen, *(f"{path} {path.read_bytes()!r}" for path in files if path.is_file()))

    before = picture()
    try:
        act()
    finally:
        assert picture() == before


_LOOKS = (("rev-parse", "HEAD"), ("status", "--porcelain"), ("for-each-ref", "refs/heads"))


def committed(registry: Registry, run_git: Git, path: str, text: str) -> None:
    (registry.root / path).parent.mkdir(parents=True, exist_ok=True)
    (registry.root / path).write_text(text)
    run_git(registry.root, "add", path)
    run_git(registry.root, "commit", "--quiet", "--message", "by hand")


def test_not_a_registry(tmp_path: Path) -> None:
    """A folder without registry.yaml is no registry, in a repository or not."""
    with pytest.raises(InputError, match=r"not a registry: no registry\.yaml here") as caught:
        Registry.open(tmp_path)
    assert "calreg init" in (caught.value.hint or "")
    init_repository(tmp_path / "work")
    with pytest.raises(InputError, match="not a registry"):
        Registry.open(tmp_path / "work")


def test_registry_yaml_in_no_repository(tmp_path: Path) -> None:
    """A registry.yaml that no git repository holds is told apart from no registry."""
    (tmp_path / "registry.yaml").write_text("schema: calreg/registry/1.0\nname: music\n")

    with pytest.raises(InputError, match="no git repository holds this folder"):
        Registry.open(tmp_path)


@pytest.mark.parametrize("has_commit", [False, True])
def test_registry_yaml_that_is_not_committed(
    tmp_path: Path, run_git: Git, *, has_commit: bool
) -> None:
    """A registry.yaml that nobody committed is to be committed first."""
    root = tmp_path / "work"
    init_repository(root)
    (root / "registry.yaml").write_text("schema: calreg/registry/1.0\nname: music\n")
    if has_commit:
        run_git(root, "commit", "--quiet", "--allow-empty", "--message", "empty")

    with pytest.raises(InputError, match=r"registry\.yaml") as caught:
        publish_run(Registry.open(root), {HAPPY: 0.5})
    assert "git add registry.yaml" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("path", "text", "problem"),
    [
        (
            "registry.yaml",
            "schema: calreg/registry/1.0\nname: music\nthresholds: {jsd: -1}\n",
            "registry.yaml: at /thresholds/jsd: expected more than 0, got -1",
        ),
        (
            "registry.yaml",
            "schema: calreg/registry/1.0\nname: music\ntresholds: {}\n",
            "registry.yaml: at /: has the unknown key 'tresholds'",
        ),
        ("registry.yaml", "name: [music\n", "registry.yaml: is not valid YAML"),
        ("pins.json", "{}\n", "pins.json: has no 'schema'"),
        (HAPPY.reference_path, "{", f"{HAPPY.reference_path}: is not JSON"),
    ],
)
@pytest.mark.parametrize("is_committed", [False, True])
def test_file_edited_into_something_invalid(
    registry: Registry, run_git: Git, path: str, text: str, problem: str, *, is_committed: bool
) -> None:
    """A file broken by hand, committed or not, is named with path, pointer and problem."""
    publish_run(registry, {HAPPY: 0.5})
    if is_committed:
        committed(registry, run_git, path, text)
    else:
        (registry.root / path).write_text(text)

    def act() -> None:
        publish_run(registry, {HAPPY: 0.7}, digest=2)

    with pytest.raises(InputError) as caught:
        unchanged(registry, run_git, act)
    assert str(caught.value).startswith(problem)


def test_reference_edited_into_another_number(registry: Registry, run_git: Git) -> None:
    """A reference whose numbers were changed by hand is no copy of its version any more."""
    publish_run(registry, {HAPPY: 0.5})
    text = (registry.root / HAPPY.reference_path).read_text()
    committed(registry, run_git, HAPPY.reference_path, text.replace('"mean": 0.', '"mean": 0.0'))

    with pytest.raises(InputError, match=r"at /(labels/yes/mean|version): ") as caught:
        publish_run(registry, {HAPPY: 0.7}, digest=2)
    assert caught.value.where == HAPPY.reference_path


def test_reference_without_its_version(registry: Registry, run_git: Git) -> None:
    """A reference to a version that is not there is refused."""
    publish_run(registry, {HAPPY: 0.5})
    run_git(registry.root, "rm", "--quiet", HAPPY.version_path(1))
    run_git(registry.root, "commit", "--quiet", "--message", "by hand")

    with pytest.raises(InputError, match=r"should be a copy of .*, which does not exist"):
        publish_run(registry, {HAPPY: 0.7}, digest=2)


def test_reference_that_is_a_link(registry: Registry, run_git: Git) -> None:
    """A link where a document should be is refused, wherever it points."""
    publish_run(registry, {HAPPY: 0.5})
    file = registry.root / HAPPY.reference_path
    file.unlink()
    file.symlink_to("v1/mood_happy-calibration-v1.json")
    run_git(registry.root, "commit", "--quiet", "--all", "--message", "a link")

    with pytest.raises(InputError, match="expected a plain file, mode 100644, got mode 120000"):
        publish_run(registry, {HAPPY: 0.7}, digest=2)


@pytest.mark.parametrize("path", ["registry.yaml", HAPPY.reference_path])
def test_uncommitted_changes(registry: Registry, run_git: Git, path: str) -> None:
    """Valid but uncommitted changes in files concerned are refused, and left alone."""
    publish_run(registry, {HAPPY: 0.5})
    file = registry.root / path
    file.write_bytes(file.read_bytes() + b"\n")

    def act() -> None:
        publish_run(registry, {HAPPY: 0.7}, digest=2)

    with pytest.raises(InputError, match=f"uncommitted changes in {path}") as caught:
        unchanged(registry, run_git, act)
    assert "git stash" in (caught.value.hint or "")
    with pytest.raises(InputError, match="uncommitted changes"):
        Registry.open(registry.root).check_ready()


def test_untracked_file_in_the_way(registry: Registry, run_git: Git) -> None:
    """A file that lies where the run would write is somebody's, and is not overwritten."""
    (registry.root / "runs").mkdir()
    (registry.root / "runs" / "1.json").write_text("{}")

    def act() -> None:
        publish_run(registry, {HAPPY: 0.5})

    with pytest.raises(InputError, match=r"runs/1\.json"):
        unchanged(registry, run_git, act)


def test_version_folder_is_written_once(registry: Registry, run_git: Git) -> None:
    """A version folder without its run is refused, not written into."""
    committed(registry, run_git, "essentia/effnet/v1/left-over.txt", "?")

    with pytest.raises(RegistryError, match="essentia/effnet/v1 exists already, but no run 1"):
        publish_run(registry, {HAPPY: 0.5})


def test_no_identity(registry: Registry, home: Path, run_git: Git) -> None:
    """Without a name and email nothing is published, and the message says how to set them."""
    (home / ".gitconfig").unlink()

    def act() -> None:
        publish_run(Registry.open(registry.root), {HAPPY: 0.5})

    with pytest.raises(InputError, match="git does not know who you are") as caught:
        unchanged(registry, run_git, act)
    assert "git config --global user.email" in (caught.value.hint or "")


def test_detached_head(registry: Registry, run_git: Git) -> None:
    """On a detached HEAD there is no branch to publish on."""
    run_git(registry.root, "checkout", "--quiet", "--detach")

    def act() -> None:
        publish_run(registry, {HAPPY: 0.5})

    with pytest.raises(InputError, match="HEAD is detached") as caught:
        unchanged(registry, run_git, act)
    assert caught.value.hint == "git switch -c NAME"


def test_push_without_a_remote(registry: Registry, run_git: Git) -> None:
    """A push that has nowhere to go is refused before anything is written."""

    def act() -> None:
        publish_run(registry, {HAPPY: 0.5}, push=True)

    with pytest.raises(InputError, match="branch main has no remote to push to"):
        unchanged(registry, run_git, act)


# --- beginning ----------------------------------------------------------------------------


def test_initialise_makes_a_developers_registry(tmp_path: Path, run_git: Git) -> None:
    """A new registry is committed, clean, and beside it stands who may write to it."""
    made = initialise(tmp_path / "My Music", when=WHEN)

    assert made.name == "my-music"
    assert made.new_repository
    assert "calibrate_heads: true" in (made.folder / "calreg.yaml").read_text()
    assert run_git(made.folder, "status", "--porcelain") == ""
    assert run_git(made.folder, "log", "--format=%s").strip() == "Begin the registry my-music"
    assert run_git(made.folder, "check-attr", "text", "a.json") == "a.json: text: unset\n"
    assert run_git(made.folder, "check-attr", "text", "a.py") == "a.py: text: unspecified\n"
    assert Registry.open(made.folder).settings().for_head(HAPPY).thresholds["jsd"] == 0.1


def test_initialise_overwrites_nothing(tmp_path: Path, run_git: Git) -> None:
    """Files that are there already stay as they are, committed or not."""
    init_repository(tmp_path)
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "calreg.yaml").write_text("calibrate_heads: false\n")

    made = initialise(tmp_path, when=WHEN, name="music")

    flows = (f".github/workflows/{name}.yml" for name in ("comment", "gate", "promote"))
    owners = ".github/CODEOWNERS"
    assert made.files == (".gitattributes", owners, *flows, ".gitignore", "registry.yaml")
    assert (tmp_path / "README.md").read_text() == "mine"
    assert (tmp_path / "calreg.yaml").read_text() == "calibrate_heads: false\n"
    assert run_git(tmp_path, "status", "--porcelain") == "?? README.md\n"


def test_initialise_refuses_a_second_time(registry: Registry, run_git: Git) -> None:
    """A registry is not begun twice."""

    def act() -> None:
        initialise(registry.root, when=WHEN)

    with pytest.raises(InputError, match="is a registry already"):
        unchanged(registry, run_git, act)


def test_initialise_refuses_a_file(tmp_path: Path) -> None:
    """A file cannot become a registry."""
    (tmp_path / "music").write_text("a song")

    with pytest.raises(InputError, match="expected a folder, got a file"):
        initialise(tmp_path / "music", when=WHEN)


def test_initialise_without_identity_writes_nothing(tmp_path: Path, home: Path) -> None:
    """Without a name and email no folder, repository or file is made."""
    (home / ".gitconfig").unlink()

    with pytest.raises(InputError, match="git does not know who you are"):
        initialise(tmp_path / "music", when=WHEN)
    assert list(tmp_path.iterdir()) == []


def test_state_is_of_the_commit_asked_for(registry: Registry) -> None:
    """The state of an older commit is what was there then."""
    first = publish_run(registry, {HAPPY: 0.5}, digest=1)
    publish_run(registry, {HAPPY: 0.7}, digest=2)

    assert isinstance(first, Published)
    then = registry.state(first.commit)
    assert (then.highest_run, then.references[HAPPY].version) == (1, 1)
    assert replace(then, highest_run=2).highest_run == registry.state().highest_run


# --- cost ---------------------------------------------------------------------------------


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """The git commands since it was asked last: a git on the PATH that notes and passes on."""
    log, real = tmp_path / "commands", shutil.which("git")
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$*" >> {log}\nexec {real} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    def taken() -> list[str]:
        lines = log.read_text(encoding="utf-8").splitlines()
        log.unlink()
        return [word for line in lines for word in line.split() if word in _COMMANDS]

    return taken


_COMMANDS = {"rev-parse", "config", "ls-tree", "cat-file", "version"}


def test_reading_starts_few_processes(registry: Registry, counted: Callable[[], list[str]]) -> None:
    """Opening a registry asks git once where it is, and every document is read in one go."""
    publish_run(registry, {HAPPY: 0.5, DANCE: 0.4})
    counted()

    Registry.open(registry.root).state()

    commands = counted()
    assert commands.count("rev-parse") == commands.count("config") == 1
    assert commands.count("cat-file") == 1
    # A level each: registry, models, heads; and the versions that references copy.
    assert commands.count("ls-tree") == len(commands) - 3 <= 5
