"""How near enlarged drawings come to the truth, of concepts that the network was not trained on.

    python benchmarks/enlarging.py --folder node_modules --data data/icons --part 12

Draws every `part`-th icon with 512 pixels and keeps those in split held-out of the prepared folder.
Each is shrunk to 128 pixels (mean of 4×4) and enlarged again; once as it is, once after the way
through the starter's VAE.  Prints JSON: mean PSNR (dB, 60 at most) and SSIM by refiner.
"""

from __future__ import annotations

import argparse
import json
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from sdk import Picture, Refiner, Registry, Request
from sdk.contract import Quiet
from sdk.evaluation.codec import psnr, ssim

SMALL, SCALE = 128, 4
MOST_DB = 60.0


def drawings(folder: str, data: str, part: int) -> list[np.ndarray]:
    """Held-out drawings, (512, 512, 3) uint8."""
    with (Path(data) / "items.jsonl").open(encoding="utf-8") as file:
        papers = [json.loads(line) for line in file]
    unseen = {paper["id"] for paper in papers if paper["split"] == "held-out"}
    icons = Registry().make("dataset", "icons", {"folder": folder, "side": SMALL * SCALE})
    some = icons.share(0, part).items(Quiet())
    return [item.pixels for item in some if item.id in unseen and item.pixels is not None]


def shrunk(large: np.ndarray) -> np.ndarray:
    """Mean over areas of 4 × 4 pixels."""
    areas = large.reshape(SMALL, SCALE, SMALL, SCALE, 3).astype(float)
    return areas.mean((1, 3)).round().astype(np.uint8)


@torch.inference_mode()
def through(vae: AutoencoderKL, small: np.ndarray) -> np.ndarray:
    """Encode and decode without noise."""
    given = torch.from_numpy(small.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    back = vae.decode(vae.encode(given).latent_dist.mean).sample[0]
    levels = ((back.clamp(-1, 1) + 1) * 127.5).round().byte()
    return levels.permute(1, 2, 0).numpy()


def measure(part: Refiner, small: list[np.ndarray], large: list[np.ndarray]) -> dict[str, float]:
    """Mean likeness of what a refiner makes, and its CPU time."""
    ask = Request(prompt="a drawing")
    begun = time.process_time()
    made = [part.refine(Picture(one), ask, Quiet()) for one in small]
    seconds = (time.process_time() - begun) / len(made)
    pairs = list(zip(large, made, strict=True))
    return {
        "psnr_db": round(float(np.mean([min(MOST_DB, psnr(*pair)) for pair in pairs])), 2),
        "ssim": round(float(np.mean([ssim(*pair) for pair in pairs])), 4),
        "cpu_s": round(seconds, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--part", type=int, default=12)
    parser.add_argument("--model", default="superres")
    parser.add_argument("--vae", default="models/starter/vae")
    given = parser.parse_args()
    torch.set_num_threads(1)
    vae = AutoencoderKL.from_pretrained(
        given.vae, torch_dtype=torch.float32, local_files_only=True
    ).eval()
    settings = {"resample": {"scale": SCALE}, "realesrgan": {}, "superres": {"model": given.model}}
    parts = {name: Registry().make("refiner", name, some) for name, some in settings.items()}
    large = drawings(given.folder, given.data, given.part)
    clean = [shrunk(one) for one in large]
    drawn = [through(vae, one) for one in clean]
    found: dict[str, object] = {"pictures": len(large)}
    for kind, small in (("shrunk", clean), ("through the VAE", drawn)):
        found[kind] = {name: measure(part, small, large) for name, part in parts.items()}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
