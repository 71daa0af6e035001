"""What to compare, from the bytes of a comparison's YAML file: which files, which options.

As strict as every reader here: an unknown key is refused with the nearest there is, and an
error says where, as a JSON pointer. Files are named, not read; their paths are relative to
the file that names them. A new setting of an option is a key in `_REQUEST` and a line in
`_request`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from calreg.calibrate.objectives import Objective, parse_objective
from calreg.documents import AVERAGES, Json, load_yaml
from calreg.errors import InputError, UsageError
from calreg.names import HeadName, nearest
from calreg.tuning.rebalance import NegativesWanted
from calreg.tuning.request import METHODS, Request
from calreg.tuning.rule import Rule, stated_rule
from calreg.tuning.yaml_place import Place

__all__ = ["Files", "OptionSpec", "Pool", "Spec", "load_spec"]

_TOP = (
    "head",
    "holdout",
    "train",
    "columns",
    "keys",
    "group",
    "labels",
    "max_reject_rate",
    "seed",
    "defaults",
    "recommend",
    "options",
)
_REQUEST = (
    "method",
    "objective",
    "objectives",
    "average",
    "link",
    "direction",
    "directions",
    "guarantee",
    "min_positives",
    "min_negatives",
    "bins",
    "seed",
)
_DEFAULTS = ("calibration", *_REQUEST)
_OPTION = ("name", *_DEFAULTS, "mine", "add_negatives")
_POOL = ("from", "where", "max", "min", "seed", "labels", "exclude_train")
_MINE = ("from", "where", "label", "top", "min", "exclude_train")
_DIRECTIONS = ("auto", "higher", "lower")


@dataclass(frozen=True, slots=True)
class Files:
    """Files or globs that are one set, and which of their rows are."""

    paths: tuple[str, ...]
    where: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Pool:
    """Where to add rows from, and which; `labels` as the kind of addition wants them."""

    files: Files
    wanted: NegativesWanted
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """One way of calibrating; `pointer` is where it stands in the file."""

    name: str
    calibration: Files
    request: Request
    mining: Pool | None
    addition: Pool | None
    pointer: str


@dataclass(frozen=True, slots=True)
class Spec:
    """A comparison's file, understood; `raw` is what it says."""

    head: HeadName
    holdout: Files
    options: tuple[OptionSpec, ...]
    raw: Json
    train: Files | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    group: str | None = None
    labels: tuple[str, ...] = ()
    max_reject_rate: float = 0.01
    seed: int = 0
    rule: Rule | None = None

    def check_labels(self, known: Sequence[str], *, where: str) -> None:
        """Refuse names of labels that the holdout does not have.

        Raises:
            InputError: With the pointer of the first of them.
        """
        for pointer, label in self._named_labels():
            if label not in known:
                raise InputError(
                    f"at {pointer}: no label {label!r}",
                    where=where,
                    hint=nearest(label, known),
                    code="unknown-label",
                )

    def _named_labels(self) -> list[tuple[str, str]]:
        found = []
        for name, limit in (self.raw.get("recommend") or {}).get("limits", {}).items():
            if isinstance(limit, dict):
                found += [(f"/recommend/limits/{name}", label) for label in limit]
        for option in self.options:
            request, at = option.request, option.pointer
            found += [(f"{at}/objectives", label) for label in request.objectives]
            found += [(f"{at}/directions", label) for label in request.directions]
            for name, pool in (("mine", option.mining), ("add_negatives", option.addition)):
                found += [(f"{at}/{name}", label) for label in (pool.labels if pool else ())]
        return found


def load_spec(raw: bytes, *, where: str) -> Spec:
    """The comparison that the bytes of a YAML file describe.

    Args:
        raw: The file's bytes.
        where: Its path, to name in an error.

    Raises:
        InputError: The first thing wrong: path, JSON pointer, problem.
    """
    data = load_yaml(raw, where=where)
    top = Place(data, "", where)
    top.only(_TOP)
    defaults = top.block("defaults")
    defaults.only(_DEFAULTS)
    options = [_option(place, defaults) for place in top.blocks("options")]
    _refuse_twice(options, where)
    train = _files(top, "train") if top.has("train") else None
    for option in options:
        _refuse_without_train(option, train, where)
    return Spec(
        head=_head(top),
        holdout=_files(top, "holdout"),
        options=tuple(options),
        raw=data,
        train=train,
        columns=top.texts_by_name("columns"),
        keys=top.texts("keys"),
        group=top.text("group"),
        labels=top.texts("labels"),
        max_reject_rate=top.number("max_reject_rate", least=0.0, most=1.0, default=0.01),
        seed=top.whole("seed", least=0, default=0),
        rule=_rule(top.block("recommend")) if top.has("recommend") else None,
    )


def _head(top: Place) -> HeadName:
    text = top.needed_text("head")
    try:
        return HeadName.parse(text)
    except InputError as error:
        raise top.refused("head", error.message, hint=error.hint) from error


def _refuse_twice(options: Sequence[OptionSpec], where: str) -> None:
    names: set[str] = set()
    for option in options:
        if option.name in names:
            raise InputError(
                f"at {option.pointer}/name: a second option {option.name!r}",
                where=where,
                hint="Names tell options apart in the table and in the document.",
                code="spec",
            )
        names.add(option.name)


