"""An application that ends half-way: whoever runs it again finds all of it, or none."""

import json
from shutil import copytree

import pytest
from desk import fingerprint
from sales import FACTORS, month

from calreg import failpoints
from calreg.cli.feedback_folder import STEPS
from calreg.documents import load_calibration, load_overrides

HEAD = "pricing/condition"
PUBLISH = ("feedback", "apply", "--head", HEAD, "--commit")
ANNOUNCED, PUBLISHED, WRITTEN, RECORDED = STEPS


@pytest.fixture
def kept(feedback_folders, registry):
    """A registry, and a feedback folder in it that holds one run."""
    copytree(feedback_folders / "run/feedback", registry / "feedback")
    return registry


@pytest.fixture
def killed(warm):
    """A command that dies at a step."""

    def act(folder, step, *words):
        warm.run_to(step, *words, cwd=folder)

    return act


def in_force(registry):
    file = registry / "feedback/overrides.json"
    return load_overrides(file.read_bytes(), where=str(file))


def reference(registry):
    file = registry / f"{HEAD}-calibration.json"
    labels = load_calibration(file.read_bytes(), where=str(file)).labels
    return {group: label.parameters["factor"] for group, label in labels.items()}


def actions(cli):
    """What the history tells, oldest first; it tells all of it."""
    found = cli("feedback", "history", "--json").json
    assert found["warnings"] == []
    return [event["action"] for event in reversed(found["events"])]


@pytest.mark.parametrize("step", [*(step for step in failpoints.STEPS if step != "pushed"), *STEPS])
def test_an_application_to_a_registry_survives_a_kill(killed, cli, kept, step):
    """Wherever it dies, the same command brings registry, folder and history to one state."""
    killed(kept, step, *PUBLISH)

    again = cli(*PUBLISH)

    # It is refused only where all was done before.
    assert again.code == (4 if step in {WRITTEN, RECORDED} else 0)
    assert [path.name for path in (kept / "runs").iterdir()] == ["1.json"]
    assert [entry.action for entry in in_force(kept).history] == ["apply"]
    assert reference(kept) == in_force(kept).factors != FACTORS
    assert actions(cli) == ["run", "apply"]
    assert not (kept / "feedback/publishing.json").exists()
    assert cli("doctor").code == 0


@pytest.mark.parametrize("step", [WRITTEN, RECORDED])
@pytest.mark.parametrize("command", ["apply", "revert"])
def test_a_change_of_the_folder_survives_a_kill(killed, cli, kept, tmp_path, step, command):
    """The factors are there, the history tells of them, and the next line finds its place."""
    before = ["apply"] if command == "revert" else []
    for word in before:
        assert cli("feedback", word).code == 0

    killed(kept, step, "feedback", command)
    told = actions(cli)
    again = cli("feedback", command)
    cli("feedback", "run", *month(tmp_path / "february", seed=1).words)

    assert again.code == 3
    assert told == ["run", *before, command]
    lines = (kept / "feedback/history.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["action"] for event in events] == [*told, "run"]
    assert [event["id"] for event in events[1:-1]] == [one.id for one in in_force(kept).history]


def test_the_plain_file_is_never_behind(killed, cli, kept):
    """What says that it was done comes last: before it, the same command does it all."""
    words = ("feedback", "apply", "--out-overrides", "plain.json")

    killed(kept, WRITTEN, *words)

    assert json.loads((kept / "plain.json").read_text()) == {
        "CONDITION_PRICE_FACTOR": dict(in_force(kept).factors)
    }


def test_what_was_cut_off_is_said_until_it_is_finished(killed, cli, kept, tmp_path):
    """A run is joined against factors that are out of date, and says how to finish them."""
    killed(kept, PUBLISHED, *PUBLISH)
    finishes = f"calreg feedback apply --head {HEAD} --commit finishes it"

    run = cli("feedback", "run", *month(tmp_path / "february", seed=1).words)
    history = cli("feedback", "history")
    plain = cli("feedback", "apply", "--dry-run")

    assert finishes in run.err
    assert finishes in history.err
    assert plain.code == 0


def test_newer_evidence_finishes_what_was_cut_off(killed, cli, kept, tmp_path):
    """The first application is completed, and the second goes on from where it ended."""
    [first] = (kept / "feedback").glob("suggestions-*.json")
    killed(kept, PUBLISHED, *PUBLISH)
    committed = reference(kept)
    current = kept / f"{HEAD}-calibration.json"
    february = month(tmp_path / "february", ratios={"used": 0.9}, factors=committed, seed=1)
    assert cli("feedback", "run", *february.words, "--current", current).code == 0

    said = cli(*PUBLISH, "--json")
    again = cli("feedback", "apply", first, "--head", HEAD, "--commit")

    assert said.code == 0
    assert "is finished" in said.err
    assert said.json["before"] == committed
    one, two = in_force(kept).history
    assert (one.after, two.before) == (committed, committed)
    assert reference(kept) == in_force(kept).factors == said.json["after"]
    assert again.code == 4


def test_a_push_that_died_is_finished_after_a_pull(killed, cli, kept, tmp_path, git):
    """The remote has it and nobody here knows: exit 4 says to pull, and then it is finished."""
    remote = tmp_path / "remote.git"
    git(tmp_path, "init", "--quiet", "--bare", str(remote))
    git(kept, "remote", "add", "origin", str(remote))
    killed(kept, "pushed", *PUBLISH, "--push")

    refused = cli(*PUBLISH, "--push")
    git(kept, "pull", "--quiet", "origin", git(kept, "branch", "--show-current"))
    done = cli(*PUBLISH, "--push")

    assert refused.code == 4
    assert "git pull" in refused.err
    assert done.code == 0
    assert reference(kept) == in_force(kept).factors != FACTORS
    assert actions(cli) == ["run", "apply"]
    assert not (kept / "feedback/publishing.json").exists()


def test_a_commit_that_could_not_be_pushed_is_in_force_here(cli, kept, tmp_path, git):
    """The error says where the commit is; the folder follows the registry beside it."""
    git(kept, "remote", "add", "origin", str(tmp_path / "nowhere.git"))

    said = cli(*PUBLISH, "--push")

    assert said.code == 5
    assert "is kept as commit" in said.err
    assert reference(kept) == in_force(kept).factors != FACTORS
    assert actions(cli) == ["run", "apply"]
    assert not (kept / "feedback/publishing.json").exists()


def test_a_refusal_leaves_no_announcement(cli, kept, monkeypatch):
    """What the registry does not take is neither in force nor on its way."""
    file = kept / "registry.yaml"
    text = file.read_text()
    file.write_text("nonsense\n")
    before = fingerprint(kept)

    refused = cli(*PUBLISH)

    assert refused.code == 3
    assert fingerprint(kept) == before
    file.write_text(text)
    assert cli(*PUBLISH).code == 0


@pytest.mark.parametrize("content", ["{", "{}", '{"head": 3, "change": []}', "[]"])
def test_a_broken_announcement_is_refused(cli, kept, content):
    """One line that names the file; nothing is guessed from it."""
    file = kept / "feedback/publishing.json"
    file.write_text(content)
    before = fingerprint(kept)

    said = cli(*PUBLISH)

    assert said.code == 3
    assert "publishing.json" in said.err
    assert fingerprint(kept) == before
