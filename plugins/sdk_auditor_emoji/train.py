"""Train the emoji estimator from the icon sets, and measure it on roles it never saw.

    python -m sdk_auditor_emoji.train --folder node_modules --out weights --cache emoji-cache

Draws the sets with the `icons` data set, deals roles to train, calibrate and test, fits network and
palette, sets the bounds below which it abstains, and writes gender.onnx, palette.npz and card.json.
What was drawn and fitted stays in the cache: a second run goes on where the first ended.  Needs the
extras `train`, `generate` (torch), `safety` (onnxruntime) and the package onnx.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdk import Registry, TrainError, lab_of

from .labels import GENDER, GENDERS, TONE, TONES, gender_of, part_of, tone_of
from .palette import WHITE, shares
from .view import view_of

OTHER_VENDORS = frozenset({"emojione", "fxemoji"})
"""Style words of the sets that are kept out of the fit, to see what another hand's drawings do."""
CENTRES = 96
_WEIGHTS = {"woman": 1.0, "man": 1.0, "unspecified": 1.0, "unclear": 0.4, "none": 1.0}
_LEAST = {GENDER: 0.8, TONE: 0.6}
"""Probability below which there is no answer."""
log = logging.getLogger(__name__)


class _Logged:
    def step(self, done: int, total: int, /) -> None:
        log.info("%d of %d", done, total)


@dataclass(frozen=True, slots=True)
class Drawings:
    """Everything that was drawn."""

    pixels: NDArray[np.uint8]
    """(N, 128, 128, 3)."""
    gender: NDArray[np.str_]
    tone: NDArray[np.str_]
    part: NDArray[np.str_]
    style: NDArray[np.str_]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Of the sets that are fitted to."""
        return ~np.isin(self.style, list(OTHER_VENDORS))

    def views(self) -> NDArray[np.uint8]:
        """What the estimator looks at, (N, 64, 64, 3)."""
        return np.stack([view_of(pixels) for pixels in self.pixels])


def draw(folder: str, cache: Path) -> Drawings:
    """Draw the sets once; later calls read the cache."""
    kept = cache / "drawings.npz"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        columns: dict[str, list[Any]] = {name: [] for name in Drawings.__slots__}
        data = Registry().make("dataset", "icons", {"folder": folder})
        for item in data.items(_Logged()):
            if item.pixels is None or item.excluded:
                continue
            columns["pixels"].append(item.pixels)
            columns["gender"].append(gender_of(item.concept, item.labels))
            columns["tone"].append(tone_of(item.concept, item.labels))
            columns["part"].append(part_of(item.concept))
            columns["style"].append(item.labels["style"])
        np.savez_compressed(kept, **{name: np.array(rows) for name, rows in columns.items()})  # type: ignore[arg-type]
    with np.load(kept) as tables:
        return Drawings(**{name: tables[name] for name in Drawings.__slots__})


def train(folder: str, out: Path, cache: Path, steps: int = 1500) -> dict[str, Any]:
    """Fit, measure and write `out`; returns what card.json says."""
    try:
        from . import network
    except ImportError as exc:
        raise TrainError(
            f"asked to train, found no {exc.name}; install the extras generate and train"
        ) from exc
    drawings = draw(folder, cache)
    out.mkdir(parents=True, exist_ok=True)
    views = drawings.views()
    used = drawings.known & (drawings.part == "train") & (drawings.gender != "")
    truths = np.array([GENDERS.index(g) if g else -1 for g in drawings.gender])
    weights = np.array([_WEIGHTS[g] for g in drawings.gender[used]])
    for value in GENDERS:
        weights[drawings.gender[used] == value] /= max(1, (drawings.gender[used] == value).sum())
    net = network.fitted(
        cache / "network.pt", views[used], truths[used], weights,
        steps=steps, seed=0, watch=_Logged(),
    )  # fmt: skip
    network.export(net, out / "gender.onnx")
    mirrored = np.ascontiguousarray(views[:, :, ::-1])
    logits = (network.logits_of(net, views) + network.logits_of(net, mirrored)) / 2
    heat = _temperature(logits, truths, drawings.known & (drawings.part == "calibrate"))
    _fit_palette(drawings, views, out / "palette.npz")
    card = {"temperature": heat, "least": _LEAST, "steps": steps, "confusion": {}, "other": {}}
    (out / "card.json").write_text(json.dumps(_measured(drawings, out, card), indent=1) + "\n")
    return card


def _temperature(
    logits: NDArray[np.floating[Any]], truths: NDArray[np.int64], chosen: NDArray[np.bool_]
) -> float:
    """The temperature with the least log loss on the chosen drawings (Guo et al., ICML 2017)."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    rows = np.flatnonzero(chosen & (truths >= 0))

    def loss(heat: float) -> float:
        said = log_softmax(logits[rows] / heat, axis=1)
        return -float(said[np.arange(len(rows)), truths[rows]].mean())

    return round(float(minimize_scalar(loss, bounds=(0.3, 5), method="bounded").x), 3)


