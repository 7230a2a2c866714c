"""What the restorers give back on drawings of concepts that they were not trained on.

    python benchmarks/restorers.py --data data/icons --denoise denoise --colourise colourise

Prints JSON: mean PSNR (dB) over pictures of split held-out, and colourfulness (Hasler and
Süsstrunk 2003, M3).  Denoising is compared with the spoilt picture itself and with a bilateral
filter (Tomasi and Manduchi 1998) whose two widths are the best of six on these very pictures, which
favours it; colourising with leaving the picture grey.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from sdk_restorers.material import spoil

from sdk import Picture, Registry, Request
from sdk.contract import Quiet
from sdk.evaluation.codec import psnr

MOST_DB = 60.0
"""One spoilt picture in 64 is the clean one, whose ratio has no bound."""
_LUMA = np.array([0.299, 0.587, 0.114])


def bilateral(pixels: np.ndarray, near: float, alike: float, radius: int = 3) -> np.ndarray:
    """Weighted mean of neighbours, by distance (pixels) and by likeness (levels)."""
    given = pixels.astype(np.float32)
    padded = np.pad(given, ((radius, radius), (radius, radius), (0, 0)), "edge")
    total, weight = np.zeros_like(given), np.zeros((*given.shape[:2], 1), np.float32)
    height, width = given.shape[:2]
    for y in range(-radius, radius + 1):
        for x in range(-radius, radius + 1):
            other = padded[radius + y : radius + y + height, radius + x : radius + x + width]
            gap = np.square(other - given).mean(2, keepdims=True) / (2 * alike**2)
            share = np.exp(-(x * x + y * y) / (2 * near**2) - gap)
            total += share * other
            weight += share
    return (total / weight).round().astype(np.uint8)


def colourfulness(pixels: np.ndarray) -> float:
    """M3: 0 for grey, 15 slightly, 33 moderately, 59 quite, 82 highly colourful."""
    red, green, blue = (pixels[..., i].astype(float) for i in range(3))
    one, other = red - green, (red + green) / 2 - blue
    spread = np.hypot(one.std(), other.std())
    return float(spread + 0.3 * np.hypot(one.mean(), other.mean()))


def denoising(pictures: list[np.ndarray], model: str) -> dict[str, float]:
    """PSNR of spoilt, filtered and mended pictures."""
    part = Registry().make("refiner", "denoise", {"model": model})
    rng = np.random.default_rng(0)
    worse = [spoil(one, rng) for one in pictures]
    ask = Request(prompt="denoise")

    def mean(made: list[np.ndarray]) -> float:
        found = [min(MOST_DB, psnr(*pair)) for pair in zip(pictures, made, strict=True)]
        return round(float(np.mean(found)), 2)

    widths = [(near, alike) for near in (1.0, 2.0) for alike in (12.0, 25.0, 50.0)]
    return {
        "spoilt": mean(worse),
        "bilateral, best of six": max(mean([bilateral(w, *o) for w in worse]) for o in widths),
        "network": mean([part.refine(Picture(one), ask, Quiet()) for one in worse]),
    }


def colouring(
    pictures: list[np.ndarray], captions: list[str], model: str
) -> dict[str, dict[str, float]]:
    """PSNR and colourfulness of grey, coloured and real pictures."""
    part = Registry().make("refiner", "colourise", {"model": model})
    greys = [np.repeat((p @ _LUMA).round().astype(np.uint8)[..., None], 3, 2) for p in pictures]
    made = {
        "grey": greys,
        "network, no words": [part.paint(one, "", Quiet()) for one in greys],
        "network, caption": [
            part.paint(one, said, Quiet()) for one, said in zip(greys, captions, strict=True)
        ],
        "real": pictures,
    }
    return {
        name: {
            "psnr_db": round(
                float(
                    np.mean(
                        [min(MOST_DB, psnr(*pair)) for pair in zip(pictures, some, strict=True)]
                    )
                ),
                2,
            ),
            "colourfulness": round(float(np.mean([colourfulness(one) for one in some])), 1),
        }
        for name, some in made.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--data", required=True)
    parser.add_argument("--denoise", default="denoise")
    parser.add_argument("--colourise", default="colourise")
    parser.add_argument("--count", type=int, default=150)
    given = parser.parse_args()
    data = Registry().make("dataset", "prepared", {"folder": given.data, "split": "held-out"})
    items = [item for item in data.items(Quiet()) if item.pixels is not None]
    chosen = [items[i] for i in np.linspace(0, len(items) - 1, given.count).astype(int)]
    pictures = [np.asarray(item.pixels) for item in chosen]
    found: dict[str, object] = {"pictures": len(pictures)}
    if given.denoise:
        found["denoise"] = denoising(pictures, given.denoise)
    if given.colourise:
        found["colourise"] = colouring(pictures, [i.caption for i in chosen], given.colourise)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
