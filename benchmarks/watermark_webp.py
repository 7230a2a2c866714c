"""Whether a mark that JPEG leaves clear is ever lost to WebP: what the self-check relies on.

    python benchmarks/watermark_webp.py FOLDER [--sizes 512 1024 1536 2048]

Each picture is marked at each size with the three least efforts, and re-encoded as the self-check
does it.  Prints how many marks are read after JPEG with the least agreement that is asked for, how
many of them the self-check would not ask WebP about, and the least agreement after WebP of these.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from sdk_watermark_tile import embedder as tile
from sdk_watermark_tile.canvas import Host
from sdk_watermark_tile.keys import TILE, read_key
from sdk_watermark_tile.surrogate import reencoded

from sdk.errors import DataError
from sdk.robustness.pictures import read_pictures, square

KEY = read_key("5a" * 32)


def main():
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("folder", type=Path)
    ask.add_argument("--sizes", type=int, nargs="+", default=[512, 1024, 1536, 2048])
    given = ask.parse_args()
    rng, rows = np.random.default_rng(5), []
    for one in read_pictures(given.folder).each:
        for size in given.sizes:
            try:
                rows += agreements(square(one.path, size), rng.bytes(8))
            except DataError:
                continue
    read = [row for row in rows if row[1] > tile._SPARE]
    clear = [row for row in read if row[0] > tile._CERTAIN or row[1] > tile._CLEAR]
    found = {
        "marks": len(rows),
        "read after JPEG": len(read),
        "of these clear": len(clear),
        "clear, below what is asked for after WebP": sum(r[2] <= tile._SPARE for r in clear),
        "least agreement after WebP": round(min((r[2] for r in clear), default=1.0), 3),
    }
    print(json.dumps(found, indent=1))


def agreements(pixels, payload):
    """Lock after JPEG, agreement after JPEG, agreement after WebP; for each effort."""
    tiles = 4
    made = tile.Embedder(Host(pixels), tiles, KEY, payload)
    jpeg, webp = tile._qualities(tiles, tile.boxes(pixels.shape, TILE * tiles))
    for effort in tile.EFFORTS[:3]:
        near = made.mark(effort).near(TILE * tiles)
        kept = [
            tile._seen(reencoded(near, kind, quality), pixels.shape, tiles, KEY, payload)
            for kind, quality in (("jpeg", jpeg), ("webp", webp))
        ]
        yield kept[0][1].z, *(tile._agreement(*k, KEY, payload) for k in kept)


if __name__ == "__main__":
    main()
