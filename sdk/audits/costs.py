"""What a plan can show and what it costs, before a picture is drawn.

cost_of(plan, answerers, seconds=2.5)["hours"]
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from sdk.audits.estimating import Answerer
from sdk.audits.inversion import Answers
from sdk.audits.plans import Plan
from sdk.audits.sizes import Noise, pictures_for_width, pictures_to_differ, pictures_to_equate
from sdk.types import JSON

SHIFT = 0.1
"""The difference from the target whose detection is planned for."""


def cost_of(plan: Plan, answerers: Mapping[str, Answerer], seconds: float = 0.0) -> dict[str, JSON]:
    """Return pictures, hours, and for each attribute what a group's pictures can show.

    `seconds` is the time of one picture; 0 leaves the hours out.
    """
    per_group = min(Counter(cell.group for cell in plan.cells).values()) * plan.pictures
    total = len(plan.cells) * plan.pictures
    return {
        "prompts": len(plan.cells),
        "pictures_per_prompt": plan.pictures,
        "pictures": total,
        "groups": len(plan.groups),
        "hours": round(total * seconds / 3600, 3),
        "attributes": [_shows(plan, one, per_group) for one in answerers.values()],
    }


def _shows(plan: Plan, answerer: Answerer, n: int) -> dict[str, JSON]:
    share = 1 / len(answerer.attribute.among)
    noise = Noise()
    if answerer.confusion:
        at = answerer.values.index(answerer.attribute.among[0])
        noise = Noise.of(answerer.confusion, at, share)
    alpha = 1 - plan.level
    wanted = {
        "interval": pictures_for_width(plan.margin, share=share, level=plan.level, noise=noise),
        "differ": _with(
            noise, float(pictures_to_differ(share + SHIFT, target=share, alpha=alpha)), share
        ),
        "equate": _with(
            noise,
            float(pictures_to_equate(share, target=share, margin=plan.margin, alpha=alpha)),
            share,
        ),
    }
    text = (
        f"{n:,} pictures in the smallest group; needed for ±{plan.margin * 100:g} points "
        f"{_pictures(wanted['interval'])}, to find {SHIFT * 100:g} points more than {share:.2f} "
        f"{_pictures(wanted['differ'])}, to show parity within the margin "
        f"{_pictures(wanted['equate'])} (80 % power, before adjustment for many groups)"
    )
    return {
        "attribute": answerer.attribute.name,
        "pictures": n,
        "half_width": round(_half_width(answerer, n), 4),
        "needed": {name: None if math.isinf(x) else int(x) for name, x in wanted.items()},
        "text": text,
    }


def _half_width(answerer: Answerer, n: int) -> float:
    """Of the interval of n pictures that come out as the target, half."""
    from sdk.audits.plain import Counts

    k = len(answerer.values)
    even = [n // k + (i < n % k) for i in range(k)]
    answers: Counts | Answers = Counts.of([even])
    if answerer.confusion:
        answers = Answers.of([even], confusion=answerer.confusion)
    bounds = answers.bounds()
    return float((bounds.high - bounds.low)[0, 0]) / 2


def _with(noise: Noise, wanted: float, share: float) -> float:
    """Pictures with an erring estimator that weigh as `wanted` with a true one."""
    if math.isinf(wanted):
        return wanted
    spread = share * (1 - share)
    left = spread / wanted - noise.floor
    return math.ceil(noise.factor * spread / left) if left > 0 else math.inf


def _pictures(n: float) -> str:
    return "more validation pictures first" if math.isinf(n) else f"{int(n):,}"
