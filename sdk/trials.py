"""Tests of policies: a file of prompts, or scores, and what should be decided.

    [[cases]]
    name = "an everyday prompt"
    prompt = "a red apple"
    expect = "allow"

    [[cases]]
    name = "nudity in the picture"
    stage = "image"
    scores = { sexual = 0.9 }
    expect = ["review", "block"]

Prompts are asked of the policy's own filters; scores are put before its rules alone.  What the
cases never reached is listed, because a bound that nobody tested is a guess.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from sdk.canonical import canonical
from sdk.decide import decide, strictest
from sdk.errors import PolicyError
from sdk.packs import problems
from sdk.policy import Policy
from sdk.registry import Registry
from sdk.screen import Screen
from sdk.tables import LEVELS, Score, Stage, Strict
from sdk.types import JSON, Decision, Finding, Verdict

Wanted = Annotated[str, Field(pattern=f"^({'|'.join(Decision)})$")]


class Case(Strict):
    """One thing that a policy should decide in one way."""

    name: str = ""
    prompt: str = ""
    negative_prompt: str = ""
    stage: Stage = "prompt"
    scores: dict[str, Score] = Field(default_factory=dict)
    """Category → score, instead of a prompt."""
    expect: Wanted | tuple[Wanted, ...]
    rule: str = ""
    """The rule that should have decided."""

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Case:
        if bool(self.prompt) == bool(self.scores):
            raise ValueError("give either a prompt or scores")
        if self.prompt and self.stage != "prompt":
            raise ValueError("a prompt is decided at the stage prompt; give scores for others")
        return self

    @property
    def expected(self) -> tuple[str, ...]:
        """What may be decided."""
        return (self.expect,) if isinstance(self.expect, str) else self.expect


class _Cases(Strict):
    cases: Annotated[tuple[Case, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Tried:
    """What a policy decided about one case."""

    number: int
    case: Case
    decision: Decision
    rules: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether it was decided as expected, by the rule that was named."""
        named = not self.case.rule or self.case.rule in self.rules
        return self.decision in self.case.expected and named

    def as_json(self) -> dict[str, JSON]:
        """Return it for programs; never the prompt."""
        return {
            "case": self.number,
            "name": self.case.name,
            "passed": self.passed,
            "decision": str(self.decision),
            "expected": list(self.case.expected),
            "rules": list(self.rules),
        }


def read_cases(path: Path) -> tuple[Case, ...]:
    """Read a file of cases.

    Raises:
        PolicyError: it cannot be read, or a case is wrong; the message names the key.
    """
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except OSError as exc:
        raise PolicyError(
            f"asked to read cases from {path}, found: {exc.strerror}; check the file"
        ) from exc
    except UnicodeDecodeError as exc:
        raise PolicyError(
            f"asked to read cases from {path}, found no UTF-8 text; save it as UTF-8"
        ) from exc
    except tomllib.TOMLDecodeError as exc:
        raise PolicyError(f"asked to read cases from {path}, found {exc}; mend the line") from exc
    try:
        body = canonical(raw, asked=f"read cases from {path}", error=PolicyError)
        return _Cases.model_validate_json(body).cases
    except ValidationError as exc:
        raise PolicyError(f"asked to read cases from {path}, found {problems(exc)}") from exc


def try_cases(
    policy: Policy, cases: Sequence[Case], registry: Registry | None = None
) -> tuple[list[Tried], list[str]]:
    """Decide every case; return them with the bounds that none of them reached.

    Raises:
        PolicyError: there are prompts, and a filter of the policy is not installed.
    """
    screen = Screen(policy, registry) if any(case.prompt for case in cases) else None
    tried: list[Tried] = []
    reached: set[tuple[str, str]] = set()
    for number, case in enumerate(cases, 1):
        verdicts: Sequence[Verdict] = ()
        if case.prompt and screen is not None:
            asked = screen.judge(case.prompt, case.negative_prompt)
            verdicts = asked.first.verdicts if asked.first else ()  # what the rules say of it
        else:
            found = [Finding(category=c, score=s) for c, s in case.scores.items()]
            verdicts = decide(policy, case.stage, found)
        decision = strictest(verdicts)
        rules = {v.rule for v in verdicts if v.rule and v.decision is decision}
        reached |= {(v.rule, str(v.decision)) for v in verdicts if v.rule}
        tried.append(Tried(number, case, decision, tuple(sorted(rules))))
    bounds = [
        (rule.id, level)
        for rule in policy.rules
        for level in LEVELS
        if getattr(rule, level) is not None
    ]
    return tried, [f"{rule}: {level}" for rule, level in bounds if (rule, level) not in reached]
