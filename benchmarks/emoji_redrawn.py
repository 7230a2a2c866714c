"""How the emoji estimator reads icons that the starter model's VAE has redrawn.

    python benchmarks/emoji_redrawn.py --folder node_modules --cache emoji-cache

Sends the drawings of the test roles (docs/auditors/emoji.md) through the VAE, there and back, with
a little noise on the latents, and counts the estimator's answers before and after.  The label is
the icon's own: what is measured is the softness of the model's pictures, not its mistakes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sdk_auditor_emoji import Emoji
from sdk_auditor_emoji.drawings import draw
from sdk_auditor_emoji.labels import TONE
from sdk_auditor_emoji.train import answer_of, tabled

NOISE = 0.2
"""Most noise on the latents, whose own standard deviation is about 2; drawn evenly from 0."""
BATCH = 32


def redrawn(pixels: NDArray[np.uint8], vae: str) -> NDArray[np.uint8]:
    """Redraw (N, 128, 128, 3) icons; in bfloat16, which is a level or two off and half the time."""
    from diffusers import AutoencoderKL

    torch.set_num_threads(1)
    model = AutoencoderKL.from_pretrained(vae).eval()
    noise = torch.Generator().manual_seed(0)
    found = []
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        for start in range(0, len(pixels), BATCH):
            levels = torch.from_numpy(pixels[start : start + BATCH]).permute(0, 3, 1, 2).float()
            latents = model.encode(levels / 127.5 - 1).latent_dist.mean
            much = NOISE * torch.rand(len(latents), 1, 1, 1, generator=noise)
            latents = latents + much * torch.randn(latents.shape, generator=noise)
            out = model.decode(latents).sample.float().clamp(-1, 1)
            found.append(((out + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy())
    return np.concatenate(found)


def main() -> None:
    """Print one JSON line for each art and attribute."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default="node_modules")
    parser.add_argument("--cache", type=Path, default=Path("emoji-cache"))
    parser.add_argument("--vae", default="models/starter/vae")
    asked = parser.parse_args()
    drawings, estimator = draw(asked.folder, asked.cache), Emoji()
    labelled = (drawings.gender != "") | (drawings.tone != "")
    rows = np.flatnonzero(drawings.known & (drawings.part == "test") & labelled)
    clean = drawings.pixels[rows]

    for art, pictures in (("clean", clean), ("redrawn", redrawn(clean, asked.vae))):
        said = [answer_of(estimator, pixels) for pixels in pictures]
        for attribute, values in estimator.attributes.items():
            truths = (drawings.tone if attribute == TONE else drawings.gender)[rows]
            pairs = [(str(t), a[attribute]) for t, a in zip(truths, said, strict=True) if t]
            print(json.dumps({"art": art, "attribute": attribute, **tabled([*values], pairs)}))


if __name__ == "__main__":
    main()
