from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from calreg.calibrate import describe, minmax
from calreg.calibrate.objectives import parse_objective
from calreg.documents.calibration import Calibration, LabelCalibration, Parameter
from calreg.documents.decision import Decision
from calreg.errors import InputError
from calreg.methods import apply_method, fires, softmax
from calreg.names import HeadName
from calreg.scores import AppliedCounts, ScoreTable, apply_scores, read_labelled
from calreg.tuning import Request, tune

HEAD = HeadName.parse("posts/filter")
OTHER = HeadName.parse("posts/other")
SCORES = describe(np.linspace(0.0, 1.0, 200))

# All that a score can be: near the clip, beyond [0, 1], on knots and edges, far logits.
VALUES = [0.0, 1.0, 1.00001, -0.001, 1e-9, 0.5, 0.25, 0.75, 0.1, 0.3, 7.25, -33.8, 800.0, -800.0]
VALUES += np.random.default_rng(5).normal(0.5, 0.4, 300).tolist()

PARAMETERS: dict[str, tuple[str, dict[str, Parameter]]] = {
    "temperature": ("temperature", {"temperature": 2.5, "link": "sigmoid", "scale": "logit"}),
    "clipped": ("temperature", {"temperature": 0.7, "link": "sigmoid", "scale": "probability"}),
    "platt": ("platt", {"slope": 3.7, "intercept": -1.9}),
    "falling": ("platt", {"slope": -3.7, "intercept": 0.4}),
    "beta": ("beta", {"a": 1.3, "b": 0.4, "c": 0.2, "scale": "probability"}),
    "beta-logit": ("beta", {"a": 1.3, "b": 0.4, "c": 0.2, "scale": "logit"}),
    "isotonic": ("isotonic", {"x": (0.1, 0.25, 0.3, 0.9), "y": (0.0, 0.2, 0.2, 0.95)}),
    "isotonic-down": ("isotonic", {"x": (0.1, 0.25, 0.9), "y": (0.9, 0.2, 0.0)}),
    "isotonic-one": ("isotonic", {"x": (0.5,), "y": (0.3,)}),
    "histogram": ("histogram", {"edges": (0.1, 0.25, 0.75), "values": (0.0, 0.1, 0.4, 1.0)}),
    "histogram-one": ("histogram", {"edges": (0.5,), "values": (0.25, 0.75)}),
}


def decision(threshold: float | None, **options: Any) -> Decision:
    """A decision at a threshold, which never fires where it is None."""
    status: Any = "infeasible" if threshold is None else "ok"
    return Decision(threshold, options.pop("comparator", ">="), "max-f1", status, **options)


def label_of(
    method: str,
    parameters: dict[str, Parameter] | None = None,
    *,
    decides: Decision | None = None,
    direction: Any = "higher",
) -> LabelCalibration:
    return LabelCalibration(method, parameters or {}, SCORES, direction, decides)


def apply(
    path: Path, out: Path, labels: dict[str, LabelCalibration], **options: Any
) -> AppliedCounts:
    """Apply the labels' calibrations of `posts/filter` to a table."""
    head = options.pop("head", HEAD)
    calibrations = {HEAD: Calibration(HEAD, 1, labels), **options.pop("more", {})}
    table = ScoreTable((str(path),), head=head)
    return apply_scores(table, out, calibrations=calibrations, **options)


def columns_of(path: Path) -> dict[str, list[Any]]:
    """The columns of a file that was written."""
    found = duckdb.connect().execute(f"SELECT * FROM '{path}'")
    names = [column[0] for column in found.description or []]
    rows = found.fetchall()
    return {name: [row[n] for row in rows] for n, name in enumerate(names)}


