"""Measure the nearest-copy auditor: what copies score, and what drawings of others score.

    npm install …                      # as plugins/sdk_dataset_icons says
    python benchmarks/auditor_copies.py node_modules 400

Prints the tables of docs/auditors/copies.md.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image
from sdk_auditor_copies import Copies
from sdk_auditor_copies.build import Unwatched
from sdk_auditor_copies.index import Index
from sdk_dataset_icons import Icons

from sdk import Item, Picture, Request
from sdk.pixels import admit_pixels

REQUEST = Request(prompt="a shape")


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return Image.open(out).convert("RGB")


def crop(image: Image.Image, share: float) -> Image.Image:
    edge = round(image.width * share / 2)
    return image.crop((edge, edge, image.width - edge, image.height - edge))


def turn(image: Image.Image, degrees: float) -> Image.Image:
    return image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor="white")


def noisy(image: Image.Image) -> Image.Image:
    grain = np.random.default_rng(0).normal(0, 12, (image.height, image.width, 3))
    return Image.fromarray((np.asarray(image) + grain).clip(0, 255).astype(np.uint8))


def mirror(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "identical": lambda image: image,
    "JPEG 50": lambda image: jpeg(image, 50),
    "resized to 64": lambda image: image.resize((64, 64), Image.Resampling.BOX),
    "resized to 320": lambda image: image.resize((320, 320)),
    "cropped 5 %": lambda image: crop(image, 0.05),
    "cropped 15 %": lambda image: crop(image, 0.15),
    "mirrored": mirror,
    "turned 5°": lambda image: turn(image, 5),
    "turned 10°": lambda image: turn(image, 10),
    "noise, sigma 12": noisy,
    "grey": lambda image: image.convert("L").convert("RGB"),
    "mirrored, turned 7°, cropped 4 %, JPEG 70": lambda image: jpeg(
        crop(turn(mirror(image), 7), 0.04), 70
    ),
}


def line(name: str, scores: Sequence[float], right: float | None) -> str:
    cells = [f"{np.quantile(scores, q):.3f}" for q in (0.01, 0.05, 0.5, 0.95, 0.99)]
    share = np.mean(np.array(scores) >= 0.9)
    named = "" if right is None else f"{right:.3f}"
    return " | ".join([f"| {name}", named, *cells, f"{share:.3f} |"])


def copies(auditor: Copies, some: Sequence[Item]) -> None:
    for name, change in COPIES.items():
        scores, right = [], 0
        for item in some:
            changed = np.asarray(change(Image.fromarray(item.pixels)))
            picture = Picture(admit_pixels(changed))
            for found in auditor.audit(picture, REQUEST):
                scores.append(found.score)
                right += f"nearest: {item.id} " in found.note
        print(line(name, scores, right / len(scores)), flush=True)


def others(auditor: Copies, some: Sequence[Item], concepts: dict[str, str]) -> None:
    """Look for each picture among the other vendors' only."""
    full = auditor._index
    vendors = np.array([entry.id.split(":")[0] for entry in full.entries])
    drawn = np.array([concepts[entry.id] for entry in full.entries])
    near: dict[str, list[float]] = {
        "nearest of other vendors": [],
        "same concept, other vendor": [],
    }
    for item in some:
        foreign = vendors != item.id.split(":")[0]
        for name, mask in zip(near, (foreign, foreign & (drawn == item.concept)), strict=True):
            if mask.any():
                auditor._index = part(full, mask)
                found = auditor.audit(Picture(admit_pixels(item.pixels)), REQUEST)
                near[name] += [one.score for one in found]
    auditor._index = full
    for name, scores in near.items():
        print(line(name, scores, None), flush=True)


def part(full: Index, mask: np.ndarray) -> Index:
    chosen = np.flatnonzero(mask)
    entries = [full.entries[i] for i in chosen]
    return Index(entries, full._hashes[mask], full._features.T[mask], full.network_sha256)


def main(folder: str, count: int) -> None:
    items = [item for item in Icons(folder).items(Unwatched()) if not item.excluded]
    concepts = {item.id: item.concept for item in items}
    auditor = Copies()
    known = {entry.id for entry in auditor._index.entries}
    distinct = [item for item in items if item.id in known]
    chosen = np.random.default_rng(7).choice(len(distinct), count, replace=False)
    some = [distinct[i] for i in chosen]
    print("| | nearest is right | 1 % | 5 % | median | 95 % | 99 % | at least .9 |")
    print("|---|---|---|---|---|---|---|---|")
    copies(auditor, some)
    others(auditor, some, concepts)
    pictures = [Picture(admit_pixels(item.pixels)) for item in some]
    start = time.process_time()
    for picture in pictures:
        auditor.audit(picture, REQUEST)
    print(f"\n{(time.process_time() - start) / len(some) * 1000:.1f} ms of one core a picture")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
