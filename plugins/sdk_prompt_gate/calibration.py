"""Fix what the gate's scores mean: Platt scaling, thresholds, the languages' offsets.

Always on scores by networks and words that were not fitted on the prompt.
"""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .encoder import Encoder, Floats
from .examples import PLAIN, Example
from .languages import OTHER
from .network import HEADS, Gate
from .restore import sentence_case

REFUSED = 0.03
"""Share of harmless prompts in a language that may reach `at_1`."""
MARGIN = 0.75
"""Thresholds keep their promises with a quarter to spare: other groups of prompts will differ."""


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
    save(target, tables, about)
    gate = Gate(target)
    p = np.array([gate.probabilities(row, "en")["unsafe"] for row in logits])
    bounds = thresholds(p, held)
    about |= {"thresholds": bounds, "reach_at_1": _reach(p, held, bounds["at_1"])}
    about["auroc"] = _separation(p, held)
    save(target, tables, about)
    about["language_offsets"] = _offsets(Gate(target), Encoder(), held, logits)
    save(target, tables, about)


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

    groups = (
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


def _offsets(
    gate: Gate, encoder: Encoder, held: Sequence[Example], logits: Floats
) -> dict[str, float]:
    """What to take from the logits of a language, so that REFUSED of harmless prompts reach `at_1`.

    Over the first four patterns of languages.toml, and the harmless prompts of
    contrast_languages.toml by networks that were not fitted on them.  A language's own figure
    rests on four prompts: it counts only where it refuses fewer than that of all languages
    together.  English needs none.
    """
    languages = tomllib.loads((files(__package__) / "languages.toml").read_text("utf-8"))
    bound = gate.logit_of(gate.thresholds["at_1"])
    seen: dict[str, list[float]] = {}
    for name, table in languages.items():
        texts = [sentence_case(p.format(t)) for p in table["patterns"][:4] for t in table["things"]]
        views = [encoder.encode(encoder.tokenize(text)[0]) for text in texts]
        seen[name] = [float(z) for z in gate.logits_many(np.array(views), texts)[:, 0]]
    for example, row in zip(held, logits, strict=True):
        if example.source == "languages" and not example.unsafe:
            seen.setdefault(example.language, []).append(float(row[0]))
    del seen["en"]
    pooled = float(np.quantile([z for found in seen.values() for z in found], 1 - REFUSED))
    offsets = {OTHER: pooled - bound}
    for name, found in seen.items():
        offsets[name] = max(pooled, float(np.quantile(found, 1 - REFUSED))) - bound
    return {name: round(offset, 3) for name, offset in offsets.items()}


def save(target: Path, tables: Mapping[str, NDArray[Any]], about: Mapping[str, object]) -> None:
    """Write weights as .npz, whole or not at all."""
    text = np.array(json.dumps(about, sort_keys=True))
    partial = target.with_suffix(".part.npz")
    np.savez_compressed(partial, about=text, **tables)  # type: ignore[arg-type]
    partial.replace(target)
