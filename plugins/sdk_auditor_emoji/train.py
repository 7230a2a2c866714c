"""Train the emoji estimator from icons and the starter model's pictures, and measure it.

    python -m sdk_auditor_emoji.own_art --folder node_modules --cache emoji-cache
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
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdk import TrainError, lab_of

from .drawings import Drawings, Logged, draw, own_model, read_own
from .labels import GENDER, GENDERS, TONE, TONES
from .palette import WHITE, shares

CENTRES = 96
STEPS, RATE = 1600, 3e-3
OWN_SHARE = 0.25
"""Of what is drawn by weight; that is about half of a batch, the other half are matched icons."""
LEAST = {GENDER: 0.65, TONE: 0.6}
"""Probability below which there is no answer.  On icons of the roles to calibrate .65 answers for
72 % of the persons, .87 right; .75 for 62 %, .90 right; .8 for 56 %, .92 right."""


def train(folder: str, out: Path, cache: Path, steps: int = STEPS) -> dict[str, Any]:
    """Fit, measure and write `out`; returns what card.json says."""
    try:
        from . import network
    except ImportError as exc:
        raise TrainError(
            f"asked to train, found no {exc.name}; install the extras generate and train"
        ) from exc
    drawings, own = draw(folder, cache), read_own(cache)
    out.mkdir(parents=True, exist_ok=True)
    material = drawings.material(drawings.rows("train")).joined(
        own.material(own.rows("train")), OWN_SHARE
    )
    net = network.fitted(cache / "network.pt", material, steps=steps, rate=RATE, watch=Logged())
    network.export(net, out / "gender.onnx")
    _fit_palette(drawings, out / "palette.npz")
    card = {"temperature": _heat(net, drawings, own), "least": LEAST, "steps": steps}
    (out / "card.json").write_text(
        json.dumps(measured(drawings, own, out, card, own_model(cache)), indent=1) + "\n"
    )
    return card


def _heat(net: Any, *arts: Drawings) -> float:
    """The temperature, by roles that are neither fitted to nor tested."""
    from .network import logits_of

    said, truths = [], []
    for art in arts:
        rows = art.rows("calibrate")
        views = art.views(rows)
        mirrored = np.ascontiguousarray(views[:, :, ::-1])
        said.append((logits_of(net, views) + logits_of(net, mirrored)) / 2)
        truths.append(np.array([GENDERS.index(g) for g in art.gender[rows]]))
    return _temperature(np.concatenate(said), np.concatenate(truths))


def _temperature(logits: NDArray[np.floating[Any]], truths: NDArray[np.int64]) -> float:
    """The temperature with the least log loss (Guo et al., ICML 2017)."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    def loss(heat: float) -> float:
        said = log_softmax(logits / heat, axis=1)
        return -float(said[np.arange(len(said)), truths].mean())

    return round(float(minimize_scalar(loss, bounds=(0.3, 5), method="bounded").x), 3)


def _fit_palette(drawings: Drawings, path: Path) -> None:
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    rows = np.flatnonzero(drawings.known & (drawings.part == "train") & (drawings.tone != ""))
    views = drawings.views(rows)
    colours = [lab_of(view.reshape(-1, 3)[rng.integers(0, 4096, 150)]) for view in views]
    drawn = np.concatenate([lab[lab[:, 0] < WHITE] for lab in colours])
    means = MiniBatchKMeans(CENTRES, n_init=1, batch_size=8192, random_state=0).fit(drawn)
    centres = means.cluster_centers_.astype(np.float32)
    features = np.stack([shares(view, centres) for view in views])
    truths = [TONES.index(t) for t in drawings.tone[rows]]
    model = LogisticRegression(C=10, max_iter=3000).fit(features, truths)
    np.savez_compressed(
        path, centres=centres, weight=model.coef_.astype(np.float32),
        bias=model.intercept_.astype(np.float32),
    )  # fmt: skip


def measured(
    drawings: Drawings, own: Drawings, out: Path, card: dict[str, Any], model: str
) -> dict[str, Any]:
    """Add the confusion matrices to the card: test roles of each art, and other vendors' icons."""
    from .part import Emoji

    empty = {"labels": ["x"], "counts": [[0]], "abstained": [0], "measured_on": ""}
    card["confusion"] = dict.fromkeys((GENDER, TONE), empty)
    card["models"] = {}
    (out / "card.json").write_text(json.dumps(card))
    estimator = Emoji(str(out))
    by_words = "drawings of roles never seen by the embedded model; labels are the words asked for"
    card["confusion"] = _tables(estimator, drawings, drawings.known & (drawings.part == "test"), (
        "drawings of roles never seen, of the sets fitted to; labels are the Unicode names"
    ))  # fmt: skip
    card["other"] = _tables(estimator, drawings, ~drawings.known, (
        "drawings of the sets emojione and fxemoji, never seen; labels are the Unicode names"
    ))  # fmt: skip
    card["models"] = {model: _tables(estimator, own, own.part == "test", by_words)}
    return card


def _tables(
    estimator: Any, art: Drawings, chosen: NDArray[np.bool_], words: str
) -> dict[str, dict[str, Any]]:
    answers = {int(i): answer_of(estimator, art.pixels[i]) for i in np.flatnonzero(chosen)}
    found = {}
    for name, truths in ((GENDER, art.gender), (TONE, art.tone)):
        pairs = [(str(truths[i]), said[name]) for i, said in answers.items() if truths[i]]
        values = [*GENDERS] if name == GENDER else [*TONES, "unclear", "none"]
        found[name] = {**tabled(values, pairs), "measured_on": words}
    return found


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
