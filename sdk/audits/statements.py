"""What a report may say about a share: differs, equivalent, or undecided.  Never "fair".

    decided = decide(Counts.of(counts), target=0.5, margin=0.05)
    decided.claim[0, 0]          # "differs"

- *differs*: the exact or score test of "the share is the target" rejects, after Holm or
  Benjamini-Hochberg over all shares of the report.
- *equivalent*: both one-sided tests against target - margin and target + margin reject (TOST:
  Schuirmann, J. Pharmacokinetics and Biopharmaceutics 15 (1987), 657-680), adjusted likewise.  It
  wins over "differs": with many pictures a share may measurably differ by less than matters.
- *undecided*: neither.  `needed` says how many more pictures would probably decide it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sdk.audits.counting import Bounds, Floats, checked_level
from sdk.audits.inversion import Answers
from sdk.audits.multiple import CONTROLS
from sdk.audits.plain import Counts
from sdk.audits.sizes import pictures_to_differ, pictures_to_equate
from sdk.errors import AuditError


class Claim(StrEnum):
    """All that is ever claimed about a share."""

    DIFFERS = "differs"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Claims with what they rest on; arrays (G, K)."""

    estimate: Floats
    bounds: Bounds
    p_differs: Floats
    """Adjusted over the family; 1 outside it."""
    p_equivalent: Floats
    """Adjusted over the family; 1 outside it."""
    claim: NDArray[np.str_]
    needed: Floats
    """More pictures that would probably decide; 0 where decided, infinity where none would."""
    fits: NDArray[np.bool_]
    """False where the answers contradict the estimator's confusion matrix: always undecided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Shares of one attribute with what they are compared with; p-values before adjustment."""

    answers: Counts | Answers
    target: Floats
    """(G, K); 0.5 where nothing is tested."""
    tested: NDArray[np.bool_]
    """(G, K)."""
    fits: NDArray[np.bool_]
    p_differs: Floats
    p_equivalent: Floats
    margin: float


def ask(
    answers: Counts | Answers,
    target: ArrayLike,
    *,
    margin: float,
    level: float = 0.95,
    family: NDArray[np.bool_] | None = None,
) -> Asked:
    """Test every share of one attribute, or those that `family` (G, K) picks.

    `target` broadcasts to (G, K).  Of two values one is enough: the other mirrors it.

    Raises:
        AuditError: a target or margin outside 0..1.
    """
    t = np.broadcast_to(np.asarray(target, float), answers.counts.shape)
    if not 0 < margin < 1:
        raise AuditError(f"asked for margin {margin!r}; give one between 0 and 1")
    tested = np.broadcast_to(answers.listed, t.shape) if family is None else family
    if not ((t[tested] >= 0) & (t[tested] <= 1)).all():
        raise AuditError("asked to compare with a target outside 0..1; give shares")
    fits = answers.fits(level)
    tested = tested & fits
    safe = np.where(tested, t, 0.5)
    return Asked(
        answers=answers,
        target=safe,
        tested=tested,
        fits=fits,
        p_differs=answers.p_differs(safe),
        p_equivalent=p_within(answers, safe, margin),
        margin=margin,
    )


def decide_all(
    asked: Sequence[Asked], *, level: float = 0.95, control: str = "bh"
) -> list[Decided]:
    """Decide everything that a report asks as one family of tests.

    Raises:
        AuditError: an unknown control, or a level outside 0.5..1.
    """
    alpha = 1 - checked_level(level)
    if control not in CONTROLS:
        raise AuditError(f"asked for control {control!r}; give one of {', '.join(CONTROLS)}")
    differs = _adjusted([a.p_differs for a in asked], asked, control)
    equivalent = _adjusted([a.p_equivalent for a in asked], asked, control)
    claims = []
    for one, p, q in zip(asked, differs, equivalent, strict=True):
        claim = np.full(one.target.shape, str(Claim.UNDECIDED), dtype="<U10")
        claim[one.tested & (p <= alpha)] = str(Claim.DIFFERS)
        claim[one.tested & (q <= alpha)] = str(Claim.EQUIVALENT)
        claims.append(claim)
    aim = _alpha_of(alpha, asked, claims, control)
    return [
        Decided(
            estimate=one.answers.estimate,
            bounds=one.answers.bounds(level),
            p_differs=p,
            p_equivalent=q,
            claim=claim,
            needed=_needed(one, aim, one.tested & (claim == Claim.UNDECIDED)),
            fits=one.fits,
        )
        for one, p, q, claim in zip(asked, differs, equivalent, claims, strict=True)
    ]


