"""How well the small bundled generators draw what is asked: one picture for each everyday thing.

    python benchmarks/generators.py --folder node_modules vae gan progressive-gan dit

`node_modules` holds the packages of docs/training/icons.md.  For each model it prints JSON with

- kid: kernel inception distance (arXiv:1801.01401: cubic kernel, unbiased) between the drawn and
  the real everyday drawings, times 1000, on features of the nearest-copy auditor's network (ours,
  128 numbers), not Inception: comparable with each other, with nobody else's;
- r1, r5: how often the asked thing is the first, or among the first five, of all everyday things
  when they are ranked by cosine to the mean feature of their real drawings; chance is r1_chance;
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

from sdk import Item, Picture, Registry, Request
from sdk.contract import Quiet
from sdk.models import backend_of


def everyday(folder: str) -> list[Item]:
    """Real drawings of everyday things, 128 pixels a side."""
    icons = Registry().make("dataset", "icons", {"folder": folder})
    items = (item for item in icons.items(Quiet()) if not item.excluded)
    return [item for item in items if item.labels.get("everyday")]


def measure(model: str, real: list[Item], every: int = 1) -> dict[str, object]:
    """Draw one picture for each concept, or every n-th, and compare with the real drawings."""
    copies = Registry().make("auditor", "copies")
    backend = Registry().make("backend", backend_of(model) or "diffusion", {"model": model})
    able = backend.capabilities
    concepts = sorted({item.concept for item in real})
    pictures, took = [], []
    asked_for = range(0, len(concepts), every)
    for seed in asked_for:
        asked = Request(
            prompt=concepts[seed].lower(),
            seed=seed,
            width=able.width,
            height=able.height,
            steps=able.steps,
            guidance_scale=able.guidance_scale,
        )
        begun = time.thread_time()
        pictures.append(Picture(backend.render([asked], Quiet())[0]))
        took.append(time.thread_time() - begun)
    network = copies._network
    known = np.concatenate([network.embed(item.pixels[None]) for item in real])
    drawn = np.concatenate([network.embed(p.resized(128)[None]) for p in pictures])
    which = np.array([concepts.index(item.concept) for item in real])
    centres = np.stack([known[which == i].mean(0) for i in range(len(concepts))])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    ranks = (-(drawn @ centres.T)).argsort(1).argsort(1)[np.arange(len(drawn)), asked_for]
    scores = [f[0].score for p in pictures if (f := copies.audit(p, Request(prompt="x")))]
    return {
        "model": model,
        "sha256": backend.model.sha256,
        "pictures": len(drawn),
        "kid": round(1000 * kid(drawn, known), 1),
        "r1": round(float((ranks < 1).mean()), 3),
        "r5": round(float((ranks < 5).mean()), 3),
        "r1_chance": round(1 / len(concepts), 4),
        "copies": round(float(np.mean(np.array(scores) >= 0.9)), 3),
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
    parser.add_argument("--folder", required=True, help="node_modules with the icon packages")
    parser.add_argument("--every", type=int, default=1, help="draw only every n-th thing")
    parser.add_argument("models", nargs="+")
    given = parser.parse_args()
    found = everyday(given.folder)
    for name in given.models:
        print(json.dumps(measure(name, found, given.every)))
