"""Measures what the mark survives, what it costs, and how rarely it sees marks that are not there.

    python -m sdk_watermark_tile.bench FOLDER --size 512
    python -m sdk_watermark_tile.bench FOLDER --unmarked 1000
    python -m sdk_watermark_tile.bench FOLDER --frames 100000
    python -m sdk_watermark_tile.bench FOLDER --averaged 30

Prints one JSON document.  Rates come with 95 % Wilson intervals.  Times are of this thread's CPU.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from sdk import Detection, MarkError, Pixels, Presence

from .coding import CHECK_BITS, VERSION, most_likely
from .image import canonical
from .keys import BANK, TILE, read_key
from .part import TileWatermark
from .spectrum import best_lock, fold, read_soft, residual, whiten
from .transforms import TRANSFORMS

_KEY = "5a" * 32
_FORMATS = {".png", ".jpg", ".jpeg", ".webp"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one of the four measurements and print it as JSON."""
    ask = argparse.ArgumentParser(prog="sdk_watermark_tile.bench", description=__doc__)
    ask.add_argument("folder", type=Path)
    ask.add_argument("--size", type=int, default=512, help="side of the square pictures")
    ask.add_argument("--limit", type=int, default=0, help="pictures, 0 for all")
    ask.add_argument("--payload-bytes", type=int, default=8)
    ask.add_argument("--only", default="", help="transforms, separated by semicolons")
    ask.add_argument("--unmarked", type=int, default=0, help="full searches of unmarked crops")
    ask.add_argument("--frames", type=int, default=0, help="forced decodings of unmarked crops")
    ask.add_argument("--averaged", type=int, default=0, help="pictures an attacker averages")
    given = ask.parse_args(arguments)
    paths = sorted(p for p in given.folder.rglob("*") if p.suffix.lower() in _FORMATS)
    paths = paths[: given.limit or None]
    if given.unmarked:
        result = unmarked(paths, given.unmarked)
    elif given.frames:
        result = frames(paths, given.frames)
    elif given.averaged:
        result = averaged(paths, given.averaged, given.size)
    else:
        names = given.only.split(";") if given.only else list(TRANSFORMS)
        result = robustness(paths, given.size, given.payload_bytes, names)
    json.dump(result, sys.stdout, indent=1)


def robustness(
    paths: Sequence[Path], size: int, payload_bytes: int, names: Sequence[str]
) -> dict[str, object]:
    """Mark every picture with its own id, transform it, read it; a refused one counts as unread."""
    part = TileWatermark(key=_KEY, payload_bytes=payload_bytes)
    rng = np.random.default_rng(20261123)
    exact, wrong, weak, refused = Counter[str](), Counter[str](), 0, 0
    quality, embed_ms, detect_ms = [], [], []
    for path in paths:
        pixels, payload = square(path, size), rng.bytes(payload_bytes)
        start = time.thread_time()
        try:
            marked = part.embed(pixels, payload)
        except MarkError:
            refused += 1
            continue
        embed_ms.append(1000 * (time.thread_time() - start))
        start = time.thread_time()
        seen = part.detect(marked)
        detect_ms.append(1000 * (time.thread_time() - start))
        weak += part.is_weak(marked, seen)
        quality.append(psnr(pixels, marked))
        for name in names:
            changed = TRANSFORMS[name](Image.fromarray(marked), rng)
            found = part.detect(np.asarray(changed.convert("RGB")))
            exact[name] += found.payload == payload
            wrong[name] += found.payload not in (payload, None)
    return {
        "pictures": len(paths),
        "size": size,
        "payload_bits": 8 * payload_bytes,
        "psnr_db": {"mean": round(float(np.mean(quality)), 1), "min": round(min(quality), 1)},
        "embed_ms": round(float(np.median(embed_ms)), 1),
        "detect_ms": round(float(np.median(detect_ms)), 1),
        "weak": weak,
        "refused": refused,
        "wrong_payloads": sum(wrong.values()),
        "exact": {
            n: {"rate": exact[n] / len(paths), "95 %": wilson(exact[n], len(paths))} for n in names
        },
    }


def unmarked(paths: Sequence[Path], count: int) -> dict[str, object]:
    """Search unmarked crops as thoroughly as `detect` does, and compare p with how often."""
    part = TileWatermark(key=_KEY)
    found, spent = list[Detection](), list[float]()
    for pixels in crops(paths, count, 512):
        start = time.thread_time()
        found.append(part.detect(pixels))
        spent.append(1000 * (time.thread_time() - start))
    states = Counter(f.presence for f in found)
    return {
        "searches": count,
        "present": states[Presence.PRESENT],
        "inconclusive": states[Presence.INCONCLUSIVE],
        "present_at_most": wilson(states[Presence.PRESENT], count)[1],
        "log10_p_at_or_below": {
            str(-k / 2): sum(f.log10_p <= -k / 2 for f in found) / count for k in range(1, 9)
        },
        "detect_ms": {"median": round(float(np.median(spent)), 1), "max": round(max(spent), 1)},
    }


