"""Evidence that answers no longer come in the expected shares, valid at every moment.

    watch = Drift(values=("woman", "man"), expected=(0.5, 0.5))
    for answer in answers:
        watch = watch.seen(answer)
        if watch.evidence >= 20: ...       # wrong at most once in 20 streams, however often asked

An e-process: its expectation is at most 1 at every stopping time while the shares are as
expected, so by Ville's inequality the chance that it *ever* reaches 1/alpha is at most alpha
(Ramdas, Grünwald, Vovk and Shafer, "Game-theoretic statistics and safe anytime-valid inference",
Statistical Science 38(4), 2023, section 2).  A test repeated every 50 pictures has no such bound:
it raised a false alarm in 41 % of streams of 5,000.

The alternative is mixed over a Dirichlet prior (the beta-binomial mixture for two values, Robbins
1970), and over the moment at which the change began, so that a long quiet past does not bury it.
Statistics only: counts go in, a number comes out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sdk.errors import DataError

Numbers = NDArray[np.float64]

CONCENTRATION = 24.0
"""Sum of the Dirichlet prior's parameters: it is centred on the expected shares, and expects
changes of about 1/sqrt(24) = .2.  Between 8 and 32 the median wait for .5 → .6 stays at 214 to 218
answers; 24 finds .5 → .55 sooner than 8 (764 for 886)."""
EVERY = 100
"""A change may have begun at each multiple of this many answers."""
MOST_STARTS = 64
"""Beginnings kept in mind; the least convincing is forgotten, which only loses evidence."""
_HALVINGS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What is known after some answers; `seen` gives the next.

    Raises:
        DataError: fewer than two values, or shares that are not positive or do not sum to 1.
    """

    values: tuple[str, ...]
    expected: tuple[float, ...]
    """Share of each value among the answers, above 0, sum 1."""
    tolerance: float = 0.0
    """0..1: every share within this of its expected one is as expected too."""
    counts: tuple[int, ...] = ()
    """Answers so far."""
    starts: tuple[tuple[int, tuple[int, ...]], ...] = ()
    """(number of the beginning, counts before it) of each beginning that is kept."""
    peak: float = 0.0
    """Natural logarithm of the highest evidence so far."""
    at: float = field(default=0.0)
    """Natural logarithm of the evidence now."""

    def __post_init__(self) -> None:
        k = len(self.values)
        if k < 2 or len(self.expected) != k or len(set(self.values)) != k:
            raise DataError(
                f"asked to watch {k} values with {len(self.expected)} expected shares; give at "
                "least two different values and a share for each"
            )
        if min(self.expected) <= 0 or not abs(math.fsum(self.expected) - 1) <= 1e-6:
            raise DataError(
                f"asked for expected shares {self.expected}; each must be above 0 (what is "
                "impossible needs no statistics) and their sum 1"
            )
        if not 0 <= self.tolerance < 1:
            raise DataError(f"asked for a tolerance of {self.tolerance}; give 0 or more, below 1")
        if not self.counts:
            object.__setattr__(self, "counts", (0,) * k)
            object.__setattr__(self, "starts", ((0, (0,) * k),))

    @property
    def n(self) -> int:
        """Answers so far."""
        return sum(self.counts)

    @property
    def evidence(self) -> float:
        """The e-value now; 1 is none, 20 is enough for 5 %."""
        return math.exp(min(self.at, 700.0))

    @property
    def shares(self) -> tuple[float, ...]:
        """Observed share of each value; the expected ones before the first answer."""
        return tuple(c / self.n for c in self.counts) if self.n else self.expected

    def seen(self, value: str) -> Drift:
        """Return the state after one more answer.

        Raises:
            DataError: the value is not watched.
        """
        if value not in self.values:
            raise DataError(f"asked to count {value!r}; watched are {', '.join(self.values)}")
        i = self.values.index(value)
        counts = tuple(c + (j == i) for j, c in enumerate(self.counts))
        before = np.array([start for _, start in self.starts])
        each = self._each(np.array(counts) - before)
        weighted = each + [_log_weight(number) for number, _ in self.starts]
        n = sum(counts)
        at = float(np.logaddexp.reduce([*weighted, _log_rest(1 + (n - 1) // EVERY)]))
        starts = self.starts
        if n % EVERY == 0:
            starts = (*starts, (n // EVERY, counts))
            if len(starts) > MOST_STARTS:
                least = int(np.argmin(weighted[1:])) + 1  # never the first: the whole past
                starts = starts[:least] + starts[least + 1 :]
        return replace(self, counts=counts, starts=starts, at=at, peak=max(self.peak, at))

    def path(self, answers: Sequence[int]) -> Numbers:
        """Replay a stream of indices into `values`: log evidence after each, all beginnings kept.

        For plots and for proofs by simulation; equal to `seen` up to 6,400 answers.
        """
        k, n = len(self.values), len(answers)
        counts = np.zeros((n + 1, k), np.int64)
        counts[np.arange(1, n + 1), np.asarray(answers)] = 1
        counts = counts.cumsum(0)
        begun = 1 + np.arange(n) // EVERY
        found = np.array([_log_rest(b) for b in range(1, n // EVERY + 2)])[begun - 1]
        for number in range((n - 1) // EVERY + 1 if n else 0):
            first = number * EVERY
            each = self._each(counts[first + 1 :] - counts[first])
            found[first:] = np.logaddexp(found[first:], each + _log_weight(number))
        return found

    def _each(self, counts: NDArray[np.int64]) -> Numbers:
        """Log e-value of a Dirichlet mixture against the expected shares: (M, k) counts → (M,)."""
        most = int(counts.max(initial=0))
        mixed = np.zeros(len(counts))
        for i, share in enumerate(self.expected):
            mixed += _log_rise(CONCENTRATION * share, most)[counts[:, i]]
        total = counts.sum(1)
        mixed -= _log_rise(CONCENTRATION, int(total.max(initial=0)))[total]
        found: Numbers = mixed - self._likeliest(counts)
        return found

    def _likeliest(self, counts: NDArray[np.int64]) -> Numbers:
        """Highest log likelihood among the shares that count as expected, (M,).

        With a tolerance this is universal inference (Wasserman, Ramdas and Balakrishnan, PNAS 117,
        2020): the best shares in the box are counts / lambda, clipped, with sum 1.
        """
        share = np.array(self.expected)
        if not self.tolerance:
            return np.asarray(counts @ np.log(share))
        low = np.maximum(share - self.tolerance, 1e-9)
        high = np.minimum(share + self.tolerance, 1.0)
        small, large = np.full((2, len(counts), 1), [[[1e-9]], [[2.0 * counts.sum() + 1e9]]])
        for _ in range(_HALVINGS):
            middle = np.sqrt(small * large)
            above = np.clip(counts / middle, low, high).sum(1, keepdims=True) > 1
            small, large = np.where(above, middle, small), np.where(above, large, middle)
        best = np.clip(counts / large, low, high)
        best = best + (1 - best.sum(1, keepdims=True)) * (high - low) / (high - low).sum()
        return np.asarray((counts * np.log(np.clip(best, low, high))).sum(1))


def expected_answers(target: Sequence[float], counts: Sequence[Sequence[int]]) -> tuple[float, ...]:
    """Say in which shares an estimator would answer if the truth came in the shares of `target`.

    `counts[truth][answer]` is its confusion matrix over the same values.  Watching its answers
    against the target itself would find the estimator's errors, not the generator's.

    Raises:
        DataError: a value of the target was never measured.
    """
    rows = np.array(counts, float)
    if rows.shape != (len(target), len(target)) or (rows.sum(1) == 0).any():
        raise DataError(
            f"asked to translate a target over {len(target)} values, found a confusion matrix of "
            f"{rows.shape} with {int((rows.sum(-1) == 0).sum())} values never measured"
        )
    answers = np.array(target) @ (rows / rows.sum(1, keepdims=True))
    return tuple(float(share) for share in answers / answers.sum())


def _log_weight(number: int) -> float:
    """Logarithm of the prior weight of a beginning, 1/((i+1)(i+2)); they sum to 1."""
    return -math.log((number + 1) * (number + 2))


def _log_rest(begun: int) -> float:
    """Logarithm of the weight of all beginnings that are still to come: 1/(begun+1)."""
    return -math.log(begun + 1)


@lru_cache(maxsize=64)
def _rises(start: float, power: int) -> Numbers:
    steps = np.log(start + np.arange(2**power))
    return np.concatenate([[0.0], np.cumsum(steps)])


def _log_rise(start: float, most: int) -> Numbers:
    """Logarithm of start (start+1) … (start+n-1) for n = 0 … at least `most`."""
    return _rises(start, max(10, most.bit_length()))
