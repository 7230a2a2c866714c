"""Conditions of rules in CEL, type-checked when a policy is loaded.

    when = "score > 0.3 && 'minor' in scores && scores['minor'] > 0.5"

The Common Expression Language (cel.dev) cannot loop, call or fetch.  `check` refuses what does not
compile to a truth value: a variable that is not there, or a double compared with an integer.  A
condition that fails when it is asked (a missing key, a division by zero) is an error, which
refuses; it is never false.  Needs the extra `cel`; a policy without conditions does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sdk.errors import PolicyError

if TYPE_CHECKING:
    from sdk.request import Request
    from sdk.types import Finding

VARIABLES = {
    "score": "double",
    "category": "string",
    "stage": "string",
    "by": "string",
    "scores": "map(string, double)",
    "task": "string",
    "width": "int",
    "height": "int",
    "count": "int",
    "steps": "int",
    "has_input": "bool",
    "has_purpose": "bool",
    "loras": "int",
}
"""What a condition may ask, with its CEL type.  `scores` holds the highest score of each category
of the stage; sizes are 0 where the request names none.  No words of the request are in here."""


def check(expression: str) -> None:
    """Compile a condition.

    Raises:
        ValueError: it is no CEL, names what is not there, or is no truth value; or the extra that
            brings CEL is not installed.
    """
    _compiled(expression)


def facts(stage: str, findings: Sequence[Finding], request: Request | None) -> dict[str, Any]:
    """What conditions may ask about one stage of one call; `holds` adds the finding's own."""
    scores: dict[str, float] = {}
    for finding in findings:
        scores[finding.category] = max(float(finding.score), scores.get(finding.category, 0.0))
    asked = request
    return {
        "stage": stage,
        "scores": scores,
        "task": asked.task if asked else "",
        "width": (asked.width or 0) if asked else 0,
        "height": (asked.height or 0) if asked else 0,
        "count": asked.count if asked else 0,
        "steps": (asked.steps or 0) if asked else 0,
        "has_input": bool(asked and (asked.init_image or asked.sketch)),
        "has_purpose": bool(asked and asked.purpose.strip()),
        "loras": len(asked.loras) if asked else 0,
    }


def holds(expression: str, known: Mapping[str, Any], finding: Finding) -> bool:
    """Whether a condition holds for one finding.

    Raises:
        PolicyError: it could not be decided; the caller refuses.
    """
    data = {**known, "score": float(finding.score), "category": finding.category, "by": finding.by}
    value = _compiled(expression).eval(data=data)
    answer = value.value()
    # An error comes back as a value that counts as true; so does its negation.
    if value.type().name() != "BOOL" or not isinstance(answer, bool):
        raise PolicyError(f"asked whether {expression!r} holds, found {answer}; mend the condition")
    return answer


@lru_cache(maxsize=512)
def _compiled(expression: str) -> Any:
    try:
        compiled = _environment().compile(expression)
    except RuntimeError as exc:
        said = str(exc).removeprefix("INVALID_ARGUMENT: ERROR: ").split("\n", 1)[0]
        raise ValueError(f"no CEL condition: {said}; known: {', '.join(VARIABLES)}") from exc
    found = compiled.return_type().name()
    if found != "BOOL":
        raise ValueError(f"a condition must be true or false, found {found}; compare it")
    return compiled


@lru_cache(maxsize=1)
def _environment() -> Any:
    try:
        from cel_expr_python import cel
    except ImportError as exc:
        raise ValueError(
            "conditions need CEL, which is not installed; "
            "pip install 'responsible-generation-sdk[cel]'"
        ) from exc
    simple = {
        "double": cel.Type.DOUBLE,
        "string": cel.Type.STRING,
        "int": cel.Type.INT,
        "bool": cel.Type.BOOL,
    }
    scores = cel.Type.Map(cel.Type.STRING, cel.Type.DOUBLE)
    return cel.NewEnv(variables={name: simple.get(of, scores) for name, of in VARIABLES.items()})
