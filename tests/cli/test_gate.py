"""`calreg gate` at a terminal, in a hook, in a build: what it compares, says and exits with."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from desk import scores, wide
from hypothesis import given
from hypothesis import strategies as st

from calreg.cli.gate import gate_command
from calreg.gate import RULES, Finding, HeadResult, Judged
from calreg.report.escaping import command_data, command_property, markdown_code, markdown_text
from calreg.report.gate import Compared, annotation_lines, gate_lines
from calreg.report.gate_document import document_of, read_document
from calreg.report.markdown import gate_markdown

COMPARED = Compared("main", "HEAD", "1" * 40, "2" * 40, 3)
NASTY = "::error::x |`a`| <img src=x onerror=1> @ada #1\n# %0A ::stop, [x](http://e) \x1b[31m ##[y]"


def forge(folder: Path, git, path: str, old: str, new: str) -> None:
    """Change a text in a committed file, and commit that."""
    file = folder / path
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    git(folder, "commit", "--quiet", "--all", "--message", "forged")


@pytest.fixture
def second(published, cli, drifted):
    """A registry with a second run, which moved the reference."""
    assert cli("run", drifted, "--head", "m/mood").code == 0
    return published


def result(head: str = "m/a", **more) -> HeadResult:
    """A head that drifted."""
    metrics = {"apd_p5": 0.02, "apd_p95": 0.001, "srd": 0.01, "jsd": 0.2, "median_drift": 0.1}
    noise = dict.fromkeys(metrics, None) | {"apd_p5": 0.03, "jsd": 0.05, "iqr_drift": None}
    values = {
        "head": head, "version": 3, "samples": 1204,
        "metrics": {**metrics, "iqr_drift": None}, "noise": noise,
        "failed_metrics": ("apd_p5", "jsd", "iqr_drift"),
        "f1_before": 0.12, "f1_after": 0.091, "verdict": "unstable", "evidence": "drift",
        "action": "moved", "reference_before": 2, "reference_after": 3,
    }  # fmt: skip
    return HeadResult(**{**values, **more})


# What is compared


def test_an_honest_run_passes(second, cli):
    """A run as the tool makes it is not blocked: exit code 0, and the head in a table."""
    said = cli("gate")

    assert said.code == 0
    assert "the commit before → HEAD · 4 files, 1 head" in said.out
    assert re.search(r"m/mood +v2 +400 .*moved v1 → v2", said.out)
    assert said.out.rstrip().splitlines()[-1].startswith("Nothing blocks this change")


def test_a_forged_verdict_is_blocked(second, cli, git):
    """Nobody can claim stability: exit code 1, the rule, the place and what to do next."""
    forge(second, git, "m/v2/run.json", '"is_stable": false', '"is_stable": true')

    said = cli("gate", "HEAD~2", "HEAD")

    assert said.code == 1
    assert re.search(r"✗ drift-recomputed +m/v2/run.json", said.out)
    assert "block" in said.out.splitlines()[-2]
    assert said.out.splitlines()[-1].startswith("Next: calreg gate --explain ")


def test_json_is_one_document(second, cli, git):
    """The document says yes or no, every finding with rule, severity and place, every head."""
    forge(second, git, "m/v2/run.json", '"is_stable": false', '"is_stable": true')

    said = cli("gate", "HEAD~2", "HEAD", "--json")

    assert said.code == 1
    assert said.json["ok"] is False
    assert said.json["heads"]["m/mood"]["action"] == "moved"
    keys = {"rule", "severity", "path", "head", "problem"}
    assert all(keys <= finding.keys() for finding in said.json["findings"])
    assert any(finding["rule"] == "drift-recomputed" for finding in said.json["findings"])
    assert said.json["compared"]["base"] == "HEAD~2"


def test_against_the_remote_by_default(published, cli, git, drifted, tmp_path):
    """Without words the gate judges what the remote's main branch does not have yet."""
    remote = tmp_path / "remote.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(published), str(remote))
    git(published, "remote", "add", "origin", remote.as_uri())
    git(published, "fetch", "--quiet", "origin")
    assert cli("run", drifted, "--head", "m/mood").code == 0
    (published / "README.md").write_text("later\n")
    git(published, "commit", "--quiet", "--all", "--message", "later")

    said = cli("gate")

    assert said.code == 0
    assert "origin/main → HEAD" in said.out
    assert "moved v1 → v2" in said.out


