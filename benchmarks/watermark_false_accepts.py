"""How often the tile watermark sees a mark where none is, counted, and what its p says about it.

    python benchmarks/watermark_false_accepts.py FOLDER --trials 1000000 --searches 2000 \
        --state build/false-accepts.json

A *trial* is one unmarked 512 px picture under one random key, looked at as it is: the pilots of all
eight members at every shift, and five frames decoded from the best of them however faint it is.
All that is secret follows from the key, so another key is another trial, and a picture serves for
250.
A *search* is a whole `detect` of such a picture under a random key, with every transform.

Pictures are random crops of FOLDER's files, turned and mirrored by chance, and as many synthetic
patterns: pages of text, flat art, gratings, checkerboards, periodic textures, noise, flat colours.
The state is written after every picture; the same command goes on from there.
"""

import argparse
import json
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image
from sdk_watermark_tile.coding import CHECK_BITS, VERSION, likeliest
from sdk_watermark_tile.image import canonical
from sdk_watermark_tile.keys import BANK, DENSITIES, TILE, Key
from sdk_watermark_tile.part import TileWatermark
from sdk_watermark_tile.residual import residual
from sdk_watermark_tile.spectrum import (
    best_lock,
    fold,
    lock_log10_p,
    read_soft,
    whiten,
)

from sdk.durable import write_whole
from sdk.errors import DataError
from sdk.robustness.patterns import pattern
from sdk.types import Presence

SIDE = 512
KEYS = 250
CORRELATIONS = len(BANK) * 5 // 4
"""As a search counts a look at all members: the low band has a quarter of the shifts."""
STEP = 4
"""log10 p is counted in steps of 1 / STEP."""
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}


def main():
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("folder", type=Path)
    ask.add_argument("--trials", type=int, default=1_000_000)
    ask.add_argument("--searches", type=int, default=2000)
    ask.add_argument("--state", type=Path, required=True)
    given = ask.parse_args()
    paths = sorted(p for p in given.folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    state = read_state(given.state)
    while state["trials"]["count"] < given.trials or state["searches"]["count"] < given.searches:
        number = state["pictures"]
        kind, pixels = unmarked(paths, number)
        rng = np.random.default_rng([number, 5])
        if state["trials"]["count"] < given.trials:
            tried(state["trials"], kind, pixels, rng)
        if state["searches"]["count"] < given.searches:
            searched(state["searches"], kind, pixels, rng)
        state["pictures"] += 1
        write_state(given.state, state)
    print(json.dumps(summary(state), indent=1))


def unmarked(paths, number):
    """Return kind and pixels: every other picture is a pattern."""
    if number % 2:
        return pattern(number // 2, SIDE)
    path = paths[number // 2 % len(paths)]
    rng = np.random.default_rng([number, 4])
    picture = Image.open(path).convert("RGB")
    wide = max(1, int(min(picture.size) * rng.uniform(0.25, 1)))
    x, y = (int(rng.integers(n - wide + 1)) for n in picture.size)
    box = (x, y, x + wide, y + wide)
    part = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box))
    part = part[:, ::-1] if rng.random() < 0.5 else part
    return path.parent.name, np.ascontiguousarray(np.rot90(part, int(rng.integers(4))))


def tried(found, kind, pixels, rng):
    """Look at one picture as it is, under many keys."""
    x = whiten(fold(residual(canonical(pixels, TILE * DENSITIES[0]))))
    for _ in range(KEYS):
        key = Key(rng.bytes(32))
        lock = best_lock(x, key, [0])
        frames = likeliest(read_soft(x, key, lock))
        agreeing = [first_agreeing(bits, BANK[lock.member]) for bits in frames]
        count(found, kind, lock_log10_p(lock.z, CORRELATIONS), CHECK_BITS in agreeing)
        for bits in map(str, agreeing):
            found["agreeing"][bits] = found["agreeing"].get(bits, 0) + 1


def searched(found, kind, pixels, rng):
    """Search one picture as thoroughly as `detect` does."""
    seen = TileWatermark(key=rng.bytes(32).hex()).detect(pixels)
    found["inconclusive"] += seen.presence is Presence.INCONCLUSIVE
    count(found, kind, seen.log10_p, seen.presence is Presence.PRESENT)


def count(found, kind, log10_p, accepted):
    found["count"] += 1
    found["kinds"][kind] = found["kinds"].get(kind, 0) + 1
    found["accepted"] += bool(accepted)
    step = str(int(-log10_p * STEP))
    found["p"][step] = found["p"].get(step, 0) + 1


def first_agreeing(bits, payload_bytes):
    """Return how many check bits, version first, agree before one does not.

    Noise agrees in the first j of the 36 with probability 2**-j.
    """
    body = np.packbits(bits[4:]).tobytes()
    check = zlib.crc32(bytes([VERSION]) + body[:payload_bytes]).to_bytes(4, "big")
    wanted = np.unpackbits(np.frombuffer(bytes([VERSION]) + check, np.uint8))[4:]
    got = np.concatenate([bits[:4], np.unpackbits(np.frombuffer(body[payload_bytes:], np.uint8))])
    differs = np.flatnonzero(got != wanted)
    return int(differs[0]) if len(differs) else CHECK_BITS


def summary(state):
    """Counts as the page of the mark gives them: how often, against how often is due."""
    out = {"pictures": state["pictures"]}
    for name in ("trials", "searches"):
        found = state[name]
        n = found["count"]
        above = cumulated(found["p"])
        out[name] = {
            **{k: found[k] for k in ("count", "accepted", "inconclusive", "kinds") if k in found},
            "accepted_at_most": upper_bound(found["accepted"], n),
            "log10_p_at_or_below": {
                str(-k / STEP): {"seen": c, "due": round(n * 10 ** (-k / STEP), 2)}
                for k, c in above.items()
                if k
            },
        }
    agreeing = cumulated(state["trials"]["agreeing"])
    n = agreeing.get(0, 0)
    out["trials"]["frames"] = n
    out["trials"]["first_check_bits_agree"] = {
        str(j): {"seen": c, "due": round(n / 2**j, 2)} for j, c in agreeing.items() if j
    }
    return out


def cumulated(histogram):
    """At least how many in each bin or above, from 0 to the last bin."""
    bins = Counter({int(k): v for k, v in histogram.items()})
    return {k: sum(v for b, v in bins.items() if b >= k) for k in range(max(bins, default=0) + 1)}


def upper_bound(hits, count):
    """95 % upper bound of a rate: 3 / n without hits (Clopper & Pearson 1934)."""
    from scipy.stats import beta

    return float(beta.ppf(0.95, hits + 1, count - hits)) if count > hits else 1.0


def read_state(path):
    if path.exists():
        return json.loads(path.read_text())
    return {
        "pictures": 0,
        "trials": {"count": 0, "accepted": 0, "agreeing": {}, "kinds": {}, "p": {}},
        "searches": {"count": 0, "accepted": 0, "inconclusive": 0, "kinds": {}, "p": {}},
    }


def write_state(path, state):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda new: new.write_text(json.dumps(state)), error=DataError)


if __name__ == "__main__":
    main()
