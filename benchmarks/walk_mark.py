"""How much of the mark outlives the encoders of walks.

    python benchmarks/walk_mark.py --data data/icons

Two drawings of the folder that `make data` writes, enlarged to 512 pixels and moved by four
pixels a frame, are marked by `tile`, encoded, decoded and read again.  For each encoder it prints
the bytes, the frames read, the weakest evidence (log10 p), and how many marks are weak.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from PIL import Image

from sdk import Pixels, Registry, animation
from sdk.contract import Quiet

DRAWINGS = ("noto:balance-scale", "noto:vulcan-salute-light-skin-tone")
PAYLOAD = bytes.fromhex("0123456789abcdef")
MP4 = ((97, 6), (94, 6), (97, 7), (90, 8))
"""Quality and speed; the first is what walks use."""


def moving(pixels: Pixels, frames: int = 6) -> list[Pixels]:
    large = Image.fromarray(pixels).resize((512, 512), Image.Resampling.BICUBIC)
    return [np.roll(np.asarray(large), 4 * index, 1) for index in range(frames)]


def measure(name: str, frames: list[Pixels], media_type: str) -> dict[str, object]:
    tile = Registry().make("watermark", "tile", {})
    marked = [tile.embed(frame, PAYLOAD) for frame in frames]
    data = animation.encode_frames(marked, fps=8, media_type=media_type)
    seen = [(frame, tile.detect(frame)) for frame in animation.decode_frames(data)]
    read = [(frame, found) for frame, found in seen if found.payload == PAYLOAD]
    return {
        "drawing": name,
        "encoder": media_type,
        "bytes": len(data),
        "read": f"{len(read)} of {len(marked)}",
        "before": round(tile.detect(marked[0]).log10_p),
        "weakest": round(max(found.log10_p for _, found in seen)),
        "weak": sum(tile.is_weak(frame, found) for frame, found in read),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure the mark in walks.")
    parser.add_argument("--data", required=True, help="prepared folder, see make data")
    settings = {"folder": parser.parse_args().data, "split": "all"}
    icons = Registry().make("dataset", "prepared", settings)
    drawn = {item.id: item.pixels for item in icons.items(Quiet()) if item.id in DRAWINGS}
    for drawing, pixels in drawn.items():
        for kind in ("image/webp", "image/gif"):
            print(json.dumps(measure(drawing, moving(pixels), kind)))
        for quality, speed in MP4:
            animation._MP4_QUALITY, animation._MP4_SPEED = quality, speed
            found = measure(drawing, moving(pixels), animation.MP4)
            print(json.dumps({**found, "quality": quality, "speed": speed}))
