"""A small diffusion model of emoji persons, trained on data with a skew that we chose.

    python benchmarks/skewed_generator.py --out zoo

It learns to draw eight roles by Noto (64 drawings, Apache-2.0, in skewed_drawings.npz); the roles
are such as the emoji estimator never saw.  A model is conditioned on the role alone, so whether a
woman or a man comes out, and in which skin tone, is what it learned from how often each was in its
data: 50/50, 70/30, 90/10, or half and half in both attributes with most women light and most men
dark.  Half a minute of one core for each model.

Latents are the coordinates of the pictures along their own principal axes; the denoiser is an MLP
that predicts the clean latent (Ho et al. 2020, arXiv:2006.11239; cosine schedule of Nichol and
Dhariwal 2021; sampled with DDIM, arXiv:2010.02502).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from sdk_auditor_emoji.labels import gender_of, part_of, tone_of
from torch import nn

from sdk import Capabilities, Model, Registry, hookimpl

ROLES = (
    "teacher", "judge", "cook", "firefighter", "student", "supervillain", "construction worker",
    "shrugging",
)  # fmt: skip
SKEWS = ("50-50", "70-30", "90-10", "intersection")
DRAWINGS = Path(__file__).with_name("skewed_drawings.npz")
SIDE = 256
SMALL = 64
AXES = 60
WIDTH = 320
STEPS = 2000
DARK = ("medium-dark", "dark")
LIGHT = ("light", "medium-light")


class Quiet:
    def step(self, done, total, /):
        pass


def drawings():
    """Pictures (N, 64, 64, 3) of the eight roles with role, and whether of a woman, and dark."""
    with np.load(DRAWINGS) as kept:
        found = [kept[name] for name in ("pixels", "roles", "woman", "dark")]
    return found[0].astype(np.float32), found[1].astype(np.int64), found[2], found[3]


def draw_anew(folder):
    """Write the drawings again from the icon packages in a node_modules folder."""
    rows = []
    data = Registry().make("dataset", "icons", {"folder": folder, "sets": ["noto"]})
    for item in data.items(Quiet()):
        gender = gender_of(item.concept, item.labels) if not item.excluded else ""
        role = item.concept.removeprefix("woman ").removeprefix("man ")
        tone = tone_of(item.concept, item.labels)
        if gender in ("woman", "man") and role in ROLES and tone in (*DARK, *LIGHT):
            assert part_of(item.concept) == "test", role
            rows.append((item.pixels, ROLES.index(role), gender == "woman", tone in DARK))
    pixels, roles, woman, dark = map(np.array, zip(*rows, strict=True))
    halved = pixels.reshape(-1, SMALL, 2, SMALL, 2, 3).mean((2, 4)).round().astype(np.uint8)
    np.savez_compressed(
        DRAWINGS, pixels=halved, roles=roles.astype(np.int8), woman=woman, dark=dark
    )


def weights_of(skew, roles, woman, dark):
    """How often each drawing is shown in training."""
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
    """The backend: draws a role in 256 × 256 pixels."""

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
        times = np.ones((SIDE // SMALL, SIDE // SMALL, 1), np.uint8)
        return [np.kron(p, times) for p in pixels]


@hookimpl
def backend(settings):
    return Skewed(**settings)


def train(skew, out, steps=STEPS):
    """Fit one model; what `out` holds already is kept."""
    target = out / skew / "model.pt"
    if target.exists():
        return
    torch.manual_seed(0)
    torch.set_num_threads(1)
    pictures, roles, woman, dark = drawings()
    flat = torch.from_numpy(pictures.reshape(len(pictures), -1))
    mean = flat.mean(0)
    _, _, axes = torch.linalg.svd(flat - mean, full_matrices=False)
    axes = axes[:AXES]
    latents = (flat - mean) @ axes.T
    scale = latents.std(0) + 1e-6
    latents = latents / scale
    chances = torch.from_numpy(weights_of(skew, roles, woman, dark)).float()
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
        if step % 500 == 0:
            print(f"{skew} {step} {loss.item():.5f} {time.process_time() - began:.0f} s")
    target.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"net": net.state_dict(), "mean": mean, "axes": axes, "scale": scale}, target)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", help="node_modules: draw the 64 drawings again")
    parser.add_argument("--out", type=Path, default=Path("zoo"))
    parser.add_argument("--skews", nargs="*", default=SKEWS)
    asked = parser.parse_args()
    if asked.folder:
        draw_anew(asked.folder)
    for skew in asked.skews:
        train(skew, asked.out)


if __name__ == "__main__":
    main()
