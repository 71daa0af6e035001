"""The gate, rule by rule: what each allows and what it blocks."""

from importlib import import_module
from pathlib import Path

import pytest
from gate_builder import change
from gate_cases import Case, Cases

from calreg.gate import RULES, Finding, judge

PAGES = Path(__file__).parents[2] / "docs" / "rules"
MODULES = sorted(Path(__file__).parent.joinpath("gate_cases").glob("[a-z]*.py"))
ALL: list[Cases] = [import_module(f"gate_cases.{path.stem}").cases for path in MODULES]


def _params(kind: str):
    return [
        pytest.param(cases.rule, case, id=f"{cases.rule}-{case.make.__name__}")
        for cases in ALL
        for case in getattr(cases, kind)
    ]


def _judged(case: Case):
    asked = case.make()
    options = {key: value for key, value in asked.options.items() if key in {"holdout", "now"}}
    others = {key: value for key, value in asked.options.items() if key not in options}
    return judge(change(asked.base, asked.head, **others), **options)


@pytest.mark.parametrize(("rule", "case"), _params("allowed_ones"))
def test_allowed(rule: str, case: Case) -> None:
    """What a rule allows passes the gate, without a word from the rule."""
    judged = _judged(case)

    assert [found for found in judged.findings if found.severity == "error"] == []
    assert [found for found in judged.findings if found.rule == rule] == []
    assert judged.ok


@pytest.mark.parametrize(("rule", "case"), _params("blocked_ones"))
def test_blocked(rule: str, case: Case) -> None:
    """What a rule is against is found by it, as severe as it should be, in its words."""
    judged = _judged(case)

    found = [one for one in judged.findings if one.rule == rule and one.severity == case.severity]
    assert any((case.says or "") in one.problem for one in found), judged.findings
    assert judged.ok == all(one.severity != "error" for one in judged.findings)
    if case.severity == "error":
        assert not judged.ok
    else:
        assert judged.ok


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_seen_both_ways(rule: str) -> None:
    """Every rule is seen to allow and to find."""
    cases = next(cases for cases in ALL if cases.rule == rule)

    assert cases.allowed_ones
    assert cases.blocked_ones
    assert all(case.make.__doc__ for case in (*cases.allowed_ones, *cases.blocked_ones))


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_explained(rule: str) -> None:
    """Every rule has a page that says what it checks, what is blocked and what to do."""
    text = (PAGES / RULES[rule].explanation).read_text()

    assert text.startswith(f"# {rule}\n")
    for part in ("Severity:", "## Checked", "## Blocked", "## What to do"):
        assert part in text
    assert f"Severity: {RULES[rule].severity}, floor {RULES[rule].floor}." in text


def test_every_page_and_every_case_is_of_a_rule() -> None:
    """There is no page and no folder of cases of a rule that is gone."""
    assert {cases.rule for cases in ALL} == set(RULES)
    assert {path.stem for path in PAGES.glob("[a-z]*.md")} == set(RULES)


def _texts(findings: tuple[Finding, ...]) -> list[str]:
    return [one.problem for one in findings] + [one.hint for one in findings if one.hint]


@pytest.mark.parametrize(("rule", "case"), _params("blocked_ones"))
def test_findings_are_one_printable_line(rule: str, case: Case) -> None:
    """What a finding says is one line that can be printed, whatever the change holds."""
    for text in _texts(_judged(case).findings):
        assert text
        assert text.isprintable()
