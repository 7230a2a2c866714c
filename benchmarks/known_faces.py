"""How far apart one face and other faces are for a network: what a threshold must lie between.

    python benchmarks/known_faces.py NET.onnx LAYOUT PORTRAIT GROUP…

PORTRAIT shows one face, which is compared with itself after ordinary changes, and with every face
of the groups.  Two faces of one group picture are two people.  Nobody is named, nothing is kept.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import itertools
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter
from sdk_image_knownfaces.enrolment import face_finder
from sdk_image_knownfaces.network import Embedder

from sdk.pixels import admit_pixels

Picture = Image.Image


def jpeg(picture: Picture) -> Picture:
    file = io.BytesIO()
    picture.save(file, "jpeg", quality=30)
    return Image.open(file).convert("RGB")


def resized(share: float) -> object:
    return lambda p: p.resize((round(p.width * share), round(p.height * share)))


CHANGES = {
    "JPEG 30": jpeg,
    "half size": resized(0.5),
    "a third": resized(1 / 3),
    "a quarter": resized(0.25),
    "mirrored": lambda p: p.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned by 20 degrees": lambda p: p.rotate(20, Image.Resampling.BICUBIC),
    "brightness 1.4": lambda p: ImageEnhance.Brightness(p).enhance(1.4),
    "brightness 0.6": lambda p: ImageEnhance.Brightness(p).enhance(0.6),
    "grey": lambda p: p.convert("L").convert("RGB"),
    "blurred, 2 px": lambda p: p.filter(ImageFilter.GaussianBlur(2)),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("weights", type=Path)
    parser.add_argument("layout")
    parser.add_argument("portrait", type=Path)
    parser.add_argument("groups", type=Path, nargs="+")
    given = parser.parse_args()
    sha256 = hashlib.sha256(given.weights.read_bytes()).hexdigest()
    net, finder = Embedder(str(given.weights), sha256, given.layout), face_finder()

    def faces(picture: Picture) -> list[tuple[float, np.ndarray]]:
        pixels = admit_pixels(np.asarray(picture.convert("RGB")))
        found = finder.find(pixels, thorough=True)
        return [(face.side, net.embed(pixels, face)) for face in found]

    portrait = Image.open(given.portrait).convert("RGB")
    side, own = max(faces(portrait), key=lambda face: face[0])
    print(f"the portrait's face is {side:.0f} pixels wide")
    for name, change in CHANGES.items():
        side, again = max(faces(change(portrait)), key=lambda face: face[0])
        print(f"  {name:<22} {side:>4.0f} px  cosine {float(own @ again):.3f}")
    groups = [faces(Image.open(path)) for path in given.groups]
    others = sorted(float(own @ face) for group in groups for _, face in group)
    print(f"with {len(others)} other faces: {others[0]:.3f} to {others[-1]:.3f}")
    pairs = [itertools.combinations(group, 2) for group in groups]
    within = sorted(float(a @ b) for pair in pairs for (_, a), (_, b) in pair)
    print(f"between {len(within)} pairs in one picture: {within[0]:.3f} to {within[-1]:.3f}")
    start, pixels = time.process_time(), admit_pixels(np.asarray(portrait))
    for _ in range(10):
        found = finder.find(pixels, thorough=True)
    middle = time.process_time()
    for _ in range(10):
        net.embed(pixels, found[0])
    now = time.process_time()
    print(f"CPU: {100 * (middle - start):.0f} ms to look, {100 * (now - middle):.1f} ms a face")


if __name__ == "__main__":
    main()
