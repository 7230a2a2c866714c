"""How well the small bundled generators draw what is asked: one picture for each everyday thing.

    python benchmarks/generators.py --data data/icons vae gan progressive-gan dit

`data/icons` is the folder that `make data` writes.  For each model it prints JSON with

- kid: kernel inception distance (arXiv:1801.01401: cubic kernel, unbiased) between the drawn and
  the real everyday drawings, times 1000, on features of the nearest-copy auditor's network (ours,
  128 numbers), not Inception: comparable with each other, with nobody else's;
- r1, r5: how often the asked thing is the first, or among the first five, of all everyday things
  when they are ranked by cosine to the mean feature of their real drawings; chance is r1_chance;
- unseen_r5: the same of the things in the split `held-out`, which training leaves out;
- spread: the mean cosine distance of two seeds of the same words, and real_spread that of two real
  drawings of the same thing: how much one prompt may differ;
- copies: share of pictures that the auditor scores .9 and more;
- ms: median milliseconds of one thread for a picture.

The network was trained to forgive tints, so none of this says whether colours are right.
"""

from __future__ import annotations

import argparse
import json
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from sdk import Item, Picture, Pixels, Registry, Request
from sdk.contract import Quiet
from sdk.models import backend_of


def everyday(folder: str, split: str) -> list[Item]:
    """Real drawings of everyday things in a split, 128 pixels a side."""
    icons = Registry().make("dataset", "prepared", {"folder": folder, "split": split})
    return [item for item in icons.items(Quiet()) if item.labels.get("everyday")]


class Ruler:
    """Features of the real drawings, and where each thing is among them."""

    def __init__(self, folder: str) -> None:
        self.copies = Registry().make("auditor", "copies")
        real = everyday(folder, "all")
        self.unseen = {item.concept for item in everyday(folder, "held-out")}
        self.concepts = sorted({item.concept for item in real})
        self.known = np.concatenate([self.features(item.pixels) for item in real])
        which = np.array([self.concepts.index(item.concept) for item in real])
        groups = [self.known[which == index] for index in range(len(self.concepts))]
        centres = np.stack([group.mean(0) for group in groups])
        self.centres = centres / np.linalg.norm(centres, axis=1, keepdims=True)
        self.spread = float(np.mean([apart(group) for group in groups if len(group) > 1]))

    def features(self, pixels: Pixels) -> np.ndarray:
        """(1, 128) unit vectors."""
        return self.copies._network.embed(Picture(pixels).resized(128)[None])

    def ranks(self, drawn: np.ndarray, asked: list[int]) -> np.ndarray:
        """How many things each drawing is nearer to than to the asked one."""
        return (-(drawn @ self.centres.T)).argsort(1).argsort(1)[np.arange(len(drawn)), asked]

    def is_copy(self, picture: Picture) -> bool:
        """Whether the auditor scores it .9 or more."""
        found = self.copies.audit(picture, Request(prompt="x"))
        return bool(found) and found[0].score >= 0.9


def apart(features: np.ndarray) -> float:
    """Mean cosine distance of two of them."""
    grid = features @ features.T
    return 1 - float((grid.sum() - np.trace(grid)) / (len(grid) * (len(grid) - 1)))


def measure(model: str, ruler: Ruler, every: int = 1) -> dict[str, object]:
    """Draw two pictures for each concept, or every n-th, and compare with the real drawings."""
    backend = Registry().make("backend", backend_of(model) or "diffusion", {"model": model})
    able = backend.capabilities
    took: list[float] = []

    def draw(index: int, seed: int) -> Picture:
        asked = Request(
            prompt=ruler.concepts[index].lower(),
            seed=seed,
            width=able.width,
            height=able.height,
            steps=able.steps,
            guidance_scale=able.guidance_scale,
        )
        begun = time.thread_time()
        picture = Picture(backend.render([asked], Quiet())[0])
        took.append(time.thread_time() - begun)
        return picture

    asked = list(range(0, len(ruler.concepts), every))
    pictures = [draw(index, index) for index in asked]
    drawn = np.concatenate([ruler.features(picture.pixels) for picture in pictures])
    again = np.concatenate([ruler.features(draw(i, 1000 + i).pixels) for i in asked])
    ranks = ruler.ranks(drawn, asked)
    unseen = np.array([ruler.concepts[index] in ruler.unseen for index in asked])
    return {
        "model": model,
        "sha256": backend.model.sha256,
        "pictures": len(drawn),
        "kid": round(1000 * kid(drawn, ruler.known), 1),
        "r1": round(float((ranks < 1).mean()), 3),
        "r5": round(float((ranks < 5).mean()), 3),
        "r1_chance": round(1 / len(ruler.concepts), 4),
        "unseen": int(unseen.sum()),
        "unseen_r5": round(float((ranks[unseen] < 5).mean()), 3) if unseen.any() else None,
        "spread": round(float(1 - (drawn * again).sum(1).mean()), 3),
        "real_spread": round(ruler.spread, 3),
        "copies": round(float(np.mean([ruler.is_copy(picture) for picture in pictures])), 3),
        "ms": round(1000 * float(np.median(took)), 1),
    }


def kid(one: np.ndarray, other: np.ndarray) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel (x·y/d + 1)³ of scaled features."""
    one, other = (x * np.sqrt(x.shape[1]) for x in (one, other))

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def within(a: np.ndarray) -> float:
        grid = kernel(a, a)
        return float((grid.sum() - np.trace(grid)) / (len(a) * (len(a) - 1)))

    return within(one) + within(other) - 2 * float(kernel(one, other).mean())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure the small generators.")
    parser.add_argument("--data", required=True, help="prepared folder, see make data")
    parser.add_argument("--every", type=int, default=1, help="draw only every n-th thing")
    parser.add_argument("models", nargs="+")
    given = parser.parse_args()
    real_drawings = Ruler(given.data)
    for name in given.models:
        print(json.dumps(measure(name, real_drawings, given.every)), flush=True)
