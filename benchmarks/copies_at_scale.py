"""How long a search among a million references takes, and what it finds.

    python benchmarks/copies_at_scale.py [--references 1000000] [--queries 200]

References are real features and hashes of the shipped index (14,277 pictures) and, for the rest,
drawn around them: features with a cosine of about .7 to a real one, hashes of random bits.  Each
query is a reference that was changed as a copy is: features to a cosine of .97, hashes by 31 bits.
A reference that stands 1, 10 or 100 times in the index must be found as one of its copies.
Milliseconds of processor time of one thread.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import sdk_auditor_copies
from sdk_auditor_copies.index import Index
from sdk_auditor_copies.search import Buckets, Cells

VIEWS = 3


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def references(count, chance):
    kept = Index.read(Path(sdk_auditor_copies.__file__).parent / "index.npz")
    real, hashes = kept._features.T, kept._hashes
    if count <= len(real):
        return np.ascontiguousarray(real[:count]), hashes[:count].copy()
    more = count - len(real)
    near = real[chance.integers(0, len(real), more)]
    noise = chance.standard_normal((more, real.shape[1]), np.float32) / np.sqrt(real.shape[1])
    random = chance.integers(0, 256, (more, 32), np.uint8)
    return np.concatenate([real, unit(near + noise)]), np.concatenate([hashes, random])


def changed(vector, bits, chance):
    noise = unit(chance.standard_normal((VIEWS, len(vector)), np.float32))
    other = np.unpackbits(bits)
    other[chance.permutation(256)[:31]] ^= 1
    mirrored = chance.integers(0, 256, 32, np.uint8)
    return unit(vector + 0.25 * noise), np.stack([mirrored, np.packbits(other)])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--references", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=200)
    asked = parser.parse_args()
    chance = np.random.default_rng(0)
    features, hashes = references(asked.references, chance)
    wanted = chance.choice(len(features), asked.queries, replace=False)
    times = {int(at): (1, 10, 100)[i % 3] for i, at in enumerate(wanted[:30])}
    free = np.setdiff1d(np.arange(len(features)), wanted)
    home = np.arange(len(features))
    for at, count in times.items():  # the injected duplicates take the places of others
        places, free = free[: count - 1], free[count - 1 :]
        features[places], hashes[places], home[places] = features[at], hashes[at], at
    began = time.process_time()
    cells, buckets = Cells(features), Buckets(hashes)
    built = time.process_time() - began
    right = {"features": 0, "hashes": 0}
    injected = {1: 0, 10: 0, 100: 0}
    spent = {"features": 0.0, "hashes": 0.0}
    for at in map(int, wanted):
        views, both = changed(features[at], hashes[at], chance)
        start = time.process_time()
        like, _ = cells.nearest(views)
        middle = time.process_time()
        same, _ = buckets.nearest(both)
        spent["features"] += middle - start
        spent["hashes"] += time.process_time() - middle
        hit = {"features": home[like] == at, "hashes": home[same] == at}
        for name in right:
            right[name] += hit[name]
        if at in times:
            injected[times[at]] += any(hit.values())
    print(f"references   {len(features):,}, built in {built:.0f} s")
    for name in spent:
        print(
            f"{name:<12} {spent[name] * 1000 / asked.queries:.2f} ms a query, nearest is right in "
            f"{right[name]} of {asked.queries}"
        )
    print(f"both         {sum(spent.values()) * 1000 / asked.queries:.2f} ms a query")
    print(f"injected 1, 10, 100 times: found {injected[1]}, {injected[10]}, {injected[100]} of 10")


if __name__ == "__main__":
    main()
