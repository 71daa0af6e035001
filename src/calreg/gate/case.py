"""All that rules look at: the change, what the base is known to hold, and the story retold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from calreg.documents import Calibration, GateSettings, HeadSettings, Move, RegistrySettings
from calreg.gate.files import Files
from calreg.gate.known import Known
from calreg.gate.reading import Documents, own_bytes
from calreg.gate.story import Step, Story
from calreg.gate.values import Change, Holdout
from calreg.names import REGISTRY_FILE, HeadName
from calreg.plan import MovePlan, Reference, RunPlan

__all__ = ["Case"]


@dataclass(frozen=True, eq=False)
class Case:
    """One change, with everything that was recomputed.

    Args:
        change: As it was handed in.
        files: The touched files.
        known: The base.
        documents: What the touched files hold.
        story: The change made anew.
        too_large: Files that were not read for their size, with it.
        holdout: Scores with truth, if the gate was given some.
        now: The time, as documents write it, if the gate was told.
        rule_names: What rules there are.
    """

    change: Change
    files: Files
    known: Known
    documents: Documents
    story: Story
    too_large: Mapping[str, int] = field(default_factory=dict)
    holdout: Holdout | None = None
    now: str | None = None
    rule_names: frozenset[str] = frozenset()
    _policies: dict[HeadName, GateSettings] = field(default_factory=dict, init=False)

    # Rules

    def policy(self, name: HeadName) -> GateSettings:
        """What the base asks of a head."""
        if name not in self._policies:
            self._policies[name] = self.known.settings.gate_for(name)
        return self._policies[name]

    def settings(self, name: HeadName) -> HeadSettings:
        """By which rules of the base a head is judged."""
        return self.known.settings.for_head(name)

    @property
    def new_settings(self) -> RegistrySettings | None:
        """The rules that the change brings; None if it brings none that can be read."""
        found = self.documents.of(REGISTRY_FILE, RegistrySettings)
        return found if isinstance(found, RegistrySettings) else None

    # Heads

    @cached_property
    def moved_heads(self) -> list[HeadName]:
        """The heads whose reference is touched, in order."""
        places = (self.files.places[path] for path in self.files.of_kind("reference"))
        return sorted(place.head for place in places if place.head is not None)

    @cached_property
    def heads(self) -> list[HeadName]:
        """All heads that the change is about, in order."""
        named = [HeadName.parse(s.said.head) for s in self.story.moves if isinstance(s.said, Move)]
        return sorted({*self.files.heads, *named})

    def before(self, name: HeadName) -> Reference | None:
        """What a head's reference holds in the base."""
        return self.story.before.get(name)

    def after(self, name: HeadName) -> Calibration | None:
        """What a head's reference really holds afterwards; None: nothing that can be read."""
        path = name.reference_path
        if path in self.files.touches:
            found = self.documents.of(path, Calibration)
            return found if isinstance(found, Calibration) else None
        before = self.before(name)
        return before.calibration if before is not None else None

    def comparisons(self) -> Iterator[tuple[HeadName, Calibration | None, Calibration]]:
        """Heads whose reference changes, with what it held before and holds afterwards."""
        for name in self.moved_heads:
            before, after = self.before(name), self.after(name)
            if after is not None:
                yield name, before.calibration if before else None, after

    @cached_property
    def last_steps(self) -> Mapping[HeadName, Step]:
        """The last step that is about each head."""
        found: dict[HeadName, Step] = {}
        for step in self.story.steps:
            if isinstance(step.said, Move):
                found[HeadName.parse(step.said.head)] = step
            else:
                found.update(dict.fromkeys(step.calibrations, step))
        return found

    @cached_property
    def _movers(self) -> Mapping[HeadName, Step]:
        """The last step that moves each head's reference; others may come after it."""
        found: dict[HeadName, Step] = {}
        for step in self.story.steps:
            if isinstance(step.plan, RunPlan):
                moved = (name for name, row in step.rows if row.reference_update == "updated")
                found.update(dict.fromkeys(moved, step))
            elif isinstance(step.plan, MovePlan):
                name = HeadName.parse(step.plan.move.head)
                if name.reference_path in {*step.plan.files, *step.plan.delete}:
                    found[name] = step
        return found

    def decided_by_hand(self, name: HeadName, *actions: str) -> bool:
        """Whether it was a person who moved a head's reference to where it is, by name."""
        step = self._movers.get(name)
        if step is None or not isinstance(step.said, Move):
            return False
        return not actions or step.said.action in actions

    def goes_back(self, name: HeadName) -> bool:
        """Whether a person's decision takes a head back to a version that the base left behind.

        To a version of this very change there is no way back: production never had it.
        """
        before, after = self.before(name), self.after(name)
        is_older = before is not None and after is not None and after.version < before.version
        return is_older and self.decided_by_hand(name, "rollback", "withdraw")

    # Bytes

    def is_as_told(self, path: str) -> bool:
        """Whether a touched file is what the story says it should be."""
        if path not in self.story.expected:
            return False
        return self.documents.raw.get(path) == self.story.expected[path]

    @cached_property
    def foreign_bytes(self) -> Mapping[str, bytes | str]:
        """Documents with other bytes than this program writes: those, or why there are none."""
        found: dict[str, bytes | str] = {}
        for path, value in self.documents.values.items():
            if path == REGISTRY_FILE or self.is_as_told(path):
                continue
            own = own_bytes(value, self.documents.raw[path], path)
            if own != self.documents.raw[path]:
                found[path] = own
        return found

    @cached_property
    def version_bytes(self) -> Mapping[str, bytes]:
        """The versions that touched references name, by path, those that are there."""
        paths = {
            name.version_path(after.version): self.documents.raw.get(
                name.version_path(after.version)
            )
            for name, _, after in self.comparisons()
        }
        others = [path for path, raw in paths.items() if raw is None]
        kept = self.known.read(path for path in others if path not in self.files.touches)
        return {**{path: raw for path, raw in paths.items() if raw is not None}, **kept}
