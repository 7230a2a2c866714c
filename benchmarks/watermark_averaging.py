"""Whether the tile mark can be averaged out of many pictures that carry it.

    python benchmarks/watermark_averaging.py FOLDER --count 30 --size 512

Each picture's high-pass (Gaussian of 3 pixels, clipped at 8 levels) estimates its mark; the mean of
the first COUNT estimates is subtracted again from all pictures, at the marks' own strength, to 44
and to 40 dB.  Prints how many marks are lost, of the averaged pictures and of the others.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from sdk_watermark_tile import TileWatermark

from sdk.dossier.rates import rate
from sdk.errors import DataError
from sdk.robustness.pictures import read_pictures, square


def main():
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("folder", type=Path)
    ask.add_argument("--count", type=int, default=30)
    ask.add_argument("--size", type=int, default=512)
    given = ask.parse_args()
    part, rng = TileWatermark(key="5a" * 32), np.random.default_rng(30)
    marked, payloads = [], []
    for one in read_pictures(given.folder).each:
        try:
            pixels = square(one.path, given.size)
        except DataError:
            continue
        payloads.append(rng.bytes(8))
        marked.append(part.embed(pixels, payloads[-1]))
    guess = np.mean([fine(m) for m in marked[: given.count]], axis=0)
    found = {"averaged": min(given.count, len(marked)), "pictures": len(marked)}
    for level_db in (44, 40):
        scaled = guess * (255 * 10 ** (-level_db / 20) / guess.std())
        lost = [
            part.detect(np.clip(np.rint(m - scaled[:, :, None]), 0, 255).astype(np.uint8)).payload
            != payload
            for m, payload in zip(marked, payloads, strict=True)
        ]
        found[f"lost at {level_db} dB"] = {
            "averaged": sum(lost[: given.count]),
            "others": sum(lost[given.count :]),
            "all": rate(sum(lost), len(lost)).as_json(),
        }
    print(json.dumps(found, indent=1))


def fine(pixels):
    """The high-pass of a picture, (H, W)."""
    smooth = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(3)), np.float32)
    return np.clip((pixels - smooth).mean(2), -8, 8)


if __name__ == "__main__":
    main()
