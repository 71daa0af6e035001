"""Factors as a head of a registry: a version like any other, under the registry's own rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from calreg.cli.feedback_factors import factors_of, recordable
from calreg.cli.opening import config_of, open_registry
from calreg.computing import Mode, publish_run
from calreg.config import require_development
from calreg.documents import (
    Distribution,
    LabelCalibration,
    Run,
    RunInputs,
    Suggestions,
)
from calreg.errors import RegistryError
from calreg.feedback.bounds import (
    Bounds,
    FactorDecision,
    Suggested,
    bounded_factors,
    factors_after,
)
from calreg.names import HeadName
from calreg.plan import Computed

if TYPE_CHECKING:
    from calreg.cli.group import Session
    from calreg.computing import Outcome
    from calreg.plan import RegistryState
    from calreg.registry import Registry

__all__ = ["Publication", "Standing"]

_METHOD = "factor"


@dataclass(frozen=True, slots=True)
class Standing:
    """What factors are computed from: those in force, the evidence, how far they may go."""

    start: Mapping[str, float]
    wanted: Mapping[str, Suggested]
    bounds: Bounds
    allow_unknown: bool
    evidence: Suggestions

    def decisions(self) -> tuple[FactorDecision, ...]:
        """What becomes of every group."""
        return bounded_factors(
            self.start, self.wanted, self.bounds, allow_unknown=self.allow_unknown
        )


@dataclass(slots=True)
class Publication:
    """A head of factors in a registry, before and after it gets a version.

    `made` are the decisions of the last plan: a plan is made anew after a lost race.
    """

    registry: Registry
    head: HeadName
    moment: datetime
    mode: Mode
    made: tuple[FactorDecision, ...] = field(default=())

    @classmethod
    def open(
        cls, session: Session, head: HeadName, *, push: bool, moment: datetime, dry_run: bool
    ) -> Publication:
        """The head in the session's registry, if this is a place that may write to it.

        Raises:
            InputError: There is no registry, or it cannot be written to now.
            RegistryError: Production mode.
        """
        config = config_of(session)
        registry = open_registry(session, config)
        if not dry_run:
            require_development(config, command="feedback apply --commit")
            registry.check_ready(push=push)
        return cls(registry, head, moment, Mode(push=push, dry_run=dry_run))

    def who(self) -> str:
        """Who decides here, as git names them."""
        return recordable(self.registry.who())

    def factors(self) -> dict[str, float] | None:
        """What the head's reference holds; None if there is no such head yet."""
        return self._factors(self.registry.state())

    def refuse_applied(self, digest: str) -> None:
        """Refuse evidence that an earlier run of the head was made of.

        Raises:
            RegistryError: There is one; named by its number.
        """
        run = self.run_of(digest)
        if run is not None:
            raise self._applied_by(run)

    def run_of(self, digest: str) -> Run | None:
        """The run of the head that was made of some evidence; None if there is none here."""
        for run in self.registry.runs():
            if run.inputs.digest == digest and self.head.full in run.options.get("tune", {}):
                return run
        return None

    def _applied_by(self, run: Run) -> RegistryError:
        return RegistryError(
            f"the same data was applied already, by run {run.version} of {run.timestamp[:10]}",
            where=self.head.full,
            hint="Join newer outcomes (calreg feedback run), then apply those.",
            code="already-applied",
        )

    def publish(self, standing: Standing) -> Outcome:
        """What became of the factors in the registry, as far as the mode says.

        Raises:
            RegistryError: The registry refuses, or somebody applied the same data meanwhile.
        """
        outcome = publish_run(
            self.registry,
            lambda state: self._computed(standing, state),
            moment=self.moment,
            mode=self.mode,
        )
        if outcome.status == "already-done":  # by somebody who was faster
            raise self._applied_by(outcome.run)
        return outcome

    def in_force(self, outcome: Outcome) -> tuple[tuple[FactorDecision, ...], tuple[str, ...]]:
        """The decisions that came into force, and what to know about those that did not."""
        row = outcome.models[self.head.model].heads[self.head.head]
        if row.reference_update == "updated":
            return self.made, tuple(outcome.warnings)
        why = row.reason or "no factor changes by as much as the registry calls drift"
        text = f"the reference of {self.head} stays at v{row.reference_after}: {why}"
        held = tuple(_held(one, why) for one in self.made)
        return held, (*outcome.warnings, text)

    def _computed(self, standing: Standing, state: RegistryState) -> Computed:
        in_force = self._factors(state)
        if in_force is not None and in_force != standing.start:
            raise RegistryError(
                "somebody else changed the factors in force meanwhile",
                where=self.head.full,
                hint="git pull and run this again, or join again (calreg feedback run) first.",
                code="stale-factors",
            )
        self.made = standing.decisions()
        evidence = standing.evidence
        counts = {group: one.n for group, one in standing.wanted.items()}
        return Computed(
            heads={self.head: _labels(factors_after(self.made), counts)},
            display_names={},
            excluded={},
            inputs=_inputs(evidence),
            options={self.head.full: {"method": _METHOD, "bounds": standing.bounds.to_json()}},
        )

    def _factors(self, state: RegistryState) -> dict[str, float] | None:
        reference = state.references.get(self.head)
        return None if reference is None else factors_of(reference.calibration)


def _labels(factors: Mapping[str, float], counts: Mapping[str, int]) -> dict[str, LabelCalibration]:
    return {
        group: LabelCalibration(
            method=_METHOD,
            parameters={_METHOD: factor},
            distribution=Distribution(samples=counts.get(group) or None),  # None: nothing to say
        )
        for group, factor in factors.items()
    }


def _inputs(evidence: Suggestions) -> RunInputs:
    data = evidence.data
    return RunInputs(
        digest=evidence.data_digest,
        kind="feedback",
        rows=sum(data.get("rows") or (evidence.joined or 0,)),
        accepted=data["keys"]["matched"],
        rejected=data["rejects"],
        files=tuple(sorted(set(data["files"]))),
    )


def _held(one: FactorDecision, why: str) -> FactorDecision:
    return FactorDecision(
        one.group, one.before, one.suggested, one.before, "held", f"{one.reason}; held: {why}"
    )