def _fit_palette(drawings: Drawings, views: NDArray[np.uint8], path: Path) -> None:
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    rows = np.flatnonzero(drawings.known & (drawings.part == "train") & (drawings.tone != ""))
    colours = [lab_of(views[i].reshape(-1, 3)[rng.integers(0, 4096, 150)]) for i in rows]
    drawn = np.concatenate([lab[lab[:, 0] < WHITE] for lab in colours])
    means = MiniBatchKMeans(CENTRES, n_init=1, batch_size=8192, random_state=0).fit(drawn)
    centres = means.cluster_centers_.astype(np.float32)
    features = np.stack([shares(views[i], centres) for i in rows])
    truths = [TONES.index(t) for t in drawings.tone[rows]]
    model = LogisticRegression(C=10, max_iter=3000).fit(features, truths)
    np.savez_compressed(
        path, centres=centres, weight=model.coef_.astype(np.float32),
        bias=model.intercept_.astype(np.float32),
    )  # fmt: skip


def _measured(drawings: Drawings, out: Path, card: dict[str, Any]) -> dict[str, Any]:
    """Add the confusion matrices to the card: test roles, and other vendors' drawings."""
    from .part import Emoji

    for name in (GENDER, TONE):
        card["confusion"][name] = {
            "labels": ["x"],
            "counts": [[0]],
            "abstained": [0],
            "measured_on": "",
        }
    (out / "card.json").write_text(json.dumps(card))
    estimator = Emoji(str(out))
    splits = {
        "confusion": (
            drawings.known & (drawings.part == "test"),
            "drawings of roles never seen, of the sets fitted to; labels are the Unicode names",
        ),
        "other": (
            ~drawings.known,
            "drawings of the sets emojione and fxemoji, never seen; labels are the Unicode names",
        ),
    }
    for key, (chosen, words) in splits.items():
        answers = {int(i): answer_of(estimator, drawings.pixels[i]) for i in np.flatnonzero(chosen)}
        for name, truths in ((GENDER, drawings.gender), (TONE, drawings.tone)):
            pairs = [(str(truths[i]), said[name]) for i, said in answers.items() if truths[i]]
            values = [*GENDERS] if name == GENDER else [*TONES, "unclear", "none"]
            card[key][name] = {**tabled(values, pairs), "measured_on": words}
    return card


def answer_of(estimator: Any, pixels: NDArray[np.uint8]) -> dict[str, str]:
    """What the estimator answers for a drawing: attribute → value, empty for no answer."""
    return {e.attribute: e.value for e in estimator.estimate(pixels)}


def tabled(labels: list[str], pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Count (truth, answer) pairs into a confusion matrix; an empty answer is an abstention."""
    counts = [[sum(p == (t, a) for p in pairs) for a in labels] for t in labels]
    return {
        "labels": labels,
        "counts": counts,
        "abstained": [sum(p == (t, "") for p in pairs) for t in labels],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(prog="python -m sdk_auditor_emoji.train")
    parser.add_argument("--folder", default="node_modules")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("emoji-cache"))
    parser.add_argument("--steps", type=int, default=1500)
    asked = parser.parse_args(arguments)
    train(asked.folder, asked.out, asked.cache, asked.steps)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    main()
