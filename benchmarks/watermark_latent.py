"""How often the mark in the noise is found in pictures of the starter model.

    python benchmarks/watermark_latent.py ICONS --pictures 96

ICONS is a prepared data set (docs/training/icons.md); its captions are the prompts.  Pictures are
drawn from plain noise that is kept, and the signs of that noise stand for the pattern: marked
noise has the same distribution.  *found* counts log10 p <= -6 over all patterns of a key.  The
unmarked trials are the same pictures under keys that they were not drawn with.
"""

import argparse
import io
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sdk_backend_diffusion.config import Config
from sdk_backend_diffusion.inversion import Inverter
from sdk_backend_diffusion.load import load
from sdk_backend_diffusion.streams import PATTERNS, Stream, log10_p

AT_ONCE = 8


def main():
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("icons", type=Path)
    ask.add_argument("--pictures", type=int, default=96)
    ask.add_argument("--keys", type=int, default=3)
    given = ask.parse_args()
    pipe = load(Config()).pipe
    pictures, noise = drawn(pipe, given.icons, given.pictures)
    signs, inverter = np.sign(noise).reshape(len(noise), -1), Inverter(pipe)
    half = given.pictures // 2
    read = noise_of(inverter, pictures)
    told("as drawn", signs, read)
    told("512 px, JPEG 75", signs, noise_of(inverter, [jpeg(p, 75) for p in pictures[:half]]))
    told("512 px, JPEG 50", signs, noise_of(inverter, [jpeg(p, 50) for p in pictures[:half]]))
    keys = [Stream(b"random key of a bench %d" % number) for number in range(given.keys)]
    ps = np.array([log10_p(hit.score, PATTERNS) for key in keys for hit in key.best(read)])
    shares = {level: round(float((ps <= level).mean()), 3) for level in (-0.5, -1, -2, -6)}
    print(f"other keys: {len(ps)} searches, share at log10 p {shares}, least {ps.min():.1f}")


def drawn(pipe, icons, count):
    """(N, 128, 128, 3) uint8 pictures and the (N, 4, 16, 16) noise that they began with."""
    items = [json.loads(line) for line in (icons / "items.jsonl").open()]
    rows = np.random.default_rng(1).choice(len(items), 2 * count)
    words = [items[row]["caption"] for row in rows]
    words = [one for one in words if len(pipe.tokenizer(one).input_ids) <= 24][:count]
    pictures, noise = [], []
    for first in range(0, count, AT_ONCE):
        seeds = [100_000 + first + place for place in range(len(words[first : first + AT_ONCE]))]
        made = [torch.Generator().manual_seed(seed) for seed in seeds]
        begin = torch.cat([torch.randn(1, 4, 16, 16, generator=one) for one in made])
        shown = pipe(
            prompt=words[first : first + AT_ONCE], latents=begin.clone(), output_type="np",
            num_inference_steps=25, guidance_scale=3.5,
        ).images  # fmt: skip
        pictures += list((shown * 255).round().astype(np.uint8))
        noise.append(begin.numpy())
    return pictures, np.concatenate(noise)


def jpeg(pixels, quality):
    """Bring to 512 px and encode with 4:2:0 chroma."""
    file = io.BytesIO()
    large = Image.fromarray(pixels).resize((512, 512), Image.Resampling.BICUBIC)
    large.save(file, "jpeg", quality=quality, subsampling=2)
    return np.asarray(Image.open(file).convert("RGB"))


def noise_of(inverter, pictures):
    read = [
        inverter.noise(pictures[first : first + AT_ONCE])
        for first in range(0, len(pictures), AT_ONCE)
    ]
    return np.concatenate(read).reshape(len(pictures), -1)


def told(name, signs, read):
    scores = (signs[: len(read)] * read).sum(1) / np.linalg.norm(read, axis=1)
    found = sum(log10_p(score, PATTERNS) <= -6 for score in scores)
    known = sum(log10_p(score, 1) <= -6 for score in scores)
    print(
        f"{name}: {found} of {len(read)} found, {known} with the pattern known; "
        f"score {scores.mean():.2f} mean, {scores.min():.2f} least",
        flush=True,
    )


if __name__ == "__main__":
    main()
