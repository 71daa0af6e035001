"""The whole loop on real scores, in a folder that nobody needs afterwards.

It types the commands that a person would type and says in plain words what the registry
wrote down. Nothing is staged: the scores are those of classifiers on scikit-learn's
handwritten digits, and what is said of a head comes from the run's own documents.
"""

from __future__ import annotations

import csv
import gzip
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from shutil import which

from calreg.documents import HeadRow, LabelRow, load_model_run
from calreg.errors import CalregError, MissingExtraError
from calreg.names import REGISTRY_FILE, model_run_path

__all__ = ["DemoResult", "HeadOutcome", "run_demo", "write_tables_with_truth"]

Say = Callable[[str], None]

MODEL = "digits/forest"
_MAX_TYPED = 92
_KEY = "ci.key"
LOOP = f"{MODEL}/has_loop:loop"
RULES = """\
schema: calreg/registry/1.0
name: digits
noise: {assume: grown}         # each run scores a library that grew
policy: {promote_on: drift}    # leave references alone for noise
"""
_ENVIRONMENT = {
    # The demo commits in its own folder: under its own name, whoever runs it.
    "CALREG_CALIBRATE_HEADS": "true",
    "GIT_AUTHOR_NAME": "calreg demo",
    "GIT_AUTHOR_EMAIL": "demo@example.org",
    "GIT_COMMITTER_NAME": "calreg demo",
    "GIT_COMMITTER_EMAIL": "demo@example.org",
}
# A metric in words, and how its numbers are written.
_IN_WORDS = {
    "apd_p5": ("P5", "{:.3f}"),
    "apd_p95": ("P95", "{:.3f}"),
    "srd": ("The range", "{:.1%}"),
    "jsd": ("The shape (JSD)", "{:.3f}"),
    "median_drift": ("The median", "{:.3f}"),
    "iqr_drift": ("The middle half (IQR)", "{:.1%}"),
}


