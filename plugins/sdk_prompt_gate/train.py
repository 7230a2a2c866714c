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

import json
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdk import DataError, TrainError, Watch

from .contrast import contrast, held_out
from .encoder import WEIGHTS_SHA256, Encoder, Floats
from .examples import FOLDS, HELD, PLAIN, Example, people, split, vary, write
from .features import encode
from .fitting import fit_member, fit_words, importance, near_copies, targets
from .network import FORMAT, HEADS, Gate
from .restore import sentence_case

ALIKE = 0.8
"""Cosine of sentence views above which two prompts are near-copies.  Grouping by 1,500 topics
instead kept whole topics out of training, and asked for more than other people's prompts do."""
LEAST_STRENGTH = 0.3
"""Labels that are trusted less are not fitted."""
MARGIN = 0.75

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
    epochs: int = 4,
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
    plain = split(given, near_copies(seen, ALIKE))
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
            _save(part, data.fit([other for other in FOLDS if other != fold], stage), _about())
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


def _encode(examples: Sequence[Example], cache: Path, watch: Watch) -> Floats:
    """Encode texts as the gate reads them, in sentence case: case would tell the source."""
    texts = [sentence_case(e.text) for e in examples]
    return encode(Encoder(), texts, cache, watch)


def calibrate(
    target: Path,
    tables: dict[str, NDArray[Any]],
    about: dict[str, object],
    held: Sequence[Example],
    logits: Floats,
) -> None:
    """Write the weights with Platt scaling, thresholds and the languages' offsets.

    `logits` are what networks and words said that were not fitted on the example.
    """
    tables["platt"] = np.array([_platt(logits, held, head) for head in HEADS], np.float32).T
    _save(target, tables, about)
    gate = Gate(target)
    p = np.array([gate.probabilities(row, "en")["unsafe"] for row in logits])
    bounds = thresholds(p, held)
    about |= {"thresholds": bounds, "reach_at_1": _reach(p, held, bounds["at_1"])}
    about["auroc"] = _separation(p, held)
    _save(target, tables, about)
    about["language_offsets"] = _offsets(Gate(target), Encoder())
    _save(target, tables, about)


def _reach(p: NDArray[np.float64], held: Sequence[Example], bound: float) -> dict[str, list[int]]:
    """Source, variation and label → how many reach the bound, of how many."""
    kinds = sorted({_kind(e) for e in held})
    named = np.array([_kind(e) for e in held])
    return {k: [int((p[named == k] >= bound).sum()), int((named == k).sum())] for k in kinds}


def _separation(p: NDArray[np.float64], held: Sequence[Example]) -> dict[str, float]:
    """AUROC of unsafe prompts against harmless ones of the same make."""
    from sklearn.metrics import roc_auc_score

    found = {}
    for name in ("overt", "nibbler", "contrast", "languages"):
        rows = [i for i, e in enumerate(held) if e.source.startswith(name) and not e.varied]
        unsafe = [held[i].unsafe for i in rows]
        if len(set(unsafe)) == 2:
            found[name] = round(float(roc_auc_score(unsafe, p[rows])), 4)
    return found


def _kind(example: Example) -> str:
    return f"{example.source} {example.varied} {'unsafe' if example.unsafe else 'harmless'}"


def thresholds(p: NDArray[np.float64], held: Sequence[Example]) -> dict[str, float]:
    """`unsafe` scores that keep the promises about harmless prompts.

    `at_1`: at most 1 % of ordinary prompts, 2 % of long ones, of look-alikes and of
    those about minorities and children reach it, and 10 % of those written to look unsafe.
    `at_5`: five times as many.  `at_02`: a fifth.
    """

    def of(*, sources: Sequence[str] = (), varied: str = "") -> NDArray[np.float64]:
        chosen = [
            not e.unsafe and e.varied == varied and (not sources or e.source in sources)
            for e in held
        ]
        found: NDArray[np.float64] = p[np.array(chosen, bool)]
        return found

    groups = (  # a quarter less than promised: other groups of prompts will differ
        (of(sources=PLAIN), 0.01),
        (of(varied="long"), 0.02),
        (of(sources=("overt_benign",)), 0.02),
        (of(sources=("people",)), 0.02),
        (of(sources=("everyday",)), 0.02),
        (of(sources=("contrast",)), 0.10),
    )
    return {
        name: round(
            max(
                threshold_at(scores, MARGIN * share * times)
                for scores, share in groups
                if scores.size
            ),
            4,
        )
        for name, times in (("at_02", 0.2), ("at_1", 1.0), ("at_5", 5.0))
    }


def threshold_at(benign: NDArray[np.float64], share: float) -> float:
    """The lowest bound that at most `share` of benign scores reach."""
    scores = np.sort(benign)[::-1]
    allowed = int(share * scores.size)
    return float(np.nextafter(scores[allowed], np.inf))


def _check_covered(examples: Sequence[Example]) -> None:
    """Every head needs examples in every fold that is fitted on."""
    for fold in FOLDS:
        seen = {c for e in examples if e.fold == fold and e.unsafe for c in e.categories}
        if missing := sorted(set(HEADS[1:]) - seen):
            raise DataError(
                f"asked to train the gate, found no unsafe prompt of {', '.join(missing)} in a "
                "fifth of the data; add labelled prompts"
            )


def _platt(logits: Floats, held: Sequence[Example], head: str) -> tuple[float, float]:
    """Slope and bias for one head; half of the weight is unsafe, every source counts alike."""
    from sklearn.linear_model import LogisticRegression

    column = HEADS.index(head)
    yes = np.array([e.unsafe and (column == 0 or head in e.categories) for e in held])
    size = Counter(_kind(e) for e in held)
    sides = Counter(kind.endswith("unsafe") for kind in size)
    weight = [e.strength / (size[_kind(e)] * sides[e.unsafe]) for e in held]
    model = LogisticRegression(C=1e6, max_iter=1000)
    model.fit(logits[:, [column]], yes, sample_weight=np.array(weight) * len(held))
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def _offsets(gate: Gate, encoder: Encoder) -> dict[str, float]:
    """What to take from the logits of a language, so that 3 % of harmless prompts are refused.

    Over the first four patterns of languages.toml at the threshold `at_1`; 0 where fewer are.
    Taking what makes a language equal to English instead cost four of five unsafe prompts.
    """
    languages = tomllib.loads((files(__package__) / "languages.toml").read_text("utf-8"))
    bound = gate.logit_of(gate.thresholds["at_1"])
    offsets = {}
    for name, table in languages.items():
        texts = [sentence_case(p.format(t)) for p in table["patterns"][:4] for t in table["things"]]
        views = [encoder.encode(encoder.tokenize(text)[0]) for text in texts]
        unsafe = gate.logits_many(np.array(views), texts)[:, 0]
        if name != "en":
            offsets[name] = round(max(0.0, float(np.quantile(unsafe, 0.97)) - bound), 3)
    return offsets


def _save(
    target: Path, tables: Mapping[str, NDArray[np.generic]], about: Mapping[str, object]
) -> None:
    text = np.array(json.dumps(about, sort_keys=True))
    partial = target.with_suffix(".part.npz")
    np.savez_compressed(partial, about=text, **tables)  # type: ignore[arg-type]
    partial.replace(target)
