"""Registries as dicts of bytes, changes between two of them, and real plans that make them.

`side` and `change` make what a gate is asked, as whoever has git would; `Registry` goes on by
the same plans as the command line; what is forged afterwards is said by `but` and `edited`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from calreg.calibrate import describe, minmax
from calreg.documents import (
    Confusion,
    Decision,
    Distribution,
    LabelCalibration,
    Pins,
    RegistrySettings,
    Retention,
    RunInputs,
    Trial,
    Withdrawn,
    canonical_bytes,
    digest_of,
    load_calibration,
    load_json,
    load_pins,
    load_retention,
    load_run,
    load_settings,
    load_withdrawn,
)
from calreg.gate import Change, FileAt, Judged, Side, Touch, judge
from calreg.gate.files import version_folder
from calreg.names import HeadName, classify
from calreg.plan import (
    Computed,
    Plan,
    Reference,
    RegistryState,
    plan_pin,
    plan_promote,
    plan_rollback,
    plan_run,
    plan_unpin,
    plan_withdraw,
    removed_by,
)

HAPPY = HeadName("essentia/effnet", "mood_happy")
DANCE = HeadName("musicnn", "danceability")
RULES_TEXT = b"schema: calreg/registry/1.0\nname: music\n"

Tree = Mapping[str, bytes]
Modes = Mapping[str, str]


# --- sides and changes --------------------------------------------------------------------


def oid(raw: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()


def entries(tree: Tree, modes: Modes | None = None) -> dict[str, FileAt]:
    given = modes or {}
    return {
        path: FileAt(given.get(path, "100644"), oid(raw), len(raw)) for path, raw in tree.items()
    }


def side(tree: Tree, modes: Modes | None = None) -> Side:
    """A side that lists folders of versions by name alone, and reads what is there."""
    listing = {}
    for path, entry in entries(tree, modes).items():
        folder = version_folder(path)
        if folder is None or folder == path:
            listing[path] = entry
        else:
            listing[folder] = FileAt("040000", oid(folder.encode()))

    def read(paths: Collection[str]) -> dict[str, bytes]:
        return {path: tree[path] for path in paths if path in tree}

    return Side(listing, read)


def change(
    base: Tree | None,
    head: Tree,
    *,
    modes: Modes | None = None,
    outside: Collection[str] = (),
    folder: str = "",
) -> Change:
    old, new = entries(base or {}), entries(head, modes)
    touches = tuple(
        Touch(path, old.get(path), new.get(path))
        for path in sorted({*old, *new})
        if old.get(path) != new.get(path)
    )
    beyond = tuple(Touch(path, None, FileAt("100644", oid(b""), 0)) for path in outside)
    old_side = None if base is None else side(base)
    return Change(old_side, side(head, modes), touches, beyond, folder)


def gated(base: Tree | None, head: Tree, **options: Any) -> Judged:
    """What the gate says to going from one tree to the other."""
    asked = {key: options.pop(key) for key in ("holdout", "now") if key in options}
    return judge(change(base, head, **options), **asked)


def rules_of(judged: Judged, severity: str = "error") -> set[str]:
    return {found.rule for found in judged.findings if found.severity == severity}


# --- calibrations -------------------------------------------------------------------------


def scored(centre: float = 0.5, *, items: int = 3_000, seed: int = 1) -> LabelCalibration:
    """A label of scores around a centre."""
    scores = np.clip(np.random.default_rng(seed).normal(centre, 0.1, items), 0.0, 1.0)
    return minmax(describe(scores, grid=(0.0, 1.0)))


def deciding(
    at: float | None = 0.5,
    *,
    tp: int = 40,
    fp: int = 5,
    fn: int = 10,
    tn: int = 145,
    centre: float = 0.5,
    digest: str = "d" * 64,
    has_holdout: bool = True,
) -> LabelCalibration:
    """A label that fires at a threshold, with the counts of its holdout."""
    seen = scored(centre).distribution
    trial = Trial(digest, tp + fn, fp + tn, Confusion(tp=tp, fp=fp, fn=fn, tn=tn), {})
    status = "ok" if at is not None else "infeasible"
    return LabelCalibration(
        method="threshold",
        parameters={},
        distribution=seen,
        direction="higher",
        decision=Decision(at, ">=", "max-f1", status),  # type: ignore[arg-type]
        calibration=replace(trial, digest="c" * 64),
        holdout=trial if has_holdout else None,
    )


def factor(value: float, pairs: int | None = 40) -> LabelCalibration:
    return LabelCalibration("factor", {"factor": value}, Distribution(pairs))


# --- registries ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Registry:
    """A registry that goes on by plans; every step gives another one."""

    tree: Tree

    @classmethod
    def new(cls, rules: bytes = b"") -> Registry:
        """A registry without runs."""
        return cls({"registry.yaml": RULES_TEXT + rules})

    @property
    def state(self) -> RegistryState:
        """As a reader of the commit finds it."""
        places = {path: place for path in self.tree if (place := classify(path)) is not None}
        references = {}
        for path, place in places.items():
            if place.kind == "reference" and place.head is not None:
                references[place.head] = self.reference(path)

        def highest(kind: str) -> int:
            return max((p.number or 0 for p in places.values() if p.kind == kind), default=0)

        withdrawn = self._loaded("withdrawn.json", load_withdrawn, Withdrawn({}))
        return RegistryState(
            settings=load_settings(self.tree["registry.yaml"], where="registry.yaml"),
            highest_run=highest("run"),
            highest_move=highest("move"),
            references=references,
            pins=self._loaded("pins.json", load_pins, Pins({})),
            withdrawn=withdrawn,
            withdrawn_inputs=self._inputs(withdrawn),
            retention=self._loaded("retention.json", load_retention, Retention()),
            highest_keys=highest("keys"),
        )

    def _loaded(self, path: str, load: Callable[..., Any], otherwise: Any) -> Any:
        return load(self.tree[path], where=path) if path in self.tree else otherwise

    def _inputs(self, withdrawn: Withdrawn) -> dict[str, dict[str, int]]:
        def digest(version: int) -> str:
            return load_run(self.tree[f"runs/{version}.json"], where="run").inputs.digest

        return {
            head: {digest(version): version for version in sorted(versions)}
            for head, versions in withdrawn.heads.items()
        }

    @property
    def settings(self) -> RegistrySettings:
        """Its rules."""
        return self.state.settings

    def reference(self, path: str) -> Reference:
        """The calibration in a file."""
        raw = self.tree[path]
        return Reference(load_calibration(raw, where=path), digest_of(raw), raw)

    def version(self, number: int, name: HeadName = HAPPY) -> Reference:
        """One version of a head."""
        return self.reference(name.version_path(number))

    def after(self, plan: Plan) -> Registry:
        """What a plan leaves."""
        kept = {path: raw for path, raw in self.tree.items() if path not in removed_by(plan)}
        return Registry({**kept, **plan.files})

    def run(
        self,
        heads: Mapping[HeadName, Mapping[str, LabelCalibration] | float],
        *,
        day: int = 1,
        digest: str | None = None,
        rules: RegistrySettings | None = None,
        **changes: Any,
    ) -> Registry:
        """The registry after a run; a number stands for a label of scores around it."""
        state = self.state if rules is None else replace(self.state, settings=rules)
        made = {
            name: {"yes": scored(found)} if isinstance(found, float) else found
            for name, found in heads.items()
        }
        named = digest or hashlib.sha256(repr((day, made)).encode()).hexdigest()
        inputs = RunInputs(named, "long", 20_000, 20_000, {}, ("scores.csv",))
        computed = replace(Computed(made, {}, {}, inputs), **changes)
        return self.after(plan_run(state, computed, timestamp=at(day), tool="calreg 0"))

    def _decided(self, plan: Callable[..., Plan], *what: Any, day: int, **how: Any) -> Registry:
        said = {"by": "Ada", "reason": "as agreed", "timestamp": at(day), **how}
        return self.after(plan(self.state, *what, **said))

    def promote(self, number: int, name: HeadName = HAPPY, *, day: int = 5) -> Registry:
        """A version made the reference."""
        return self._decided(plan_promote, self.version(number, name), day=day)

    def rollback(self, number: int, name: HeadName = HAPPY, *, day: int = 5) -> Registry:
        """The reference moved back, and pinned."""
        return self._decided(plan_rollback, self.version(number, name), day=day)

    def pin(
        self, number: int, name: HeadName = HAPPY, *, day: int = 5, until: str | None = None
    ) -> Registry:
        """The reference held."""
        return self._decided(plan_pin, self.version(number, name), day=day, until=until)

    def unpin(self, name: HeadName = HAPPY, *, day: int = 6) -> Registry:
        """A pin lifted."""
        return self._decided(plan_unpin, name, day=day)

    def withdraw(
        self, number: int, name: HeadName = HAPPY, *, to: int | None = None, day: int = 5
    ) -> Registry:
        """A version taken out of use."""
        fallback = None if to is None else self.version(to, name)
        return self._decided(plan_withdraw, name, number, fallback=fallback, day=day)

    def collect(self, *folders: str, keep_runs: int = 1) -> Registry:
        """What taking folders of old versions off the tip leaves."""
        gone: dict[str, set[int]] = {}
        for folder in folders:
            model, _, number = folder.rpartition("/v")
            gone.setdefault(model, set()).add(int(number))
        kept = {path: raw for path, raw in self.tree.items() if version_folder(path) not in folders}
        record = self.state.retention.after(gone, keep_runs=keep_runs)
        return Registry({**kept, "retention.json": record.to_bytes()})

    def but(self, changes: Mapping[str, bytes | None]) -> Registry:
        """The same with other files; None takes one away."""
        kept = {path: raw for path, raw in self.tree.items() if path not in changes}
        return Registry({**kept, **{p: raw for p, raw in changes.items() if raw is not None}})

    def edited(self, path: str, *steps: Any) -> Registry:
        """The same with one value of a document another: keys that lead there, then the value."""
        data = load_json(self.tree[path], where=path)
        *keys, last, value = steps
        inner = data
        for key in keys:
            inner = inner[key]
        inner[last] = value
        return self.but({path: canonical_bytes(data)})

    def honest_digests(self, number: int) -> Registry:
        """The same with the digests of a run's record as its parts are now."""
        path = f"runs/{number}.json"
        data = load_json(self.tree[path], where=path)
        for model in data["models"]:
            data["models"][model] = digest_of(self.tree[f"{model}/v{number}/run.json"])
        return self.but({path: canonical_bytes(data)})


def at(day: int) -> str:
    return f"2026-10-{day:02}T12:00:00.000Z"
