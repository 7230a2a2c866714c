"""Train the gate's weights from labelled prompts.

    sdk train prompt-filter --data prompts --data-set file=prompts.jsonl.gz -o run

Encodes every prompt, groups near-copies, holds out two parts, fits the members and the word
weights on the rest, and calibrates on the one part; the other is left as `held-out.jsonl.gz` in
the cache for `sdk bench safety`.  Needs the extras `safety`, `generate` (torch) and `train`
(scikit-learn).  The same data and seeds give the same weights up to floating-point order.
"""

from __future__ import annotations

import json
import random
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdk import DataError, TrainError, Watch

from .contrast import contrast, held_out
from .encoder import WEIGHTS_SHA256, Encoder, Floats, Views
from .examples import CALIBRATE, PLAIN, TRAIN, Example, people, split, vary, write
from .features import Encoded, encode, joined
from .fitting import Place, fit_member, fit_words, importance, targets, tokens_of
from .network import FORMAT, HEADS, Gate
from .restore import sentence_case

CLUSTERS = 1500
"""Groups of near-copies, by k-means on the sentence view; whole groups are dealt to the parts."""
MAX_OF_A_KIND = 1000
MARGIN = 0.75


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
    seen = _encode(given, cache, Stage(watch, 0.0, 0.3))
    plain = split(given, _groups(seen))
    _check_covered(plain)
    varied, written = vary(plain), [*people(), *contrast()]
    examples = [*plain, *varied, *written]
    places = joined(
        seen,
        _encode(varied, cache, Stage(watch, 0.3, 0.55)),
        _encode(written, cache, Stage(watch, 0.55, 0.56)),
    )
    write(cache / "held-out.jsonl.gz", held_out(examples))
    fitted = [i for i, e in enumerate(examples) if e.part == TRAIN and e.strength >= 0.3]
    kept, seen_in = [examples[i] for i in fitted], [places[i] for i in fitted]
    tables = _fit(kept, seen_in, members, epochs, watch)
    about: dict[str, object] = {
        "format": FORMAT,
        "heads": list(HEADS),
        "encoder_sha256": WEIGHTS_SHA256,
        "examples": {
            "read": len(plain),
            "varied": len(varied),
            "written": len(written),
            "trained_on": len(fitted),
        },
    }
    out.mkdir(parents=True, exist_ok=True)
    target = out / "gate.npz"
    tables["platt"] = np.array([[1.0] * len(HEADS), [0.0] * len(HEADS)], np.float32)
    _save(target, tables, about)
    held = _some([i for i, e in enumerate(examples) if e.part == CALIBRATE], examples)
    calibrate(target, tables, about, [examples[i] for i in held], [places[i] for i in held])
    watch.step(1000, 1000)
    return target


def _encode(examples: Sequence[Example], cache: Path, watch: Watch) -> Encoded:
    """Encode texts as the gate reads them, in sentence case: case would tell the source."""
    texts = [sentence_case(e.text) for e in examples]
    return encode(Encoder(), texts, cache, watch)


def calibrate(
    target: Path,
    tables: dict[str, NDArray[np.generic]],
    about: dict[str, object],
    held: Sequence[Example],
    places: Sequence[Place],
) -> None:
    """Add Platt scaling, thresholds and the languages' offsets, measured on the held-out part."""
    gate = Gate(target)
    logits = np.array(
        [
            gate.logits(views_of(place), sentence_case(e.text))
            for e, place in zip(held, places, strict=True)
        ]
    )
    tables["platt"] = np.array([_platt(logits, held, head) for head in HEADS], np.float32).T
    _save(target, tables, about)
    gate = Gate(target)
    p = np.array([gate.probabilities(row, "en")["unsafe"] for row in logits])
    about["thresholds"] = thresholds(p, held)
    _save(target, tables, about)
    about["language_offsets"] = _offsets(Gate(target), Encoder())
    _save(target, tables, about)


def _some(held: Sequence[int], examples: Sequence[Example]) -> list[int]:
    """Places of at most MAX_OF_A_KIND examples of every source, kind and label."""
    kinds: Counter[str] = Counter()
    out = []
    for i in random.Random(3).sample(list(held), len(held)):
        kind = _kind(examples[i])
        kinds[kind] += 1
        if kinds[kind] <= MAX_OF_A_KIND:
            out.append(i)
    return out