@dataclass(frozen=True, slots=True)
class HeadOutcome:
    """What one run did to one head, as its documents say."""

    version: int
    head: str
    verdict: str
    evidence: str
    reference_before: int | None
    reference_after: int | None
    reference_update: str


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo did, for those who want to check.

    `applied` are rows of (item, raw score, calibrated score) as the demo showed them.
    """

    outcomes: tuple[HeadOutcome, ...]
    applied: tuple[tuple[str, float, float], ...]
    registry: Path
    production: Path


def run_demo(say: Say, workdir: Path) -> DemoResult:
    """Tell the story in a folder, one command at a time.

    Args:
        say: Prints one line of the story; the commands print for themselves.
        workdir: An empty folder to work in.

    Raises:
        MissingExtraError: Scores cannot be read with what is installed.
        CalregError: A command did not do what it does in this story.
    """
    if find_spec("duckdb") is None or find_spec("nanoarrow") is None:
        raise MissingExtraError("develop", needs="duckdb with nanoarrow, which read score tables")
    with _on_stage(workdir):
        return _Story(say).tell()


@contextmanager
def _on_stage(workdir: Path) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ.update(_ENVIRONMENT)
    try:
        with chdir(workdir):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class _Story:
    """The steps in their order, and what they left."""

    def __init__(self, say: Say) -> None:
        self._say = say
        # A machine without OpenSSH publishes unsigned, and the pull says so.
        self._signs = which("ssh-keygen") is not None
        self._outcomes: list[HeadOutcome] = []

    def tell(self) -> DemoResult:
        """All of it."""
        self._opening()
        self._runs()
        self._published()
        self._production()
        applied = self._apply()
        self._retrained()
        self._tuned()
        self._closing()
        here = Path.cwd()
        return DemoResult(
            tuple(self._outcomes), tuple(applied), here / "registry", here / "production"
        )

    def _opening(self) -> None:
        self._chapter("A registry, and its rules")
        self._tell(
            "A random forest read 1,797 handwritten digits, each scored by trees that had not "
            "seen it. Two heads: which digit it is (10 labels), and whether it has a loop."
        )
        self._type("init", "registry")
        _set_rules(Path("registry"))
        self._tell("Its rules, edited and committed by hand:")
        self._say("")
        for line in RULES.splitlines():
            self._say(f"    {line}")

    def _runs(self) -> None:
        self._chapter("The first 600 digits: the first calibration")
        _cut("digits", "first-600.csv", rows=600)
        self._run("first-600.csv")
        self._chapter("1,200 digits: one head is stable, one has drifted")
        _cut("digits", "first-1200.csv", rows=1200)
        self._run("first-1200.csv")
        self._chapter("All 1,797: a difference that is only noise")
        _cut("digits", "all-1797.csv")
        self._run("all-1797.csv")

    def _published(self) -> None:
        self._chapter("What production may read is published, and signed")
        self._tell(
            "Production does not follow every commit of a developer. It reads a branch of its "
            "own, called stable: the references and an index of them, signed by a key that the "
            "CI of the registry keeps."
        )
        if self._signs:
            self._type("keys", "new", _KEY, "--comment", "ci")
            self._type("--registry", "registry", "keys", "trust", f"{_KEY}.pub", "--sign", _KEY)
        self._publish()

    def _publish(self) -> None:
        sign = ("--sign", _KEY) if self._signs else ()
        self._type("--registry", "registry", "stable", "publish", *sign)

    def _production(self) -> None:
        self._chapter("Production pulls the references, and only those")
        self._type("pull", "registry", "production")
        self._type("verify", "production")

    def _apply(self) -> list[tuple[str, float, float]]:
        self._chapter("Production applies them to raw scores")
        _cut("digits", "today.csv", rows=8, columns=("item", LOOP))
        self._type("apply", "today.csv", "--from", "production", "--out", "calibrated.csv")
        rows = _before_and_after(Path("calibrated.csv"))
        self._say("")
        self._say("    item   raw score   calibrated")
        for item, raw, calibrated in rows:
            self._say(f"    {item:>4}   {raw:9.5f}   {calibrated:10.5f}")
        self._tell("0 is where 5 % of this head's scores lie below, 1 where 5 % lie above.")
        return rows

    def _retrained(self) -> None:
        self._chapter("The model is trained again: a real change")
        self._tell(
            "One head again, from a forest of simpler trees: it is less sure of itself. Its "
            "scores are new even for old items, so no library grew: independent."
        )
        _cut("digits-retrained", "retrained.csv", columns=("item", LOOP))
        self._run("retrained.csv", "--assume", "independent")
        self._publish()
        self._type("status", "production", expect=1)
        self._type("pull", "registry", "production")

    def _tuned(self) -> None:
        self._chapter("Where the truth is known: a threshold")
        self._tell(
            "Somebody wants an alarm that is right about digits without a loop 99 times of 100. "
            "The truth is known: every second digit to choose on, the others kept apart."
        )
        write_tables_with_truth("choose.csv", "apart.csv")
        self._type(
            *("--registry", "registry", "tune", "choose.csv", "--holdout", "apart.csv"),
            *("--head", f"{MODEL}/loop_alarm", "--objective", "max-recall@fpr<=0.01"),
            *("--guarantee", "0.95", "--commit"),
        )
        self._publish()
        self._type("pull", "registry", "production")
        self._type("apply", "apart.csv", "--from", "production", "--head", f"{MODEL}/loop_alarm",
                   "--out", "fired.csv")  # fmt: skip

    def _closing(self) -> None:
        self._chapter("What the registry remembers")
        self._type("--registry", "registry", "history")
        self._tell(_summary(self._outcomes))

    def _run(self, table: str, *options: str) -> None:
        self._type("--registry", "registry", "run", table, *options)
        for outcome, sentence in _outcomes_of_last_run(Path("registry")):
            self._outcomes.append(outcome)
            self._tell(sentence)

    def _type(self, *words: str, expect: int = 0) -> None:
        from calreg.cli import call

        self._say("")
        for line in _typed(words):
            self._say(line)
        code = call(words)
        if code != expect:
            raise CalregError(
                f"calreg {' '.join(words)} exited with {code}, the story wants {expect}",
                hint="calreg doctor checks this installation.",
            )

    def _chapter(self, title: str) -> None:
        self._say("")
        self._say(f"== {title}")

    def _tell(self, sentence: str) -> None:
        self._say("")
        for line in _wrapped(sentence):
            self._say(f"  {line}")


def _typed(words: Sequence[str]) -> list[str]:
    """A command as it is typed; a long one goes on in the next line.

    >>> _typed(["pull", "registry", "production"])
    ['$ calreg pull registry production']
    """
    lines = ["$ calreg"]
    for word in map(shlex.quote, words):
        if len(lines[-1]) + len(word) > _MAX_TYPED:
            lines[-1] += " \\"
            lines.append("    ")
        lines[-1] += f" {word}"
    return lines


def _summary(outcomes: Sequence[HeadOutcome]) -> str:
    later = [outcome for outcome in outcomes if outcome.reference_before is not None]
    moved = sum(outcome.reference_update == "updated" for outcome in later)
    held = sum(outcome.reference_update == "held" for outcome in later)
    stable = len(later) - moved - held
    return (
        f"{len(outcomes)} versions were written. After its first run a head's reference could "
        f"have moved {len(later)} times. Moved, for drift: {moved}. Stable: {stable}. Left alone, "
        f"for noise: {held}. Production downloaded what moved, and nothing else."
    )


def _wrapped(text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, 76)


def _set_rules(folder: Path) -> None:
    """What a person does with an editor and `git commit`."""
    from calreg.git import Repository

    repository = Repository.find(folder)
    branch, tip = repository.branch(), repository.tip()
    with repository.lock():
        new = repository.commit(
            branch=branch,
            parent=tip,
            files={REGISTRY_FILE: RULES.encode()},
            message="Leave references alone for noise",
            identity=repository.identity(),
            when=datetime.now(UTC),
        )
        repository.publish(branch, old=tip, new=new)


def _cut(
    name: str, target: str, *, rows: int | None = None, columns: Sequence[str] | None = None
) -> None:
    """Write the first rows of a table that ships with the package, as one's own file."""
    table = csv.DictReader(gzip.decompress(_packed(name)).decode().splitlines())
    kept = list(columns or table.fieldnames or ())
    with Path(target).open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, kept, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(islice(table, rows))