def _refuse_without_train(option: OptionSpec, train: Files | None, where: str) -> None:
    for name, pool in (("mine", option.mining), ("add_negatives", option.addition)):
        if train is None and pool is not None and pool.wanted.exclude_train:
            raise InputError(
                f"at {option.pointer}/{name}/exclude_train: nothing says what the model was "
                "trained on",
                where=where,
                hint="train: FILE, at the top of this file.",
                code="spec",
            )


def _files(place: Place, key: str) -> Files:
    """A set: a path, a list of paths, or `from` and `where`."""
    if not place.has(key):
        raise place.lacks(key)
    if not isinstance(place.data[key], dict):
        return Files(place.texts(key, needed=True))
    inner = place.block(key)
    inner.only(("from", "where"))
    return _rows_of(inner)


def _rows_of(place: Place) -> Files:
    paths = place.texts("from", needed=True)
    return Files(paths, tuple(sorted(place.texts_by_name("where").items())))


def _rule(place: Place) -> Rule:
    place.only(("maximize", "minimize", "limits"))
    limits: dict[str, float | Mapping[str, float]] = {}
    bounds = place.block("limits")
    for name, value in bounds.data.items():
        if isinstance(value, dict):
            inner = bounds.block(name)
            limits[name] = {label: inner.number(label) for label in inner.data}
        else:
            limits[name] = bounds.number(name)
    try:
        return stated_rule(place.text("maximize"), place.text("minimize"), limits)
    except InputError as error:
        raise place.refused(None, error.message, hint=error.hint) from error


# --- options --------------------------------------------------------------------------------


def _option(place: Place, defaults: Place) -> OptionSpec:
    place.only(_OPTION)
    name = place.needed_text("name")
    merged = place.over(defaults)
    return OptionSpec(
        name=name,
        calibration=_files(merged, "calibration"),
        request=_request(merged),
        mining=_mining(merged.block("mine")) if merged.has("mine") else None,
        addition=_addition(merged.block("add_negatives")) if merged.has("add_negatives") else None,
        pointer=place.pointer,
    )


def _addition(place: Place) -> Pool:
    place.only(_POOL)
    wanted = NegativesWanted(
        maximum=place.needed_whole("max", least=1),
        minimum=_minimum(place, "max"),
        exclude_train=place.flag("exclude_train"),
        seed=place.whole("seed", least=0, default=0),
    )
    return Pool(_rows_of(place), wanted, place.texts("labels"))


def _mining(place: Place) -> Pool:
    place.only(_MINE)
    wanted = NegativesWanted(
        maximum=place.needed_whole("top", least=1),
        minimum=_minimum(place, "top"),
        exclude_train=place.flag("exclude_train"),
    )
    return Pool(_rows_of(place), wanted, (place.needed_text("label"),))


def _minimum(place: Place, most: str) -> int:
    return place.whole("min", least=0, most=place.needed_whole(most, least=1), default=1)


def _request(place: Place) -> Request:
    methods = place.texts("method", among=METHODS)
    maps = [method for method in methods if method != "threshold"]
    if len(maps) > 1:
        raise place.refused("method", f"{' and '.join(maps)} cannot both come first; choose one")
    objective = _objective(place, "objective")
    named = place.block("objectives")
    objectives = {label: _objective(named, label) for label in named.data}
    by_label = {label: found for label, found in objectives.items() if found is not None}
    if objective is None and (not maps or "threshold" in methods or by_label):
        objective = parse_objective("max-f1")
    try:
        return Request(
            map_method=maps[0] if maps else None,
            objective=objective,
            objectives=by_label,
            average=_average(place),
            link="softmax"
            if place.choice("link", ("sigmoid", "softmax")) == "softmax"
            else "sigmoid",
            direction=_direction(place, "direction"),
            directions=_directions(place.block("directions")),
            guarantee=place.number("guarantee") if place.has("guarantee") else None,
            min_positives=place.whole("min_positives", least=1, default=1),
            min_negatives=place.whole("min_negatives", least=1, default=1),
            bins=place.whole("bins", least=2, most=1000, default=15),
            seed=place.whole("seed", least=0, default=0),
        )
    except UsageError as error:
        # The words of the command line's options are those of this file, without dashes.
        plain = re.sub(r"--(?=[a-z])", "", error.message)
        raise place.refused(None, plain) from error


def _objective(place: Place, key: str) -> Objective | None:
    text = place.text(key)
    if text is None:
        return None
    try:
        return parse_objective(text)
    except UsageError as error:
        raise place.refused(key, error.message, hint=error.hint) from error


def _average(place: Place) -> Literal["per-label", "micro", "macro"]:
    found = place.choice("average", AVERAGES)
    return next((average for average in AVERAGES if average == found), "per-label")


def _direction(place: Place, key: str) -> Literal["auto", "higher", "lower"]:
    match place.choice(key, _DIRECTIONS):
        case "higher":
            return "higher"
        case "lower":
            return "lower"
    return "auto"


def _directions(place: Place) -> dict[str, Literal["auto", "higher", "lower"]]:
    return {label: _direction(place, label) for label in place.data}