def _kind(example: Example) -> str:
    return f"{example.source} {example.varied} {example.unsafe}"


def thresholds(p: NDArray[np.float64], held: Sequence[Example]) -> dict[str, float]:
    """`unsafe` scores that keep the promises about harmless prompts.

    `at_1`: at most 1 % of ordinary prompts, 2 % of long ones, of look-alikes and of
    those about minorities and children reach it, and 5 % of those written to look unsafe.
    `at_5`: five times as many.
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
        (of(sources=("contrast",)), 0.05),
    )
    return {
        f"at_{times}": round(
            max(
                threshold_at(scores, MARGIN * share * times)
                for scores, share in groups
                if scores.size
            ),
            4,
        )
        for times in (1, 5)
    }


def threshold_at(benign: NDArray[np.float64], share: float) -> float:
    """The lowest bound that at most `share` of benign scores reach."""
    scores = np.sort(benign)[::-1]
    allowed = int(share * scores.size)
    return float(np.nextafter(scores[allowed], np.inf))


def views_of(place: Place) -> Views:
    """The encoder's views as kept on disk."""
    encoded, i = place
    whole = np.asarray(encoded.whole[i], np.float32)
    return Views(tokens=tokens_of(place), sentence=whole[:512], pooled=whole[512:])


def _check_covered(examples: Sequence[Example]) -> None:
    """Every head needs examples to fit and to calibrate."""
    for part in (TRAIN, CALIBRATE):
        seen = {c for e in examples if e.part == part and e.unsafe for c in e.categories}
        if missing := sorted(set(HEADS[1:]) - seen):
            raise DataError(
                f"asked to train the gate, found no unsafe prompt of {', '.join(missing)} to "
                f"{'fit' if part == TRAIN else 'calibrate'} with; add labelled prompts"
            )


def _fit(
    examples: Sequence[Example],
    places: Sequence[Place],
    members: int,
    epochs: int,
    watch: Watch,
) -> dict[str, NDArray[np.generic]]:
    y, weight = targets(examples), importance(examples)
    tables: dict[str, NDArray[np.generic]] = {"members": np.array(members)}
    try:
        counts, lexical = fit_words(examples, y, weight)
        for seed in range(members):
            stage = Stage(watch, 0.6 + 0.36 * seed / members, 0.6 + 0.36 * (seed + 1) / members)
            fitted = fit_member(places, y, weight, seed=seed, epochs=epochs, watch=stage)
            tables |= {f"m{seed}.{name}": table for name, table in fitted.items()}
    except ImportError as exc:
        raise TrainError(
            f"asked to train the gate, found no {exc.name}; "
            "run: pip install torch scikit-learn scipy"
        ) from exc
    tables |= {f"lex.{name}": table for name, table in lexical.items()}
    tables["words"] = np.array("\n".join(counts))
    tables["word_counts"] = np.array(list(counts.values()), np.int32)
    return tables


def _groups(seen: Encoded) -> list[int]:
    try:
        from sklearn.cluster import MiniBatchKMeans
    except ImportError as exc:
        raise TrainError(
            "asked to train the gate, found no sklearn; run: pip install scikit-learn"
        ) from exc
    sentences = np.asarray(seen.whole[:, :512], np.float32)
    means = MiniBatchKMeans(
        min(CLUSTERS, len(sentences) // 4 or 1),
        batch_size=4096,
        n_init=1,
        max_iter=30,
        random_state=0,
    )
    return [int(group) for group in means.fit_predict(sentences)]


def _platt(logits: Floats, held: Sequence[Example], head: str) -> tuple[float, float]:
    """Slope and bias for one head; half of the weight is unsafe, every source counts alike."""
    from sklearn.linear_model import LogisticRegression

    column = HEADS.index(head)
    yes = np.array([e.unsafe and (column == 0 or head in e.categories) for e in held])
    size = Counter(_kind(e) for e in held)
    sides = Counter(kind.endswith("True") for kind in size)
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
        unsafe = [gate.logits(v, t)[0] for v, t in zip(views, texts, strict=True)]
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