def test_what_is_staged(published, cli, git):
    """Before a commit the gate judges what the commit would hold, not what lies around."""
    file = published / "m/v1/run.json"
    honest = file.read_text()
    file.write_text(honest.replace("400", "401"))
    assert cli("gate", "--staged").code == 0

    git(published, "add", "m/v1/run.json")
    said = cli("gate", "--staged")

    assert said.code == 1
    assert "immutable-version" in said.out
    assert "HEAD → what is staged" in said.out


def test_in_a_hook_of_git(published, cli, git, tmp_path):
    """In a pre-commit hook it sees the index that git hands to the hook."""
    hook = published / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexec calreg gate --staged\n")
    hook.chmod(0o755)
    file = published / "m/v1/run.json"
    file.write_text(file.read_text().replace("400", "401"))
    path = f"{Path(os.sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    # `commit --all` writes an index of its own, which the hook is told about.
    done = subprocess.run(
        ["git", "commit", "--all", "--message", "x"],
        cwd=published, capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": path},
    )  # fmt: skip

    assert done.returncode == 1
    assert "immutable-version" in done.stdout + done.stderr


def test_a_first_commit(registry, cli):
    """A registry that begins is judged, too: there is nothing before it."""
    said = cli("gate")

    assert said.code == 0
    assert "nothing → HEAD" in said.out


def test_zeros_stand_for_nothing(published, cli):
    """The id of nothing, as a host writes it for a new branch, is a base."""
    said = cli("gate", "0" * 40, "HEAD", "--json")

    assert said.code == 0
    assert said.json["compared"]["base_id"] is None


def test_could_not_tell_is_not_no(published, cli, tmp_path):
    """What cannot be judged has an exit code that is neither yes nor no."""
    assert cli("gate", "nowhere").code == 3
    assert cli("gate", "--from", str(tmp_path / "none"), "main", "main").code == 5
    assert cli("gate", "--from", published.as_uri(), "main", "nowhere").code == 4
    assert cli("gate", "--", "--upload-pack=x").code == 3


@pytest.mark.parametrize(
    "words",
    [
        ("--staged", "a", "b"),
        ("--staged", "--published"),
        ("--from", "x", "a"),
        ("--json", "--format", "github"),
        ("--comment", "a:b:c"),
        ("--read", "x.json", "main"),
        ("--read", "x.json", "--summary", "y.md"),
        ("--published", "main", "HEAD"),
    ],
)
def test_contradictions(published, cli, words):
    """Options that exclude each other are a matter of usage."""
    assert cli("gate", *words).code == 2


def test_a_bare_repository_elsewhere(second, cli, git, tmp_path):
    """Two commits of a repository elsewhere are judged without a clone that stays."""
    served = tmp_path / "served.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(second), str(served))
    git(served, "config", "uploadpack.allowFilter", "true")
    git(served, "config", "uploadpack.allowAnySHA1InWant", "true")
    head = git(second, "rev-parse", "HEAD")
    left = set(tmp_path.rglob("*"))

    said = cli("gate", "--from", served.as_uri(), f"{head}^1", head, "--json")

    assert said.code == 0
    assert said.json["heads"]["m/mood"]["action"] == "moved"
    assert set(tmp_path.rglob("*")) == left


def test_the_policy_is_that_of_the_base(published, cli, git):
    """A change of the rules is called out, and is not yet in force for itself."""
    file = published / "registry.yaml"
    file.write_text(file.read_text().replace("jsd: 0.1", "jsd: 0.9"))
    git(published, "commit", "--quiet", "--all", "--message", "loosened")

    said = cli("gate", "HEAD~1", "--json")

    rules = {finding["rule"] for finding in said.json["findings"]}
    assert "policy-changed" in rules


@pytest.mark.parametrize("rule", sorted(RULES))
def test_every_rule_is_explained(cli, rule):
    """Each rule has a page that names it, and the command shows it."""
    said = cli("gate", "--explain", rule)

    assert said.code == 0
    assert rule in said.out
    assert len(said.out.splitlines()) > 5


def test_an_unknown_rule(cli):
    """A rule that does not exist is answered with the nearest that does."""
    said = cli("gate", "--explain", "drift-recomputd")

    assert said.code == 2
    assert "Did you mean drift-recomputed" in said.err


# What is written


def test_a_summary_is_appended(second, cli, tmp_path):
    """The summary of a step is added to what other steps wrote."""
    file = tmp_path / "summary.md"
    file.write_text("before\n")

    assert cli("gate", "--summary", file).code == 0

    text = file.read_text()
    assert text.startswith("before\n### ✅ Nothing blocks this change")
    assert "| <code>m/mood</code> | v2 | 400 |" in text