def decide(
    answers: Counts | Answers,
    target: ArrayLike,
    *,
    margin: float,
    level: float = 0.95,
    control: str = "bh",
    family: NDArray[np.bool_] | None = None,
) -> Decided:
    """Ask and decide one attribute, where it is all that there is.

    Raises:
        AuditError: a target or margin outside 0..1, or an unknown control.
    """
    one = ask(answers, target, margin=margin, level=level, family=family)
    return decide_all([one], level=level, control=control)[0]


def p_within(answers: Counts | Answers, target: Floats, margin: float) -> Floats:
    """Return TOST p-values of "the share is not within target ± margin".

    A bound outside 0..1 needs no test: no share lies there.
    """
    low, high = target - margin, target + margin
    above = np.where(low <= 0, 0.0, answers.p_above(np.clip(low, 0, 1)))
    below = np.where(high >= 1, 0.0, answers.p_below(np.clip(high, 0, 1)))
    return np.maximum(above, below)


def _adjusted(p: Sequence[Floats], asked: Sequence[Asked], control: str) -> list[Floats]:
    """Adjust over everything tested; 1 elsewhere."""
    family = [
        np.where(np.isnan(values), 1.0, values)[one.tested]
        for values, one in zip(p, asked, strict=True)
    ]
    flat = np.concatenate([*family, np.zeros(0)])
    adjusted = CONTROLS[control](flat) if flat.size else flat
    parts = np.split(adjusted, np.cumsum([part.size for part in family])[:-1])
    found = []
    for one, part in zip(asked, parts, strict=True):
        whole = np.ones(one.target.shape)
        whole[one.tested] = part
        found.append(whole)
    return found


def _alpha_of(
    alpha: float, asked: Sequence[Asked], claims: Sequence[NDArray[np.str_]], control: str
) -> float:
    """The raw p-value that a further share would need, roughly: what planning aims at."""
    m = max(1, sum(int(one.tested.sum()) for one in asked))
    done = sum(
        int((one.tested & (claim != Claim.UNDECIDED)).sum())
        for one, claim in zip(asked, claims, strict=True)
    )
    return alpha * min(m, done + 1) / m if control == "bh" else alpha / max(1, m - done)


def _needed(asked: Asked, alpha: float, open_: NDArray[np.bool_]) -> Floats:
    """Pictures for either claim if the share is what it seems, less those that there are."""
    answers, target = asked.answers, asked.target
    needed = np.zeros(target.shape)
    if not open_.any():
        return needed
    at = np.clip(np.nan_to_num(answers.estimate, nan=0.5)[open_], 0, 1)
    silent = np.broadcast_to((answers.abstained / answers.total)[:, None], target.shape)[open_]
    nearest, farthest = _ends(at, target[open_], silent)
    wanted = np.minimum(
        pictures_to_differ(nearest, target=target[open_], alpha=alpha),
        pictures_to_equate(farthest, target=target[open_], margin=asked.margin, alpha=alpha),
    )
    have = np.broadcast_to(answers.total[:, None], target.shape)[open_]
    if isinstance(answers, Answers):
        wanted = _inflated(answers, at, wanted, have, open_)
    needed[open_] = np.maximum(1.0, wanted - have)
    return needed


def _ends(at: Floats, target: Floats, silent: Floats) -> tuple[Floats, Floats]:
    """Where any number of pictures would leave the share, next to the target and farthest from it.

    As many of them as now have no answer, and count for a value at one end and against it at the
    other: a target between the two ends is never found to differ.
    """
    low = at * (1 - silent)
    high = low + silent
    farthest = np.where(np.abs(low - target) > np.abs(high - target), low, high)
    return np.clip(target, low, high), farthest


def _inflated(
    answers: Answers, at: Floats, wanted: Floats, have: Floats, open_: NDArray[np.bool_]
) -> Floats:
    """Pictures with an erring estimator that weigh as `wanted` with a true one.

    The variance is a / n + b, where b is that of the validation pictures; where b alone is more
    than the wanted variance, more pictures never help.
    """
    k = answers.counts.shape[1]
    everything = np.where(open_, np.nan_to_num(answers.estimate, nan=0.5), 0.5)
    sampling, validation = answers.variances(everything)
    a = (sampling * answers.total[:, None])[open_]
    b = validation[open_]
    plain = np.maximum(at * (1 - at), 1 / np.maximum(4.0 * k, have))
    with np.errstate(divide="ignore", invalid="ignore"):
        allowed = plain / wanted - b
        return np.asarray(np.where(allowed > 0, np.ceil(a / np.maximum(allowed, 1e-12)), np.inf))
