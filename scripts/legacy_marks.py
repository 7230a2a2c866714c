"""Ask invisible-watermark itself: write vectors for tests/test_legacy.py, compare, time, calibrate.

    python -m venv build/iw
    build/iw/bin/pip install --no-deps invisible-watermark==0.2.0
    build/iw/bin/pip install PyWavelets opencv-python-headless numpy pillow
    PYTHONPATH=. build/iw/bin/python scripts/legacy_marks.py            # writes tests/legacy
    PYTHONPATH=. build/iw/bin/python scripts/legacy_marks.py --time     # prints ratios
    PYTHONPATH=. build/iw/bin/python scripts/legacy_marks.py --compare FOLDER
    PYTHONPATH=. build/iw/bin/python scripts/legacy_marks.py --calibrate FOLDER

The library imports torch for a method that is not used here; an empty module stands in for it.
"""

import argparse
import io
import json
import sys
import time
from collections import Counter
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image

from sdk.legacy import KNOWN, Message, carries, constant_marks, decode

sys.modules.setdefault("torch", ModuleType("torch"))
FOLDER = Path(__file__).parents[1] / "tests" / "legacy"
METHODS = ("dwtDct", "dwtDctSvd")
SIZES = ((256, 256), (300, 259), (512, 131), (263, 402))
LENGTHS = (32, 46, 48, 64, 136)
MARKED = {"sdxl": 0, "invokeai": 2}


def drawn(number, width, height):
    """A picture by whole numbers alone, so that it is the same everywhere, (H, W, 3) uint8."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    slow = np.stack([x * (3 + number) + y, y * 5 + 40 * number, x + y * 2], axis=2) // 4
    grain = (x * 7919 + y * 104729 + x * y * (31 + number)) // 13 % (4 + 9 * number)
    edges = ((x // (16 + number) + y // 24) % 2) * 9 * number
    return ((slow + grain[..., None] * [1, 2, 3] + edges[..., None]) % 256).astype(np.uint8)


def library(pixels, length, method):
    """The library's bits, (length,) bool."""
    from imwatermark import WatermarkDecoder

    found = WatermarkDecoder("bits", length).decode(np.ascontiguousarray(pixels[..., ::-1]), method)
    return np.asarray(found, bool)


def marked(pixels, message, method="dwtDct"):
    """The library's mark, (H, W, 3) uint8 RGB."""
    from imwatermark import WatermarkEncoder

    encoder = WatermarkEncoder()
    encoder.set_watermark("bits", list(message.bits))
    bgr = encoder.encode(np.ascontiguousarray(pixels[..., ::-1]), method)
    return np.ascontiguousarray(bgr[..., ::-1])


def write():
    """Write the pictures and the answers."""
    FOLDER.mkdir(exist_ok=True)
    rows = []
    for name, index in MARKED.items():
        pixels = marked(drawn(index, 256, 256), KNOWN[index])
        Image.fromarray(pixels).save(FOLDER / f"{name}.png", optimize=True)
        rows += [vector(f"{name}.png", pixels, method, n) for method in METHODS for n in LENGTHS]
    for number in range(6):
        for width, height in SIZES:
            pixels = drawn(number, width, height)
            rows += [
                vector([number, width, height], pixels, method, n)
                for method in METHODS
                for n in LENGTHS
            ]
    text = ",\n".join(json.dumps(row) for row in rows)
    (FOLDER / "vectors.json").write_text(f"[\n{text}\n]\n")


def vector(picture, pixels, method, length):
    """One answer of the library."""
    bits = np.packbits(library(pixels, length, method)).tobytes().hex()
    return {"picture": picture, "method": method, "length": length, "bits": bits}


def compare(folder):
    """Count bits that differ, over pictures of a folder, plain and marked."""
    count = differ = 0
    for path in pictures(folder):
        picture = Image.open(path).convert("RGB")
        picture.thumbnail((800, 800))
        plain = np.asarray(picture)
        if plain.shape[0] * plain.shape[1] < 65536:
            continue
        for method in METHODS:
            for pixels in (plain, marked(plain, KNOWN[0], method)):
                for length in LENGTHS:
                    wrong = library(pixels, length, method) != decode(pixels, length, method)
                    count, differ = count + length, differ + int(wrong.sum())
    print(f"{differ} of {count:,} bits differ")


def calibrate(folder):
    """How often p is so low in unmarked pictures, and how many marks of the library are claimed.

    A picture stands for 64 questions more: the same messages, each turned by a random number of
    bits, which no picture carries.
    """
    rng, due = np.random.default_rng(0), (-1, -2, -3, -4, -5, -6)
    known, turned, counts = [], [], Counter()
    for path in pictures(folder):
        picture = Image.open(path).convert("RGB")
        picture.thumbnail((768, 768))
        plain = np.asarray(picture)
        if plain.shape[0] * plain.shape[1] < 65536:
            continue
        known += [carries(plain, message).log10_p for message in KNOWN]
        for _ in range(64):
            message = KNOWN[int(rng.integers(len(KNOWN)))]
            bits = tuple(np.roll(message.bits, int(rng.integers(1, len(message.bits)))).tolist())
            turned.append(carries(plain, Message(name="turned", bits=bits)).log10_p)
        counts["claimed unmarked"] += bool(constant_marks(plain))
        counts["pictures"] += 1
        for message in (KNOWN[0], KNOWN[2]):
            for quality in (0, 95, 90, 75):
                pixels = encoded(marked(plain, message), quality)
                name = f"{message.name}, {f'JPEG {quality}' if quality else 'as it is'}"
                counts[f"{name}: claimed"] += message in [s.message for s in constant_marks(pixels)]
                right = np.array_equal(
                    decode(pixels, len(message.bits)), np.array(message.bits, bool)
                )
                counts[f"{name}: every bit right"] += right
    for name, values in (("known", known), ("turned", turned)):
        seen = {step: sum(v <= step for v in values) for step in due}
        print(name, len(values), {s: (n, round(len(values) * 10.0**s, 2)) for s, n in seen.items()})
    print(json.dumps(counts, indent=1))


def pictures(folder):
    """Picture files, in order."""
    return sorted(p for p in folder.rglob("*") if p.suffix in (".png", ".jpg", ".webp"))


def encoded(pixels, quality):
    """JPEG with 4:2:0 chroma, or as it is for 0."""
    if not quality:
        return pixels
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "jpeg", quality=quality, subsampling=2)
    return np.asarray(Image.open(file))


def times():
    """CPU of one thread, least of three, milliseconds, and how many times as long it takes."""
    import cv2

    cv2.setNumThreads(1)
    for side in (512, 1024, 2048):
        pixels = drawn(3, side, side)
        for method in METHODS:
            theirs = least(lambda p=pixels, m=method: library(p, 48, m))
            ours = least(lambda p=pixels, m=method: decode(p, 48, m))
            print(f"{side} {method}: {theirs:.1f} ms, ours {ours:.2f} ms, {theirs / ours:.0f}x")
        every = least(lambda p=pixels: constant_marks(p))
        print(f"{side} all known messages: {every:.2f} ms")


def least(work):
    """CPU milliseconds, the least of three."""
    spent = []
    for _ in range(3):
        start = time.thread_time()
        work()
        spent.append(1000 * (time.thread_time() - start))
    return min(spent)


if __name__ == "__main__":
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--time", action="store_true")
    ask.add_argument("--compare", type=Path)
    ask.add_argument("--calibrate", type=Path)
    given = ask.parse_args()
    if given.time:
        times()
    elif given.calibrate:
        calibrate(given.calibrate)
    elif given.compare:
        compare(given.compare)
    else:
        write()