def test_a_report_is_written_and_read_again(second, cli, git, tmp_path):
    """A report that was written says the same when it is shown: report and exit code."""
    forge(second, git, "m/v2/run.json", '"is_stable": false', '"is_stable": true')
    file = tmp_path / "out" / "gate-report.json"
    first = cli("gate", "HEAD~2", "HEAD", "--report", file)

    again = cli("gate", "--read", file)

    assert again.code == first.code == 1
    assert again.out == first.out
    assert cli("gate", "--read", file, "--json").json == json.loads(file.read_text())


def test_annotations_of_a_build(second, cli, git):
    """In a build the files are marked, and what else is said can be no command."""
    forge(second, git, "m/v2/run.json", '"is_stable": false', '"is_stable": true')

    lines = cli("gate", "HEAD~2", "HEAD", "--format", "github").out.splitlines()

    marked = [line for line in lines if line.startswith("::error ")]
    assert any(line.startswith("::error file=m/v2/run.json,line=") for line in marked)
    token = lines[len(marked)].removeprefix("::stop-commands::")
    assert lines[-1] == f"::{token}::"
    assert len(token) == 32


# Somebody else's words


def test_workflow_commands_are_escaped():
    """Nothing in a finding can end a property, a command or a line."""
    finding = Finding("name", "error", f"a,line=2::b{NASTY}", "m/a", NASTY, line=7)

    (line,) = annotation_lines(Judged((finding,)), "reg")

    assert "\n" not in line
    assert "\r" not in line
    properties, _, message = line.removeprefix("::error ").partition("::")
    found = dict(part.split("=", 1) for part in properties.split(","))
    assert set(found) == {"file", "line", "title"}
    assert found["line"] == "7"
    assert found["file"].startswith("reg/a%2Cline=2%3A%3Ab%3A%3Aerror")
    assert "##[" not in line
    assert message.startswith("::error::x")  # of a command's message nothing is parsed again


@pytest.mark.parametrize(
    ("text", "data", "in_property"),
    [
        ("100%", "100%25", "100%25"),
        ("a\r\nb", "a%0D%0Ab", "a%0D%0Ab"),
        ("a:b,c", "a:b,c", "a%3Ab%2Cc"),
        ("%0A", "%250A", "%250A"),
    ],
)
def test_escapes_of_workflow_commands(text, data, in_property):
    """Percent signs, line ends, colons and commas are written as the host reads them."""
    assert command_data(text) == data
    assert command_property(text) == in_property


def test_at_most_ten_annotations_worst_first():
    """Ten files are marked, the worst first; a note is a notice."""
    findings = [Finding("name", "error", f"{n}", None, "x") for n in range(8)]
    findings += [Finding("name", "warning", f"w{n}", None, "x") for n in range(8)]

    lines = annotation_lines(Judged(tuple(findings)), "")

    assert [line.partition(" ")[0] for line in lines] == ["::error"] * 8 + ["::warning"] * 2
    (notice,) = annotation_lines(Judged((Finding("name", "note", None, None, "x"),)), "")
    assert notice == "::notice title=name::x"


@pytest.mark.parametrize(
    ("path", "prefix", "file"),
    [
        ("m/a.json", "", "m/a.json"),
        ("m/a.json", "cal/reg", "cal/reg/m/a.json"),
        ("/.github/workflows/gate.yml", "cal/reg", ".github/workflows/gate.yml"),
    ],
)
def test_files_are_marked_where_they_are(path, prefix, file):
    """A file of the registry is marked in its folder, one outside from the repository's root."""
    (line,) = annotation_lines(Judged((Finding("name", "error", path, None, "x"),)), prefix)

    assert line.startswith(f"::error file={file},line=1,")


def test_markdown_is_inert():
    """No name or problem becomes a link, a mention, HTML, a heading or another cell."""
    finding = Finding("name", "error", NASTY, None, NASTY, hint=NASTY)
    judged = Judged((finding,), {NASTY: result(NASTY)}, registry=NASTY)

    text = gate_markdown(judged, Compared(NASTY, NASTY, None, "2" * 40, 1))

    assert "<img" not in text
    assert "@ada" not in text
    assert "http://" not in text
    assert "\x1b" not in text
    assert "`" not in text
    assert "[x]" not in text
    assert not re.search(r"#\d(?!\d*;)", text)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {5, 14}


