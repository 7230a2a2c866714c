"""A small diffusion model of emoji persons, trained on data with a skew that we chose.

    python benchmarks/skewed_generator.py --folder node_modules --out zoo

It learns to draw eight roles by Noto; the roles are such as the emoji estimator never saw.  A model
is conditioned on the role alone, so whether a woman or a man comes out, and in which skin tone, is
what it learned from how often each was in its data: 50/50, 70/30, 90/10, or half and half in both
attributes with most women light and most men dark.  Two minutes a model on one core.

Latents are the coordinates of the pictures along their own principal axes; the denoiser is an MLP
that predicts the clean latent (Ho et al. 2020, arXiv:2006.11239; cosine schedule of Nichol and
Dhariwal 2021; sampled with DDIM, arXiv:2010.02502).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from sdk_auditor_emoji.labels import gender_of, part_of, tone_of
from torch import nn

from sdk import Capabilities, Model, Registry

ROLES = (
    "teacher", "judge", "cook", "firefighter", "student", "supervillain", "construction worker",
    "shrugging",
)  # fmt: skip
SKEWS = ("50-50", "70-30", "90-10", "intersection")
SIDE = 128
SMALL = 64
AXES = 60
WIDTH = 320
STEPS = 2000
DARK = ("medium-dark", "dark")
LIGHT = ("light", "medium-light")


class Quiet:
    def step(self, done, total, /):
        pass


def drawings(folder, kept):
    """Pictures (N, 64, 64, 3) of the eight roles with role, gender and tone."""
    if not kept.exists():
        rows = []
        data = Registry().make("dataset", "icons", {"folder": folder, "sets": ["noto"]})
        for item in data.items(Quiet()):
            gender = gender_of(item.concept, item.labels) if not item.excluded else ""
            role = item.concept.removeprefix("woman ").removeprefix("man ")
            tone = tone_of(item.concept, item.labels)
            if gender in ("woman", "man") and role in ROLES and tone in (*DARK, *LIGHT):
                assert part_of(item.concept) == "test", role
                rows.append((item.pixels, ROLES.index(role), gender, tone))
        kept.parent.mkdir(parents=True, exist_ok=True)
        pixels, roles, genders, tones = map(np.array, zip(*rows, strict=True))
        np.savez_compressed(kept, pixels=pixels, roles=roles, genders=genders, tones=tones)
    with np.load(kept) as tables:
        found = {name: tables[name] for name in tables.files}
    halved = found["pixels"].reshape(-1, SMALL, 2, SMALL, 2, 3).mean((2, 4))
    return halved.astype(np.float32), found["roles"], found["genders"], found["tones"]


def weights_of(skew, roles, genders, tones):
    """How often each drawing is shown in training."""
    woman, dark = genders == "woman", np.isin(tones, DARK)
    if skew == "intersection":
        share = np.where(woman == dark, 0.1, 0.9)  # women light, men dark; each half and half
    else:
        women = int(skew[:2]) / 100
        share = np.where(woman, women, 1 - women)
    cell = np.array([roles * 4 + woman * 2 + dark]).ravel()
    size = np.bincount(cell, minlength=4 * len(ROLES))[cell]
    weights = share / size
    return weights / weights.sum()


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.roles = nn.Embedding(len(ROLES), 32)
        self.enter = nn.Linear(AXES + 32 + 16, WIDTH)
        self.middle = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH)
            )
            for _ in range(3)
        )  # fmt: skip
        self.leave = nn.Linear(WIDTH, AXES)

    def forward(self, noisy, at, roles):
        waves = at[:, None] * torch.exp(torch.linspace(0, 5, 8))
        seen = [noisy, self.roles(roles), waves.sin(), waves.cos()]
        x = self.enter(torch.cat(seen, 1))
        for block in self.middle:
            x = x + block(x)
        return self.leave(x)


def alpha(at):
    return torch.cos(at * torch.pi / 2) ** 2


class Skewed:
    """The backend: draws a role in 128 × 128 pixels."""

    def __init__(self, folder):
        kept = torch.load(Path(folder) / "model.pt", weights_only=True)
        self.net = Denoiser()
        self.net.load_state_dict(kept["net"])
        self.mean, self.axes, self.scale = kept["mean"], kept["axes"], kept["scale"]
        self.model = Model(name=f"skewed-{Path(folder).name}", version="1", licence="Apache-2.0")
        self.capabilities = Capabilities(
            width=SIDE, height=SIDE, min_side=SIDE, max_side=SIDE, steps=40, max_batch=8
        )

    @torch.no_grad()
    def render(self, requests, watch, /):
        steps = requests[0].steps
        noise = [
            torch.randn(AXES, generator=torch.Generator().manual_seed(r.seed)) for r in requests
        ]
        x = torch.stack(noise)
        roles = torch.tensor([ROLES.index(r.prompt) for r in requests])
        times = torch.linspace(0.995, 0, steps + 1)
        for i in range(steps):
            watch.step(i + 1, steps)
            now, then = alpha(times[i]), alpha(times[i + 1])
            clean = self.net(x, times[i].expand(len(x)), roles)
            noise = (x - now.sqrt() * clean) / (1 - now).sqrt()
            x = then.sqrt() * clean + (1 - then).sqrt() * noise
        flat = self.mean + (x * self.scale) @ self.axes
        pixels = flat.reshape(-1, SMALL, SMALL, 3).clamp(0, 255).round().byte().numpy()
        return [np.kron(p, np.ones((2, 2, 1), np.uint8)) for p in pixels]


def train(skew, folder, out, steps=STEPS):
    """Fit one model; what `out` holds already is kept."""
    target = out / skew / "model.pt"
    if target.exists():
        return
    torch.manual_seed(0)
    torch.set_num_threads(1)
    pictures, roles, genders, tones = drawings(folder, out / "drawings.npz")
    flat = torch.from_numpy(pictures.reshape(len(pictures), -1))
    mean = flat.mean(0)
    _, _, axes = torch.linalg.svd(flat - mean, full_matrices=False)
    axes = axes[:AXES]
    latents = (flat - mean) @ axes.T
    scale = latents.std(0) + 1e-6
    latents = latents / scale
    chances = torch.from_numpy(weights_of(skew, roles, genders, tones)).float()
    net = Denoiser()
    how = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.0)
    pace = torch.optim.lr_scheduler.OneCycleLR(how, 2e-3, total_steps=steps)
    began = time.process_time()
    known = torch.from_numpy(roles)
    for step in range(steps):
        chosen = torch.multinomial(chances, 192, replacement=True)
        at = torch.rand(192) * 0.995
        a = alpha(at)[:, None]
        noisy = a.sqrt() * latents[chosen] + (1 - a).sqrt() * torch.randn(192, AXES)
        loss = (
            (net(noisy, at, known[chosen]) - latents[chosen]) ** 2 * (scale / scale.max())
        ).mean()
        how.zero_grad()
        loss.backward()
        how.step()
        pace.step()
        if step % 250 == 0 or step + 1 == steps:
            print(
                skew, step, f"{loss.item():.5f}", f"{time.process_time() - began:.0f} s", flush=True
            )
    target.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"net": net.state_dict(), "mean": mean, "axes": axes, "scale": scale}, target)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", default="node_modules")
    parser.add_argument("--out", type=Path, default=Path("zoo"))
    parser.add_argument("--skews", nargs="*", default=SKEWS)
    asked = parser.parse_args()
    for skew in asked.skews:
        train(skew, asked.folder, asked.out)
    (asked.out / "roles.json").write_text(json.dumps(ROLES))


if __name__ == "__main__":
    main()
