"""Train the gate's weights from labelled prompts.

    sdk train prompt-filter --data prompts --data-set file=prompts.jsonl.gz -o run

1. Encode every prompt, group near-copies, deal whole groups to five folds.
2. Set the fold HELD aside: `held-out.jsonl.gz` in the cache, for `sdk bench safety`.
3. Score each other fold with networks and words that were fitted on the rest.
4. Fix calibration and thresholds on these scores: every one is of a prompt that was not fitted.
5. Fit once more on all folds but HELD: these are the weights.

Needs the extras `safety`, `generate` (torch) and `train` (scikit-learn).  The same data and seeds
give the same weights up to floating-point order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdk import DataError, TrainError, Watch

from .calibration import calibrate, save
from .contrast import contrast, held_out
from .encoder import WEIGHTS_SHA256, Encoder, Floats
from .examples import FOLDS, HELD, Example, people, split, vary, write
from .features import encode
from .fitting import fit_member, fit_words, importance, near_copies, targets
from .network import FORMAT, HEADS, Gate
from .restore import sentence_case

ALIKE = (0.8, 0.85, 0.9, 0.95, 0.99, 1.01)
"""Cosines of sentence views above which two prompts are near-copies: the first at which no chain
of them holds more than LARGEST of the data.  Groups by topic kept whole topics out of training."""
LARGEST = 0.05
LEAST_STRENGTH = 0.3
"""Labels that are trusted less are not fitted."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the whole run, for a watch that hears of the whole."""

    watch: Watch
    begins: float
    ends: float
    """Shares of the run, 0..1."""

    def step(self, done: int, total: int, /) -> None:
        """Say how far the whole run is, in thousandths."""
        at = self.begins + (self.ends - self.begins) * done / max(total, 1)
        self.watch.step(int(1000 * at), 1000)


def train(
    given: Sequence[Example],
    out: Path,
    *,
    members: int = 2,
    epochs: int = 8,
    cache: Path,
    watch: Watch,
) -> Path:
    """Fit, calibrate and write `out`/gate.npz; returns its path.

    Raises:
        DataError: the data are too one-sided to train on.
        TrainError: torch or scikit-learn is not installed.
        Cancelled: `watch` said so; what was encoded stays in `cache`.
    """
    seen = _encode(given, cache, Stage(watch, 0.0, 0.25))
    plain = split(given, groups(seen))
    _check_covered(plain)
    varied, written = vary(plain), [*people(), *contrast()]
    examples = [*plain, *varied, *written]
    more = [_encode(e, cache, Stage(watch, 0.25, 0.35)) for e in (varied, written)]
    whole = np.concatenate([seen, *more])
    write(cache / "held-out.jsonl.gz", held_out(examples))
    out.mkdir(parents=True, exist_ok=True)
    data = _Data(examples, whole, members, epochs)
    seen_by_others = np.zeros((len(examples), len(HEADS)), np.float32)
    for number, fold in enumerate(FOLDS):
        part = out / f"fold-{fold}.npz"
        stage = Stage(watch, 0.35 + 0.125 * number, 0.475 + 0.125 * number)
        if not part.exists():  # a run that was stopped goes on from here
            save(part, data.fit([other for other in FOLDS if other != fold], stage), _about())
        rows = np.flatnonzero(data.folds == fold)
        texts = [sentence_case(examples[i].text) for i in rows]
        seen_by_others[rows] = Gate(part).logits_many(whole[rows], texts)
    target = out / "gate.npz"
    tables = data.fit(FOLDS, Stage(watch, 0.85, 0.99))
    about = _about() | {"examples": dict(Counter(e.varied or "as written" for e in examples))}
    rows = np.flatnonzero(data.folds != HELD)
    calibrate(target, tables, about, [examples[i] for i in rows], seen_by_others[rows])
    watch.step(1000, 1000)
    return target


@dataclass(frozen=True, slots=True)
class _Data:
    """Everything that is fitted on, and how."""

    examples: Sequence[Example]
    whole: Floats
    """(N, 1024): what the encoder saw."""
    members: int
    epochs: int

    @property
    def folds(self) -> NDArray[np.int64]:
        return np.array([e.fold for e in self.examples])

    def fit(self, folds: Sequence[int], watch: Watch) -> dict[str, NDArray[Any]]:
        """Networks and word weights from the examples of some folds, uncalibrated."""
        rows = [
            i
            for i, e in enumerate(self.examples)
            if e.fold in folds and e.strength >= LEAST_STRENGTH
        ]
        kept, x = [self.examples[i] for i in rows], self.whole[rows]
        y, weight = targets(kept), importance(kept)
        tables: dict[str, NDArray[Any]] = {"members": np.array(self.members)}
        try:
            counts, lexical = fit_words(kept, y, weight)
            for seed in range(self.members):
                stage = Stage(watch, seed / self.members, (seed + 1) / self.members)
                fitted = fit_member(x, y, weight, seed=seed, epochs=self.epochs, watch=stage)
                tables |= {f"m{seed}.{name}": table for name, table in fitted.items()}
        except ImportError as exc:
            raise TrainError(
                f"asked to train the gate, found no {exc.name}; "
                "run: pip install torch scikit-learn scipy"
            ) from exc
        tables |= {f"lex.{name}": table for name, table in lexical.items()}
        tables["words"] = np.array("\n".join(counts))
        tables["word_counts"] = np.array(list(counts.values()), np.int32)
        tables["platt"] = np.array([[1.0] * len(HEADS), [0.0] * len(HEADS)], np.float32)
        return tables


def _about() -> dict[str, object]:
    return {"format": FORMAT, "heads": list(HEADS), "encoder_sha256": WEIGHTS_SHA256}


def groups(whole: Floats) -> list[int]:
    """The group of near-copies that each text belongs to."""
    found = list(range(len(whole)))
    for alike in ALIKE:
        found = near_copies(whole, alike)
        if max(Counter(found).values()) <= LARGEST * len(whole):
            break
    return found


def _encode(examples: Sequence[Example], cache: Path, watch: Watch) -> Floats:
    """Encode texts as the gate reads them, in sentence case: case would tell the source."""
    texts = [sentence_case(e.text) for e in examples]
    return encode(Encoder(), texts, cache, watch)


def _check_covered(examples: Sequence[Example]) -> None:
    """Every head needs examples in every fold that is fitted on."""
    for fold in FOLDS:
        seen = {c for e in examples if e.fold == fold and e.unsafe for c in e.categories}
        if missing := sorted(set(HEADS[1:]) - seen):
            raise DataError(
                f"asked to train the gate, found no unsafe prompt of {', '.join(missing)} in a "
                "fifth of the data; add labelled prompts"
            )