@pytest.mark.parametrize("char", list("!#$&()*+-./:<=>@[\\]^_`{|}~"))
def test_no_sign_means_anything(char):
    """Every sign that Markdown or HTML know is written by its number."""
    assert f"&#{ord(char)};" in markdown_text(char)
    if char not in "-/":
        assert f"&#{ord(char)};" in markdown_code(char)


def test_a_terminal_obeys_nobody():
    """A path with control characters steers no terminal and makes no second line."""
    finding = Finding("name", "error", "a\x1b[2Jb\nc", "m/a", "p\x07", hint="h\x9b")

    lines = [line.plain for line in gate_lines(Judged((finding,), {"m/a": result()}), COMPARED)]

    assert all(line.isprintable() for line in lines)


def test_a_row_per_head():
    """A head's row has version, scores, six metrics with lights and noise, F1, verdict, action."""
    judged = Judged((), {"m/a": result()}, registry="reg")

    row = gate_markdown(judged, COMPARED, trends={"m/a": [0.2, 0.9, 2.0]}).splitlines()[-1]

    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        "<code>m/a</code>",
        "v3",
        "1,204",
        "🟡 0.020 ✗ <sub>noise 0.030</sub>",
        "🟢 0.001",
        "🟢 0.010",
        "🔴 0.200 ✗ <sub>noise 0.050</sub>",
        "🟢 0.100",
        "🔴 – ✗",
        "<code>▂▄█</code>",
        "0.120 → 0.091",
        "unstable",
        "moved v2 → v3",
    ]


def test_a_summary_has_an_end():
    """A summary of ten thousand heads stays below its limit, and says what it lacks."""
    findings = tuple(Finding("name", "error", f"m/{n}", None, "x" * 400) for n in range(3000))
    judged = Judged(findings, {f"m/h{n}": result(f"m/h{n}") for n in range(10_000)})

    for limit in (2**20, 60_000):
        text = gate_markdown(judged, COMPARED, max_bytes=limit)
        assert len(text.encode()) <= limit
        assert "more finding" in text
        assert "more head" in text


# A report that anybody may have written


def test_a_report_round_trips():
    """What is written of a report is read again as it was."""
    finding = Finding("name", "warning", "a", "m/a", "x", line=3, hint="h")
    judged = Judged((finding,), {"m/a": result()}, registry="reg")

    raw = json.dumps(document_of(judged, COMPARED)).encode()

    assert read_document(raw, where="x") == (judged, COMPARED)


@pytest.mark.parametrize(
    "change",
    [
        {"findings": {}},
        {"findings": [1]},
        {"findings": [{"rule": "a"}]},
        {"heads": []},
        {"heads": {"m/a": None}},
        {"compared": None},
        {"compared": {"base": 1, "head": "b", "base_id": None, "head_id": "c", "files": 1}},
        {"registry": 7},
    ],
)
def test_a_hostile_report_is_refused(published, cli, tmp_path, change):
    """A report with values of another kind is refused: exit code 3, no bug, nothing posted."""
    document = {**document_of(Judged((), {"m/a": result()}), COMPARED), **change}
    file = tmp_path / "report.json"
    file.write_text(json.dumps(document))

    said = cli("gate", "--read", file)

    assert said.code == 3
    assert "is no report of the gate" in said.err


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"a": NaN}', b'{"a":1,"a":2}', b"\xff"])
def test_a_report_that_is_no_document(cli, tmp_path, raw):
    """What is no JSON document is refused like any input."""
    file = tmp_path / "report.json"
    file.write_bytes(raw)

    assert cli("gate", "--read", file).code == 3


def test_a_link_is_no_report(cli, tmp_path):
    """A link in an unpacked archive is not followed."""
    file = tmp_path / "report.json"
    file.symlink_to("/etc/hostname")

    assert cli("gate", "--read", file).code == 3


def test_a_report_cannot_claim_to_be_ok(cli, tmp_path):
    """Whether a report says yes follows from its findings, not from its own word."""
    document = document_of(Judged((Finding("name", "error", None, None, "x"),)), COMPARED)
    file = tmp_path / "report.json"
    file.write_text(json.dumps({**document, "ok": True}))

    assert cli("gate", "--read", file).code == 1


def test_help_says_the_exit_codes():
    """The help says what the codes mean: yes, no, could not tell."""
    assert "Exit codes: 0 nothing blocks, 1 something does" in (gate_command.help or "")


# More that it may be asked