def write_tables_with_truth(*targets: str) -> None:
    """Write the loop's scores beside their truth, row after row to one file after the other."""
    tables = [
        csv.DictReader(gzip.decompress(_packed(name)).decode().splitlines())
        for name in ("digits", "digits-truth")
    ]
    rows = [
        f"{scored['item']},{scored[LOOP]},{known['y_loop']}\n"
        for scored, known in zip(*tables, strict=True)
    ]
    for place, target in enumerate(targets):
        text = "item,score_loop,y_loop\n" + "".join(rows[place :: len(targets)])
        Path(target).write_text(text, encoding="utf-8")


def _packed(name: str) -> bytes:
    return files("calreg").joinpath("demo_data", f"{name}.csv.gz").read_bytes()


def _before_and_after(path: Path) -> list[tuple[str, float, float]]:
    with path.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    return [(row["item"], float(row[LOOP]), float(row[f"calibrated:{LOOP}"])) for row in rows]


def _outcomes_of_last_run(registry: Path) -> Iterator[tuple[HeadOutcome, str]]:
    version = max(int(path.stem) for path in (registry / "runs").glob("*.json"))
    place = registry / model_run_path(MODEL, version)
    run = load_model_run(place.read_bytes(), where=str(place))
    for head, row in sorted(run.heads.items()):
        outcome = HeadOutcome(
            version=version,
            head=head,
            verdict=row.verdict,
            evidence=row.evidence,
            reference_before=row.reference_version,
            reference_after=row.reference_after,
            reference_update=row.reference_update,
        )
        yield outcome, _sentence(head, row)


def _sentence(head: str, row: HeadRow) -> str:
    before, after = row.reference_version, row.reference_after
    if before is None:
        return f"{head}: nothing to compare with yet, so its reference is made: v{after}."
    if row.is_stable:
        return (
            f"{head}: stable. No number of it moved past its threshold, so the reference stays "
            f"v{before}, and nobody tags anything again."
        )
    reason = _in_words(row)
    if row.evidence == "noise":
        return f"{head}: within noise. {reason} The reference stays v{before}."
    return f"{head}: drifted. {reason} The reference moves from v{before} to v{after}."


def _in_words(row: HeadRow) -> str:
    """The failure that shows why: beyond noise if one is, of the label that decided if it can."""
    failures = [
        (size > noise, label == row.label, size / noise, label, metric, size, noise)
        for label, numbers in sorted(row.labels.items())
        for metric, size, noise in _failures(numbers)
    ]
    if not failures:
        return f"Failed: {', '.join(row.failed_metrics)}."
    _, _, _, label, metric, size, noise = max(failures)
    name, written = _IN_WORDS[metric]
    return (
        f"{name} of label {label!r} moved by {written.format(size)}, past its threshold "
        f"{written.format(row.thresholds[metric])}; chance alone moves it by up to "
        f"{written.format(noise)}."
    )


def _failures(numbers: LabelRow) -> Iterator[tuple[str, float, float]]:
    for metric in numbers.failed_metrics:
        size, noise = numbers.metrics.get(metric), numbers.noise.get(metric)
        if size is not None and noise is not None and noise > 0:
            yield metric, size, noise
