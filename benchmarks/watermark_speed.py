"""What marking and reading cost, in the same run as invisible-watermark where that can be found.

    python benchmarks/watermark_speed.py [--sizes 512 1024 2048] [--rounds 7] [--library PYTHON]

CPU milliseconds of one thread, best of the rounds, of one photo at each size; megapixels a second
follow from them.  `--library` is a Python that has invisible-watermark (`pip install
'invisible-watermark>=0.2,<0.3'` in an environment of its own: it brings another OpenCV); without
it, this Python is asked.  Where numba is installed, embedding is timed with compiled loops as well.
Read the ratios: both sides suffer alike from a busy machine.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from PIL import Image
from sdk_watermark_tile import TileWatermark, loops
from sdk_watermark_tile.canvas import Host
from sdk_watermark_tile.embedder import EFFORTS, Embedder
from sdk_watermark_tile.keys import read_key

PHOTO = Path(__file__).parents[1] / "tests/plugins/astronaut.jpg"
KEY, ID = "5a" * 32, bytes(range(8))
SECRET = read_key(KEY)
LIBRARY = """
import json, sys, time
import cv2, numpy as np
from imwatermark import WatermarkDecoder, WatermarkEncoder
cv2.setNumThreads(1)
path, rounds, *sizes = sys.argv[1:]
def best(do):
    spent = []
    for _ in range(int(rounds)):
        start = time.thread_time(); do(); spent.append(time.thread_time() - start)
    return 1000 * min(spent)
found = {}
for size in map(int, sizes):
    pixels = cv2.resize(cv2.imread(path), (size, size), interpolation=cv2.INTER_LANCZOS4)
    for method in ("dwtDct", "dwtDctSvd"):
        encoder = WatermarkEncoder(); encoder.set_watermark("bits", [0, 1] * 16)
        marked = encoder.encode(pixels, method)
        decoder = WatermarkDecoder("bits", 32)
        found[f"{method} {size}"] = [
            best(lambda: encoder.encode(pixels, method)),
            best(lambda: decoder.decode(marked, method)),
        ]
print(json.dumps(found))
"""


def main():
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--sizes", type=int, nargs="+", default=[512, 1024, 2048])
    ask.add_argument("--rounds", type=int, default=7)
    ask.add_argument("--library", default=sys.executable, help="Python with invisible-watermark")
    given = ask.parse_args()
    ours = {size: measured(size, given.rounds) for size in given.sizes}
    theirs, why = library(given.library, given.rounds, given.sizes)
    print("| px | " + " | ".join(next(iter(ours.values()))) + " |")
    print("|---|" + "---|" * len(next(iter(ours.values()))))
    for size, row in ours.items():
        cells = [f"{ms:.1f} ms ({size * size / ms / 1000:.0f} Mpx/s)" for ms in row.values()]
        print(f"| {size} | " + " | ".join(cells) + " |")
    if why:
        print(f"\ninvisible-watermark was not measured: {why}")
        return
    print("\n| px | method | its embed | ours is faster by | its detect | ours is faster by |")
    print("|---|---|---|---|---|---|")
    for name, (embed, detect) in theirs.items():
        method, size = name.split()
        row = ours[int(size)]
        ratios = embed / row["embed"], detect / row["detect"]
        print(
            f"| {size} | {method} | {embed:.0f} ms | {ratios[0]:.1f}x | {detect:.0f} ms "
            f"| {ratios[1]:.0f}x |"
        )


def measured(size, rounds):
    """Column → milliseconds."""
    picture = Image.open(PHOTO).convert("RGB").resize((size, size), Image.Resampling.LANCZOS)
    pixels, part = np.asarray(picture), TileWatermark(key=KEY)
    marked = part.embed(pixels, ID)
    found = part.detect(marked)
    assert found.payload == ID, found
    found_ms = {
        "embed": best(rounds, lambda: part.embed(pixels, ID)),
        "of that without self-check": best(rounds, lambda: unchecked(pixels)),
        "detect": best(rounds, lambda: part.detect(marked)),
        "is it weak": best(rounds, lambda: part.is_weak(marked, found)),
        "detect, unmarked": best(min(rounds, 3), lambda: part.detect(pixels)),
    }
    if importlib.util.find_spec("numba"):
        loops.use_compiled()
        assert np.array_equal(part.embed(pixels, ID), marked)
        found_ms["embed, compiled"] = best(rounds, lambda: part.embed(pixels, ID))
        found_ms["of that without self-check, compiled"] = best(rounds, lambda: unchecked(pixels))
        loops.use_numpy()
    return found_ms


def unchecked(pixels):
    return Embedder(Host(pixels), 4, SECRET, ID).mark(EFFORTS[0])


def best(rounds, do):
    spent = []
    for _ in range(rounds):
        start = time.thread_time()
        do()
        spent.append(time.thread_time() - start)
    return 1000 * min(spent)


def library(python, rounds, sizes):
    """What invisible-watermark took, or why it was not asked."""
    command = [python, "-c", LIBRARY, str(PHOTO), str(rounds), *map(str, sizes)]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if asked.returncode:
        return {}, (asked.stderr.strip().splitlines() or ["it failed"])[-1]
    return json.loads(asked.stdout), ""


if __name__ == "__main__":
    main()