def write_wide(path: Path, **columns: list[Any]) -> Path:
    """A CSV file with these columns; None is empty."""
    lines = [",".join(columns)]
    lines += [
        ",".join("" if value is None else str(value) for value in row)
        for row in zip(*columns.values(), strict=True)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_long(path: Path, rows: list[tuple[str, str, Any]]) -> Path:
    """A CSV file with a row per head, label and score."""
    lines = [f"posts,{head},{label},{score}" for head, label, score in rows]
    path.write_text("\n".join(["model,head,label,score", *lines]) + "\n")
    return path


@pytest.mark.parametrize("kind", PARAMETERS)
@pytest.mark.parametrize("form", ["wide", "long"])
def test_probabilities_are_those_of_the_methods(tmp_path: Path, kind: str, form: str) -> None:
    """Every map gives what the client gives, to 1e-15, and maps that only look up exactly."""
    method, parameters = PARAMETERS[kind]
    labels = {"a": label_of(method, parameters)}
    path = tmp_path / "s.csv"
    if form == "wide":
        write_wide(path, score_a=VALUES)
    else:
        write_long(path, [("filter", "a", value) for value in VALUES])

    counts = apply(path, tmp_path / "o.parquet", labels, head=HEAD if form == "wide" else None)

    found = columns_of(tmp_path / "o.parquet")
    expected = apply_method(method, parameters, np.array(VALUES))
    made = np.array(found["p_a" if form == "wide" else "p"])
    assert np.abs(made - expected).max() <= 1e-15
    if method in {"isotonic", "histogram"}:
        assert made.tolist() == expected.tolist()
    assert not {"calibrated", "calibrated_a", "fires", "fires_a"} & found.keys()
    assert (counts.calibrated, counts.fired) == (len(VALUES), {})


def test_curves_of_many_knots_are_looked_up_exactly(tmp_path: Path) -> None:
    """A curve of thousands of knots gives numpy's numbers, on its knots and between them."""
    chance = np.random.default_rng(1)
    x = np.sort(chance.random(3001))
    y = np.sort(chance.random(3001))
    parameters: dict[str, Parameter] = {"x": tuple(x.tolist()), "y": tuple(y.tolist())}
    values = [*x.tolist(), *chance.random(2000).tolist(), -1.0, 2.0]
    path = write_wide(tmp_path / "s.csv", score_a=values)

    apply(path, tmp_path / "o.parquet", {"a": label_of("isotonic", parameters)})

    expected = apply_method("isotonic", parameters, np.array(values))
    assert columns_of(tmp_path / "o.parquet")["p_a"] == expected.tolist()
    assert np.abs(expected - np.interp(values, x, y)).max() < 1e-12


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_thresholds_write_decisions_only(tmp_path: Path, ending: str) -> None:
    """A label that has only a threshold gets fires_<label>, true at the threshold itself."""
    labels = {
        "a": label_of("threshold", decides=decision(0.5)),
        "b": label_of("threshold", decides=decision(0.5, comparator="<="), direction="lower"),
        "c": label_of("threshold", decides=decision(None)),
    }
    scores = [0.25, 0.5, 0.75, "nan", "", "x"]
    path = write_wide(tmp_path / "s.csv", score_a=scores, score_b=scores, score_c=scores)

    counts = apply(path, tmp_path / f"o{ending}", labels)

    found = columns_of(tmp_path / f"o{ending}")
    assert list(found)[3:] == ["fires_a", "fires_b", "fires_c"]
    assert found["fires_a"] == [False, True, True, None, None, None]
    assert found["fires_b"] == [True, True, False, None, None, None]
    assert found["fires_c"] == [False, False, False, None, None, None]
    assert counts.fired == {
        "posts/filter:a": 2,
        "posts/filter:b": 2,
        "posts/filter:c": 0,
    }
    assert (counts.rows, counts.calibrated, counts.unreadable) == (6, 9, 9)


def test_decisions_in_csv_are_true_and_false(tmp_path: Path) -> None:
    """Decisions are written as the words true and false, nothing where the score is none."""
    path = write_wide(tmp_path / "s.csv", id=["x", "y", "z"], score_a=[0.1, 0.9, ""])

    apply(path, tmp_path / "o.csv", {"a": label_of("threshold", decides=decision(0.5))})

    assert (tmp_path / "o.csv").read_text() == (
        "id,score_a,fires_a\nx,0.1,false\ny,0.9,true\nz,,\n"
    )


@pytest.mark.parametrize("form", ["wide", "long"])
def test_float32_scores_are_compared_in_float64(tmp_path: Path, form: str) -> None:
    """A float32 score just below the threshold does not fire, though float32 cannot tell."""
    below = float(np.float32(0.7))
    above = float(np.nextafter(np.float32(0.7), np.float32(1)))
    threshold = below + 1e-12
    assert np.float32(threshold) == np.float32(below)
    assert below < threshold < above
    path, head = tmp_path / "s.parquet", HEAD if form == "wide" else None
    names = "v::FLOAT AS score_a"
    if form == "long":
        names = "'posts' AS model, 'filter' AS head, 'a' AS label, v::FLOAT AS score"
    query = f"SELECT {names} FROM (SELECT unnest([{below!r}, {above!r}]) AS v)"
    duckdb.connect().execute(f"COPY ({query}) TO '{path}'")

    apply(
        path,
        tmp_path / "o.parquet",
        {"a": label_of("threshold", decides=decision(threshold))},
        head=head,
    )

    found = columns_of(tmp_path / "o.parquet")
    assert found["fires_a" if form == "wide" else "fires"] == [False, True]


@pytest.mark.parametrize("direction", ["higher", "lower"])
def test_the_cut_of_the_raw_score_decides_where_there_is_one(
    tmp_path: Path, direction: str
) -> None:
    """`score_threshold` is the authority, whatever the last bit of a probability says."""
    slope = 4.0 if direction == "higher" else -4.0
    parameters: dict[str, Parameter] = {"slope": slope, "intercept": 0.0}
    cut = 0.30000000000000004
    made = decision(0.99, score_threshold=cut)  # 0.99 would decide otherwise
    labels = {"a": label_of("platt", parameters, decides=made, direction=direction)}
    scores = [np.nextafter(cut, -1.0).item(), cut, np.nextafter(cut, 1.0).item()]

    apply(write_wide(tmp_path / "s.csv", score_a=scores), tmp_path / "o.parquet", labels)

    found = columns_of(tmp_path / "o.parquet")
    assert found["fires_a"] == (
        [False, True, True] if direction == "higher" else [True, True, False]
    )
    assert found["fires_a"] == fires(labels["a"], np.array(scores)).tolist()
    assert list(found) == ["score_a", "p_a", "fires_a"]


def test_the_probability_decides_where_there_is_no_cut(tmp_path: Path) -> None:
    """Without a cut of the raw score the output is compared, equality included."""
    method, parameters = PARAMETERS["histogram"]
    labels = {"a": label_of(method, parameters, decides=decision(0.4))}

    counts = apply(
        write_wide(tmp_path / "s.csv", score_a=[0.0, 0.2, 0.25, 0.74, 0.75, ""]),
        tmp_path / "o.parquet",
        labels,
    )

    assert columns_of(tmp_path / "o.parquet")["fires_a"] == [False, False, True, True, True, None]
    assert counts.fired == {"posts/filter:a": 3}


def softmax_labels(scale: str, *names: str) -> dict[str, LabelCalibration]:
    parameters: dict[str, Parameter] = {"temperature": 1.7, "link": "softmax", "scale": scale}
    return {name: label_of("temperature", parameters, decides=decision(0.5)) for name in names}


@pytest.mark.parametrize("scale", ["logit", "probability"])
def test_softmax_shares_one_probability(tmp_path: Path, scale: str) -> None:
    """The labels of a softmax get the client's probabilities; one that is null nulls the row."""
    scores = np.random.default_rng(2).normal(0, 3 if scale == "logit" else 0.4, (3, 50))
    scores[:, 0] = [900.0, -900.0, 0.0]
    columns: dict[str, list[Any]] = {
        f"{'logit' if scale == 'logit' else 'score'}_{name}": [*part.tolist(), 0.5, 0.5]
        for name, part in zip("abc", scores, strict=True)
    }
    list(columns.values())[1][50:] = ["nan", ""]
    path = write_wide(tmp_path / "s.csv", **columns)

    counts = apply(path, tmp_path / "o.parquet", softmax_labels(scale, "a", "b", "c"))

    found = columns_of(tmp_path / "o.parquet")
    expected = softmax({"temperature": 1.7, "scale": scale}, list(scores))
    for name, part in zip("abc", expected, strict=True):
        assert np.abs(np.array(found[f"p_{name}"][:50]) - part).max() <= 1e-15
        assert found[f"fires_{name}"][:50] == (part >= 0.5).tolist()
        assert found[f"p_{name}"][50:] == found[f"fires_{name}"][50:] == [None, None]
    assert (counts.calibrated, counts.unreadable) == (150, 6)
    assert sum(counts.fired.values()) == sum((part >= 0.5).sum() for part in expected)


def test_softmax_fires_as_it_was_tuned(tmp_path: Path) -> None:
    """SQL counts what tuning counted, though its sums and exponentials end in other bits."""
    rng = np.random.default_rng(36)
    which = rng.integers(0, 3, 200)
    columns = {f"logit_{n}": rng.normal(2.0 * (which == n), 1.5).tolist() for n in range(3)}
    truth = {f"y_{n}": (which == n).astype(int).tolist() for n in range(3)}
    path = write_wide(tmp_path / "s.csv", **columns, **truth)
    tuned = {}
    for text in ("max-f1", "max-f2", "youden", "max-recall@fpr<=0.1", "max-recall@precision>=0.6"):
        request = Request(objective=parse_objective(text), map_method="temperature", link="softmax")
        scores = read_labelled(ScoreTable((str(path),), head=HEAD))
        tuned[text] = tune(scores, None, request).calibrations()

    for text, labels in tuned.items():
        counts = apply(path, tmp_path / "o.parquet", labels)
        for name, label in labels.items():
            confusion = label.calibration.confusion
            fired = counts.fired.get(f"posts/filter:{name}", 0)
            assert fired == confusion.tp + confusion.fp, (text, name)


def test_softmax_of_many_labels(tmp_path: Path) -> None:
    """A softmax of hundreds of labels is one row's sum, not an expression too deep to read."""
    names = [f"l{n}" for n in range(400)]
    path = write_wide(tmp_path / "s.csv", **{f"logit_{name}": [1.0, 2.0] for name in names})

    apply(path, tmp_path / "o.parquet", softmax_labels("logit", *names))

    found = columns_of(tmp_path / "o.parquet")
    assert np.allclose(found["p_l7"], 1 / 400, rtol=1e-13)


def test_softmax_needs_all_labels_in_one_row(tmp_path: Path) -> None:
    """A missing column and a long table are refused for a softmax, with the way out."""
    labels = softmax_labels("logit", "a", "b", "c")
    wide = write_wide(tmp_path / "s.csv", logit_a=[1.0])
    long = write_long(tmp_path / "l.csv", [("filter", "a", 1.0)])

    with pytest.raises(InputError, match="there is no column for 'b', 'c'") as lacking:
        apply(wide, tmp_path / "o.csv", labels)
    with pytest.raises(InputError, match="a long table has them in rows") as in_rows:
        apply(long, tmp_path / "o.csv", labels, head=None)

    assert "one wide table" in (lacking.value.hint or "")
    assert "Write a wide table" in (in_rows.value.hint or "")
    assert str(in_rows.value).startswith("posts/filter, label 'a'")
    assert not (tmp_path / "o.csv").exists()


def test_long_rows_get_what_their_label_needs(tmp_path: Path) -> None:
    """Labels of several methods share the columns; what a method does not say is null."""
    labels = {
        "range": minmax(SCORES),
        "cut": label_of("threshold", decides=decision(0.5)),
        "odds": label_of("platt", {"slope": 2.0, "intercept": -1.0}, decides=decision(0.5)),
        "odds-only": label_of("platt", {"slope": 2.0, "intercept": -1.0}),
    }
    more = {OTHER: Calibration(OTHER, 1, {"cut": label_of("threshold", decides=decision(0.75))})}
    rows = [
        ("filter", "range", 0.5),
        ("filter", "cut", 0.5),
        ("filter", "odds", 0.5),
        ("filter", "odds-only", 0.5),
        ("other", "cut", 0.5),
        ("other", "cut", 0.75),
        ("filter", "odds", "x"),
        ("filter", "", 0.5),
    ]

    counts = apply(
        write_long(tmp_path / "s.csv", rows), tmp_path / "o.parquet", labels, head=None, more=more
    )

    found = columns_of(tmp_path / "o.parquet")
    assert list(found) == ["model", "head", "label", "score", "calibrated", "p", "fires"]
    assert found["calibrated"] == [pytest.approx(0.5, abs=1e-15), *[None] * 7]
    assert found["p"] == [None, None, 0.5, 0.5, None, None, None, None]
    assert found["fires"] == [None, True, True, None, False, True, None, None]
    assert counts.fired == {
        "posts/filter:cut": 1,
        "posts/filter:odds": 1,
        "posts/other:cut": 1,
    }
    assert (counts.calibrated, counts.unreadable) == (6, 2)


def test_many_heads_name_their_new_columns(tmp_path: Path) -> None:
    """Columns that name heads get p:<column> and fires:<column> beside them."""
    path = tmp_path / "s.csv"
    path.write_text("posts/filter:a,posts/other:a\n0.5,0.5\n")
    labels = {"a": label_of("platt", {"slope": 2.0, "intercept": -1.0}, decides=decision(0.75))}
    more = {OTHER: Calibration(OTHER, 1, {"a": minmax(SCORES)})}

    counts = apply(path, tmp_path / "o.parquet", labels, head=None, more=more)

    found = columns_of(tmp_path / "o.parquet")
    assert list(found)[2:] == [
        "p:posts/filter:a",
        "fires:posts/filter:a",
        "calibrated:posts/other:a",
    ]
    assert (found["p:posts/filter:a"], found["fires:posts/filter:a"]) == ([0.5], [False])
    assert counts.fired == {"posts/filter:a": 0}


@pytest.mark.parametrize("form", ["wide", "long"])
def test_raw_scores_pass_beside_decisions(tmp_path: Path, form: str) -> None:
    """With missing='raw' a label without a calibration gets its raw score as calibrated."""
    labels = {"a": label_of("threshold", decides=decision(0.5))}
    if form == "wide":
        path = write_wide(tmp_path / "s.csv", score_a=[0.5], score_b=[7.5])
    else:
        path = write_long(tmp_path / "s.csv", [("filter", "a", 0.5), ("filter", "b", 7.5)])

    counts = apply(
        path,
        tmp_path / "o.parquet",
        labels,
        head=HEAD if form == "wide" else None,
        missing="raw",
    )

    found = columns_of(tmp_path / "o.parquet")
    if form == "wide":
        assert (found["fires_a"], found["calibrated_b"]) == ([True], [7.5])
        assert list(found) == ["score_a", "score_b", "fires_a", "calibrated_b"]
    else:
        assert found["calibrated"] == [None, 7.5]
        assert found["fires"] == [True, None]
    assert (counts.calibrated, counts.raw) == (1, 1)


@pytest.mark.parametrize("taken", ["p_a", "Fires_A"])
def test_new_columns_never_replace_old_ones(tmp_path: Path, taken: str) -> None:
    """A table that has a column of a new name is refused, whatever its case."""
    labels = {"a": label_of("platt", {"slope": 2.0, "intercept": 0.0}, decides=decision(0.5))}
    path = write_wide(tmp_path / "s.csv", **{"score_a": [0.5], taken: [1]})

    with pytest.raises(InputError, match=r"has a column '(p|fires)_a' already"):
        apply(path, tmp_path / "o.csv", labels)


def test_files_of_several_forms_of_columns_become_one(tmp_path: Path) -> None:
    """A file that lacks a label's column has null in what is made of it."""
    write_wide(tmp_path / "a.csv", score_a=[0.5], score_b=[0.5])
    write_wide(tmp_path / "b.csv", score_a=[0.25])
    labels = {name: label_of("threshold", decides=decision(0.5)) for name in "ab"}

    counts = apply(tmp_path / "[ab].csv", tmp_path / "o.parquet", labels)

    found = columns_of(tmp_path / "o.parquet")
    assert (found["fires_a"], found["fires_b"]) == ([True, False], [True, None])
    assert counts.fired == {"posts/filter:a": 1, "posts/filter:b": 1}


def test_a_method_that_is_unknown_is_refused_by_label(tmp_path: Path) -> None:
    """A calibration of a later program is not guessed at."""
    path = write_wide(tmp_path / "s.csv", score_a=[0.5])

    with pytest.raises(InputError, match=r"posts/filter, label 'a': cannot apply method 'spline'"):
        apply(path, tmp_path / "o.csv", {"a": label_of("spline")})


_MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from calreg.calibrate import describe
from calreg.documents.calibration import Calibration, LabelCalibration
from calreg.documents.decision import Decision
from calreg.names import HeadName
from calreg.scores import ScoreTable, apply_scores
name = HeadName("m", "h")
shape = describe(np.linspace(0.0, 1.0, 200))
decides = Decision(0.5, ">=", "max-f1", "ok")
curve = {"x": tuple(np.linspace(0, 1, 500).tolist()), "y": tuple(np.linspace(0, 1, 500).tolist())}
labels = {"a": LabelCalibration("isotonic", curve, shape, "higher", decides)}
def peak(path):
    apply_scores(ScoreTable((path,), head=name), Path(sys.argv[3]), calibrations={
        name: Calibration(name, 1, labels)})
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(peak(sys.argv[1]), peak(sys.argv[2]))
"""


def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    """Twenty times the rows take hardly more memory than 100,000 do."""
    for name, rows in (("small", 100_000), ("large", 2_000_000)):
        query = f"SELECT 'item-' || i AS id, random() AS score_a FROM range({rows}) t(i)"
        duckdb.connect().execute(f"COPY ({query}) TO '{tmp_path}/{name}.parquet'")
    files = [f"{tmp_path}/{name}.parquet" for name in ("small", "large", "out")]

    done = subprocess.run(
        [sys.executable, "-c", _MEMORY, *files], capture_output=True, text=True, check=True
    )

    small, large = map(float, done.stdout.split())
    assert large - small < 150
