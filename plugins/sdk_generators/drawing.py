"""The backend that all models of this package share: latents from seeds, words, one pass."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from sdk import BackendError, Capabilities, Pixels, Request, RequestError, Watch

from .folder import Config, Opened
from .words import MOST_TOKENS

Decode = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Encode = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Drawing:
    """Draws with one network; latents of a seed are the same alone, in a batch and in a walk.

    `encode` maps a picture and its words to a latent, where the network can: then requests may
    have an init image, and `strength` says how much of the latent is drawn anew.
    """

    def __init__(
        self, config: Config, opened: Opened, decode: Decode, encode: Encode | None = None
    ) -> None:
        torch.set_num_threads(config.threads or int(os.environ.get("OMP_NUM_THREADS") or 1))
        self._config = config
        self._words = opened.words
        self._decode, self._encode = decode, encode
        self._latent = int(opened.index["latent"])
        side = int(opened.index["side"])
        tasks = {"text-to-image"} | ({"image-to-image"} if encode else set())
        self.model = opened.model
        self.capabilities = Capabilities(
            tasks=frozenset(tasks),
            width=side,
            height=side,
            multiple_of=1,
            min_side=side,
            max_side=side,
            max_batch=config.max_batch,
        )

    def render(self, requests: Sequence[Request], watch: Watch) -> Sequence[Pixels]:
        """Draw one (side, side, 3) uint8 RGB picture for each request.

        Raises:
            RequestError: something was asked that this model cannot do.
            BackendError: the network gave no numbers.
        """
        if not requests:
            return []
        self._check(requests)
        words = self._read([request.prompt for request in requests])
        latents = torch.cat([self._start(r, w) for r, w in zip(requests, words, strict=True)])
        watch.step(0, 1)
        drawn = self._paint(latents, words)
        watch.step(1, 1)
        return drawn

    def between(
        self, first: Request, second: Request, shares: Sequence[float], watch: Watch
    ) -> Sequence[Pixels]:
        """Draw what lies between two requests, at each share 0..1 of the way.

        Latents move along the great circle (White 2016, arXiv:1609.04468, section 2), which keeps
        their length as likely as the ends'; words move along theirs.  Share 0 is the picture of
        `first`, share 1 that of `second`, to the pixel.
        """
        self._check([first])
        self._check([second])
        words = self._read([first.prompt, second.prompt])
        a, b = self._start(first, words[0]), self._start(second, words[1])
        frames: list[Pixels] = []
        for begin in range(0, len(shares), self._config.max_batch):
            watch.step(begin, len(shares))
            some = shares[begin : begin + self._config.max_batch]
            latents = torch.cat([arc(a, b, share) for share in some])
            said = torch.cat([arc(words[:1], words[1:], share) for share in some])
            frames += self._paint(latents, said)
        watch.step(len(shares), len(shares))
        return frames

    def _check(self, requests: Sequence[Request]) -> None:
        first, name = requests[0], self.model.name
        for request in requests[1:]:
            if replace(request, seed=first.seed, prompt=first.prompt) != first:
                raise BackendError(
                    "asked to draw a batch, found requests that differ in more than seed and "
                    "prompt; draw them in separate calls"
                )
        if first.task not in self.capabilities.tasks:
            known = ", ".join(sorted(self.capabilities.tasks))
            raise RequestError(f"asked {name} for {first.task}; it does {known}")
        for asked, given in (
            ("a negative prompt", first.negative_prompt),
            ("LoRA weights", first.loras),
            ("a scheduler", first.scheduler),
            (f"{first.steps} steps", (first.steps or 1) > 1),
            (f"guidance {first.guidance_scale}", first.guidance_scale),
        ):
            if given:
                raise RequestError(
                    f"asked for {asked}, found {name}, which draws in one pass of one network; "
                    "leave it out, or use a diffusion model"
                )
        for request in requests:
            if (count := self._words.tokens(request.prompt)) > MOST_TOKENS:
                raise RequestError(
                    f"asked for a prompt of {count} tokens, found a model that reads "
                    f"{MOST_TOKENS}; shorten it"
                )

    def _read(self, prompts: Sequence[str]) -> torch.Tensor:
        """(B, 384).  One at a time: padding beside a longer prompt moves the last digits."""
        return torch.from_numpy(np.concatenate([self._words.vectors([p]) for p in prompts]))

    def _start(self, request: Request, words: torch.Tensor) -> torch.Tensor:
        """(1, latent) from the seed, or between it and the init image's."""
        dice = torch.Generator().manual_seed(request.seed or 0)
        fresh = torch.randn(1, self._latent, generator=dice) * self._config.spread
        if request.init_image is None or self._encode is None:
            return fresh
        side = self.capabilities.width
        small = _fitted(request.init_image.pixels, side)
        seen = torch.from_numpy(small).permute(2, 0, 1)[None].float() / 127.5 - 1
        known: torch.Tensor = self._encode(seen, words[None])
        strength = 0.5 if request.strength is None else request.strength
        mixed: torch.Tensor = known * (1 - strength**2) ** 0.5 + fresh * strength
        return mixed

    @torch.no_grad()
    def _paint(self, latents: torch.Tensor, words: torch.Tensor) -> list[Pixels]:
        # One at a time: convolutions of another batch size round otherwise, and the same seed
        # must draw the same picture.
        drawn = torch.cat(
            [self._decode(z[None], w[None]) for z, w in zip(latents, words, strict=True)]
        )
        if not bool(torch.isfinite(drawn).all()):
            raise BackendError(f"asked {self.model.name} to draw, found numbers that are none")
        pixels = ((drawn.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
        return list(pixels.contiguous().numpy())


def arc(a: torch.Tensor, b: torch.Tensor, share: float) -> torch.Tensor:
    """The point at `share` 0..1 of the great circle from a to b, (1, n); the ends exactly."""
    if share in (0.0, 1.0):
        return b if share else a
    cosine = torch.nn.functional.cosine_similarity(a, b).clamp(-1, 1)
    angle = torch.arccos(cosine)[:, None]
    if float(angle) < 1e-3:
        return a + (b - a) * share
    sine = torch.sin(angle)
    return a * torch.sin((1 - share) * angle) / sine + b * torch.sin(share * angle) / sine


def _fitted(pixels: Pixels, side: int) -> Any:
    from PIL import Image

    height, width = pixels.shape[:2]
    if abs(width / height - 1) > 0.02:
        raise RequestError(
            f"asked to start from a picture of {width}x{height}, found a model that draws squares; "
            "crop it to a square first"
        )
    return np.array(Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX))
