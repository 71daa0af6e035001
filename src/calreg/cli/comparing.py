"""What `calreg compare` does: read the file and its sets, compare, tell, write."""

from __future__ import annotations

import glob
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calreg.cli.terminal import print_json, progress_bar, say, signs, width
from calreg.documents import Calibration, Json, canonical_bytes, checked_bytes
from calreg.errors import InputError
from calreg.files import read_file, replace_file
from calreg.labelled import LabelledScores
from calreg.report.compare import compare_lines, compare_markdown
from calreg.scores import ScoreTable, read_labelled
from calreg.tuning.compare import Addition, Comparison, Mining, Option, compare
from calreg.tuning.rebalance import Surroundings
from calreg.tuning.spec import Files, OptionSpec, Spec, load_spec

__all__ = ["run_compare"]

_KNOWN_KEYS = ("text_key",)


def run_compare(file: Path, *, markdown: Path | None, out: Path | None, as_json: bool) -> None:
    """Compare what a file lists; write and say what came of it."""
    spec = load_spec(read_file(file), where=str(file))
    reader = _Reader(spec, file.parent)
    around = Surroundings(
        holdout=reader.holdout(),
        train=reader.read(spec.train, "training") if spec.train is not None else None,
        groups=(spec.group,) if spec.group is not None else (),
    )
    spec.check_labels(list(around.holdout.labels), where=str(file))
    options = [_option(option, reader) for option in spec.options]
    comparison = _compared(spec, options, around, where=str(file))
    document = _document(spec, comparison, around)
    rows = around.holdout.rows
    written = []
    if out is not None:
        replace_file(out, canonical_bytes(document))
        written.append(out)
    if markdown is not None:
        page = compare_markdown(spec.head.full, comparison, holdout_rows=rows)
        replace_file(markdown, page.encode("utf-8", "backslashreplace"))
        written.append(markdown)
    if as_json:
        print_json({**document, "files": [str(path) for path in written]})
        return
    lines = compare_lines(
        spec.head.full, comparison, holdout_rows=rows, width=width(), signs=signs()
    )
    say(lines)
    say([f"Wrote {path}" for path in written])
    say(["", f"Next: {_next(spec, file.parent, comparison)}"])


class _Reader:
    """Reads sets of scores, each once however often it is named."""

    def __init__(self, spec: Spec, folder: Path) -> None:
        self._spec = spec
        self._folder = folder
        self._read: dict[Files, LabelledScores] = {}
        self._labels: Sequence[str] | None = spec.labels or None

    def holdout(self) -> LabelledScores:
        """The holdout; what is read after it must have its labels, and only those count."""
        found = self.read(self._spec.holdout, "holdout")
        self._labels = tuple(found.labels)
        return found

    def read(self, files: Files, what: str) -> LabelledScores:
        """One set, with the columns that tell whether rows are shared."""
        if files not in self._read:
            self._read[files] = self._fresh(files, what)
        return self._read[files]

    def _fresh(self, files: Files, what: str) -> LabelledScores:
        spec = self._spec
        table = ScoreTable(
            paths=tuple(beside(self._folder, path) for path in files.paths),
            columns=spec.columns,
            head=spec.head,
        )
        keys = [*spec.keys, *([spec.group] if spec.group is not None else [])]
        with progress_bar(f"Reading {what}") as progress:
            return read_labelled(
                table,
                keys=tuple(dict.fromkeys(keys)),
                optional_keys=_KNOWN_KEYS,
                where=dict(files.where),
                labels=self._labels,
                max_reject_rate=spec.max_reject_rate,
                progress=progress,
            )


def beside(folder: Path, path: str) -> str:
    """A path or glob that stands in a file of this folder, as seen from here.

    >>> beside(Path("specs"), "../a.csv"), beside(Path("[x]"), "*.csv"), beside(Path(), "/a.csv")
    ('specs/../a.csv', '[[]x]/*.csv', '/a.csv')
    """
    if not path or "://" in path:
        return path  # reading refuses both, in words of its own
    if glob.has_magic(path) and not (folder / path).is_file():
        return str(Path(glob.escape(str(folder))) / path)
    return str(folder / path)


def _option(option: OptionSpec, reader: _Reader) -> Option:
    mining, addition = option.mining, option.addition
    return Option(
        name=option.name,
        request=option.request,
        calibration=reader.read(option.calibration, f"calibration of {option.name}"),
        mining=Mining(reader.read(mining.files, "pool"), mining.wanted, mining.labels[0])
        if mining is not None
        else None,
        addition=Addition(reader.read(addition.files, "pool"), addition.wanted, addition.labels)
        if addition is not None
        else None,
    )


def _compared(
    spec: Spec, options: Sequence[Option], around: Surroundings, *, where: str
) -> Comparison:
    with progress_bar("Comparing options") as progress:

        def tell(_name: str, done: int) -> None:
            if progress is not None:
                progress(done, len(options))

        try:
            return compare(options, around, rule=spec.rule, seed=spec.seed, progress=tell)
        except InputError as error:
            if error.where is None:
                error.where = where
            raise


def _document(spec: Spec, comparison: Comparison, around: Surroundings) -> Json:
    """The whole comparison; `document` is the recommended calibration itself."""
    return {
        "head": spec.head.full,
        "spec": spec.raw,
        **comparison.to_json(),
        "holdout": _set_json(around.holdout),
        "train": _set_json(around.train) if around.train is not None else None,
        "document": _recommended(spec, comparison),
    }


def _set_json(scores: LabelledScores) -> dict[str, Any]:
    return {
        "files": list(scores.files),
        "rows": scores.rows,
        "rejected": dict(scores.rejected),
        "labels": {
            label: {
                "digest": scores.digest(label),
                "positives": column.positives,
                "negatives": column.negatives,
            }
            for label, column in scores.labels.items()
        },
    }


def _recommended(spec: Spec, comparison: Comparison) -> Json | None:
    if comparison.recommended is None:
        return None
    tuned = comparison.tried[comparison.recommended].tuned
    if tuned is None:
        return None
    calibration = Calibration(spec.head, 1, tuned.calibrations())
    checked_bytes("calibration", calibration, where=spec.head.full)
    return calibration.to_json()


def _next(spec: Spec, folder: Path, comparison: Comparison) -> str:
    if comparison.recommended is None:
        return "more negatives, a looser limit, or another objective; reasons are above"
    tried = comparison.tried[comparison.recommended]
    if tried.steps:
        return "the same with --out FILE, which holds the recommended calibration"
    option = next(one for one in spec.options if one.name == comparison.recommended)
    paths = [beside(folder, path) for path in option.calibration.paths]
    words = ["calreg", "tune", *paths, "--head", spec.head.full]
    if option.request.map_method is not None:
        words += ["--method", option.request.map_method]
    if option.request.objective is not None:
        words += ["--objective", option.request.objective.text]
    return f"{shlex.join(words)} … --holdout FILE --commit, on a holdout that chose nothing"