def frames(paths: Sequence[Path], count: int) -> dict[str, object]:
    """Decode unmarked crops whether or not a pilot is there; count check bits that agree.

    Noise agrees in the first j of the 36 check bits with probability 2**-j.
    """
    key, agreeing = read_key(_KEY), Counter[int]()
    for pixels in crops(paths, count, 256):
        x = whiten(fold(residual(canonical(pixels, 2 * TILE))))
        lock = best_lock(x, key, [0])
        agreeing[first_agreeing(most_likely(read_soft(x, key, lock)), BANK[lock.member])] += 1
    at_least = {j: sum(n for k, n in agreeing.items() if k >= j) for j in range(CHECK_BITS + 1)}
    return {
        "frames": count,
        "accepted": at_least[CHECK_BITS],
        "first_bits_agree": {j: [at_least[j], count / 2**j] for j in range(0, 24, 2)},
    }


def averaged(paths: Sequence[Path], count: int, size: int) -> dict[str, object]:
    """Average what `count` marked pictures have in common, subtract it from them and from others.

    Each picture's high-pass (Gaussian of 3 pixels, clipped at 8 levels) estimates its mark; the
    average is subtracted at the marks' own strength, to 44 and to 40 dB of all pictures.
    """
    part = TileWatermark(key=_KEY)
    rng = np.random.default_rng(30)
    marked, payloads = list[Pixels](), list[bytes]()
    for path in paths:
        payloads.append(rng.bytes(8))
        marked.append(part.embed(square(path, size), payloads[-1]))
    guesses = [_fine(Image.fromarray(m)) for m in marked[:count]]
    guess = np.mean(guesses, axis=0)
    result: dict[str, object] = {"averaged": len(guesses), "others": len(marked) - len(guesses)}
    for quality_db in (44, 40):
        scaled = guess * (255 * 10 ** (-quality_db / 20) / guess.std())
        read = [
            part.detect(np.clip(np.rint(m - scaled[:, :, None]), 0, 255).astype(np.uint8)).payload
            for m in marked
        ]
        lost = [found != payload for found, payload in zip(read, payloads, strict=True)]
        result[f"lost at {quality_db} dB"] = {
            "averaged": sum(lost[:count]),
            "others": sum(lost[count:]),
            "95 %": wilson(sum(lost), len(lost)),
        }
    return result


def _fine(picture: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    smooth = picture.filter(ImageFilter.GaussianBlur(3))
    fine = np.asarray(picture, np.float32) - np.asarray(smooth, np.float32)
    clipped: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = np.clip(fine.mean(2), -8, 8)
    return clipped


def first_agreeing(
    bits: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], payload_bytes: int
) -> int:
    """Return how many check bits, version first, agree before one does not."""
    body = np.packbits(bits[4:]).tobytes()
    check = zlib.crc32(bytes([VERSION]) + body[:payload_bytes]).to_bytes(4, "big")
    wanted = np.unpackbits(np.frombuffer(bytes([VERSION]) + check, np.uint8))[4:]
    got = np.concatenate([bits[:4], np.unpackbits(np.frombuffer(body[payload_bytes:], np.uint8))])
    differs = np.flatnonzero(got != wanted)
    return int(differs[0]) if len(differs) else CHECK_BITS


def square(path: Path, size: int) -> Pixels:
    """The middle of a picture file at size x size."""
    picture = Image.open(path).convert("RGB")
    side = min(picture.size)
    x, y = (picture.width - side) // 2, (picture.height - side) // 2
    box = (x, y, x + side, y + side)
    return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS, box))


def crops(paths: Sequence[Path], count: int, side: int) -> Iterator[Pixels]:
    """Random crops at random scales, turned and mirrored by chance, spread over all files."""
    rng = np.random.default_rng(1)
    for path, share in zip(paths, np.array_split(np.arange(count), len(paths)), strict=True):
        picture = Image.open(path).convert("RGB")
        for _ in share:
            wide = int(min(picture.size) * rng.uniform(0.25, 1))
            x, y = (int(rng.integers(n - wide + 1)) for n in picture.size)
            box = (x, y, x + wide, y + wide)
            part = np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR, box))
            yield np.ascontiguousarray(np.rot90(part, int(rng.integers(4))))


def psnr(a: Pixels, b: Pixels) -> float:
    """Peak signal-to-noise ratio over all channels, dB."""
    error = float(np.mean((a.astype(np.float32) - b) ** 2))
    return 10 * math.log10(255**2 / max(error, 1e-9))


def wilson(hits: int, count: int) -> tuple[float, float]:
    """95 % confidence interval of a rate (Wilson 1927)."""
    z, rate = 1.959964, hits / count
    middle = (rate + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(rate * (1 - rate) / count + z * z / (4 * count**2))
    return round(max(0.0, middle - half), 4), round(min(1.0, middle + half), 4)


if __name__ == "__main__":
    main()
