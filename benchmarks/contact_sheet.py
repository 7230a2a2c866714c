"""Fifty everyday things as the starter draws them, numbered and without their names: a blind test.

    python benchmarks/contact_sheet.py -o sheet            # sheet/sheet.png, sheet/key.json

The things are chosen at random from the list of everyday things, and drawn as `a THING`, one seed
each, with the model's own steps and guidance.  Look at sheet.png, write down what each picture
shows, and only then open key.json.  The pictures are measurements: they went through no policy.
"""

from __future__ import annotations

import argparse
import json
import os
from importlib.resources import files
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from PIL import Image, ImageDraw

from sdk import Picture, Registry, Request
from sdk.contract import Quiet
from sdk.models import backend_of

COLUMNS, CELL, LINE = 10, 128, 14


def prompts(count: int, seed: int) -> list[str]:
    """`count` of the everyday things, in random order."""
    listed = json.loads((files("sdk_dataset_icons") / "everyday.json").read_text("utf-8"))
    things = sorted(listed["things"])
    chosen = np.random.default_rng(seed).permutation(len(things))[:count]
    return [f"a {things[index].lower()}" for index in chosen]


def draw(model: str, asked: list[str], seed: int) -> list[Picture]:
    """One picture for each prompt."""
    backend = Registry().make("backend", backend_of(model) or "diffusion", {"model": model})
    able = backend.capabilities
    drawn = []
    for number, prompt in enumerate(asked):
        request = Request(
            prompt=prompt,
            seed=seed + number,
            width=able.width,
            height=able.height,
            steps=able.steps,
            guidance_scale=able.guidance_scale,
        )
        drawn.append(Picture(backend.render([request], Quiet())[0]))
    return drawn


def sheet(pictures: list[Picture]) -> Image.Image:
    """Pictures in rows of ten, each under its number."""
    rows = -(-len(pictures) // COLUMNS)
    whole = Image.new("RGB", (COLUMNS * CELL, rows * (CELL + LINE)), "white")
    pen = ImageDraw.Draw(whole)
    for place, picture in enumerate(pictures):
        row, column = divmod(place, COLUMNS)
        x, y = column * CELL, row * (CELL + LINE)
        pen.text((x + 4, y + 1), str(place + 1), fill="black")
        whole.paste(Image.fromarray(picture.resized(CELL)), (x, y + LINE))
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    asked = prompts(given.count, given.seed)
    given.output.mkdir(parents=True, exist_ok=True)
    sheet(draw(given.model, asked, given.seed)).save(given.output / "sheet.png", optimize=True)
    (given.output / "key.json").write_text(json.dumps(asked, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