def test_all_that_production_does_not_read(published, cli, drifted, git):
    """What is not published yet is judged from what was, however many commits ago."""
    assert cli("gate", "--published").out.startswith("Gate  reg · what is published → HEAD")
    assert cli("stable", "publish").code == 0
    before = git(published, "rev-parse", "HEAD")
    assert cli("run", drifted, "--head", "m/mood").code == 0
    (published / "README.md").write_text("later\n")
    git(published, "commit", "--quiet", "--all", "--message", "later")

    said = cli("gate", "--published", "--json")

    assert said.code == 0
    assert said.json["compared"]["base_id"] == before
    assert said.json["heads"]["m/mood"]["action"] == "moved"


def labelled(path: Path, *, positive: float) -> Path:
    """800 items of one label, half of them positive and scored around a number."""
    rows = [
        f"{n},{(n % 97) / 200 if n % 2 else positive + (n % 89) / 200},{1 - n % 2}"
        for n in range(800)
    ]
    path.write_text("\n".join(["item,score_scam,y_scam", *rows]) + "\n")
    return path


def test_a_holdout_of_ones_own(registry, cli, tmp_path):
    """Figures are computed from scores that the gate was given, not taken from counts."""
    good = labelled(tmp_path / "good.csv", positive=0.5)
    other = labelled(tmp_path / "other.csv", positive=0.0)
    words = ("--holdout", good, "--head", "forum/scam", "--objective", "max-f1", "--commit")
    assert cli("tune", labelled(tmp_path / "tune.csv", positive=0.5), *words).code == 0

    agrees = cli("gate", "--holdout", good, "--json")
    differs = cli("gate", "--holdout", f"forum/scam={other}", "--json")

    assert agrees.code == 0, agrees.out
    assert differs.code == 1
    assert "holdout" in {finding["rule"] for finding in differs.json["findings"]}


def test_a_holdout_is_for_a_head(published, cli, tmp_path, drifted):
    """A holdout of a change about no head, or several, must say whose it is."""
    table = wide(tmp_path / "two.csv", a=scores(300), b=scores(300, seed=2))
    assert cli("run", table, "--head", "m/other").code == 0
    assert cli("run", drifted, "--head", "m/mood").code == 0

    said = cli("gate", "HEAD~2", "--holdout", table)

    assert said.code == 2
    assert "--holdout MODEL/HEAD=" in said.err


def test_could_not_tell_is_said_where_people_look(published, cli, tmp_path):
    """Where it could not be told, summary and log say so: a missing report is no yes."""
    file = tmp_path / "summary.md"

    said = cli("gate", "nowhere`<b>", "--format", "github", "--summary", file)

    assert said.code == 3
    assert said.out.startswith("::error title=calreg gate::it could not be told: 'nowhere")
    assert file.read_text().startswith("### ❔ It could not be told")
    assert "<b>" not in file.read_text()


def test_a_trend_ends_with_the_change(second, cli, tmp_path):
    """The picture of a head ends with the version that the change brings."""
    file = tmp_path / "summary.md"
    other = wide(tmp_path / "other.csv", happy=scores(400, power=2), sad=scores(400, seed=3))
    assert cli("run", other, "--head", "m/mood").code == 0

    assert cli("gate", "--summary", file).code == 0

    blocks = re.search(r"<code>([ ▁-█]+)</code>", file.read_text())
    assert blocks is not None
    assert len(blocks[1]) == 2  # v1 had nothing to be compared with


# Laws of escaping

TEXTS = st.text(max_size=60) | st.text(alphabet="\r\n%:,|`<>@#[]()*_!&;=\\'\"a1 \x1b", max_size=60)


@given(TEXTS, TEXTS)
def test_a_command_is_one_command(path, problem):
    """Whatever a path and a problem hold, the line is one command with three properties."""
    finding = Finding("name", "error", path, None, problem, line=1)

    (line,) = annotation_lines(Judged((finding,)), "")

    assert line.isprintable()
    properties = line.removeprefix("::error ").partition("::")[0].split(",")
    assert [part.partition("=")[0] for part in properties] == ["file", "line", "title"]


@given(TEXTS, TEXTS)
def test_a_row_is_one_row(path, problem):
    """Whatever a path and a problem hold, the table has the same rows and cells."""
    finding = Finding("name", "error", path, None, problem, hint=problem)

    text = gate_markdown(Judged((finding,)), COMPARED)

    assert text.count("\n") == 7
    row = text.splitlines()[-1]
    assert row.count("|") == 5
    bare = re.sub(r"</?code>|<br>|</?sub>|&#\d+;", "", row)
    assert not set(bare) & set("<>@#`[]*_")
