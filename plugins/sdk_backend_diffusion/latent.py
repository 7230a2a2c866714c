"""A mark in the noise that pictures begin with, read back by inverting the diffusion.

    mark = LatentMark(Inverter(load(Config()).pipe), key="~/keys/latent.hex")
    drawn = backend.render_sown(requests, mark.sow, watch)
    mark.detect(drawn[0]).payload == mark.payload_for(requests[0])

Gaussian Shading (arXiv:2404.04956) without a table of nonces: key and seed choose one of 65,536
patterns of signs, and the noise keeps its distribution.  Reading needs the model.  No policy can
name it yet: the governed call has no place for it.  docs/watermark/latent.md has the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from sdk_watermark_tile.keys import read_secret

from sdk import Detection, MarkError, Pixels, PluginError, Presence, Request, Settings, hookimpl

from .config import Config
from .inversion import Inverter
from .load import load
from .sowing import Noise
from .streams import DEMO_KEY, ID_BYTES, PATTERNS, Stream, log10_p

PRESENT, INCONCLUSIVE = -6.0, -3.0
"""log10 p from which on a mark is there, and from which on nothing can be said."""
_SAFE = -12.0
"""A mark that is found with less than this has little to lose."""


class LatentMark:
    """Sows one of a key's patterns into noise, and finds it again."""

    algorithm = "io.github.responsible-generation-sdk.latent.1"
    payload_bytes = ID_BYTES

    def __init__(self, inverter: Inverter, key: str = "", retired: Sequence[str] = ()) -> None:
        """Take hex keys or files that hold them; no key means the public demonstration key.

        Raises:
            PluginError: a key that is none.
        """
        first = read_secret(key) if key else DEMO_KEY
        self._streams = [Stream(first), *(Stream(read_secret(one)) for one in retired)]
        self._inverter = inverter
        self.min_side = min(inverter.size) // 2

    def payload_for(self, request: Request) -> bytes:
        """Return the number of the pattern that the request's seed has, big endian."""
        return self._streams[0].number(request.seed or 0).to_bytes(ID_BYTES, "big")

    def sow(self, noise: Noise, request: Request) -> Noise:
        """Return (C, h, w) float32 noise with the signs of the request's pattern.

        Each number keeps its magnitude.  Noise of independent standard normal numbers stays that:
        their signs are independent of their magnitudes, and the key stream's are as fair.

        Raises:
            MarkError: noise of another shape than the model's own pictures begin with, whose
                mark would not be found.
        """
        if noise.shape != self._inverter.shape:
            raise MarkError(
                f"asked to mark noise of {noise.shape}, found that marks are read at "
                f"{self._inverter.shape}; draw the model's own size"
            )
        number = self._streams[0].number(request.seed or 0)
        signs = self._streams[0].signs(number, 1, noise.size).reshape(noise.shape)
        return (np.abs(noise) * signs).astype(noise.dtype)

    def embed(self, pixels: Pixels, payload: bytes) -> Pixels:
        """Return pixels that carry `payload` as they are.

        Raises:
            MarkError: they do not; this mark cannot be put into what is drawn.
        """
        if self.detect(pixels).payload == payload:
            return pixels
        raise MarkError(
            "asked to mark a picture that is drawn, found a mark for the noise that it begins "
            "with; use another watermark, such as tile"
        )

    def detect(self, pixels: Pixels) -> Detection:
        """Say whether (H, W, 3) uint8 RGB pixels were drawn from noise marked with a key."""
        return self.read(pixels)

    def read(self, pixels: Pixels, prompt: str = "") -> Detection:
        """Like `detect`, by somebody who knows the prompt: a little is found that is not else."""
        if min(pixels.shape[:2]) < self.min_side:
            return Detection(
                presence=Presence.INCONCLUSIVE, note=f"nothing is read below {self.min_side} px"
            )
        noise = self._inverter.noise([pixels], prompt).reshape(1, -1)
        hit = max((stream.best(noise)[0] for stream in self._streams), key=lambda hit: hit.score)
        p = log10_p(hit.score, PATTERNS * len(self._streams))
        if p > PRESENT:
            unclear = p <= INCONCLUSIVE
            return Detection(
                presence=Presence.INCONCLUSIVE if unclear else Presence.ABSENT,
                log10_p=p,
                note="a pattern agrees better than most would" if unclear else "",
            )
        return Detection(
            presence=Presence.PRESENT,
            payload=hit.number.to_bytes(ID_BYTES, "big"),
            log10_p=p,
            margin=min(1.0, hit.score / math.sqrt(noise.size)),
            weak=p > _SAFE,
            version=1,
        )


@hookimpl
def watermark(settings: Settings) -> LatentMark:
    """Load the model that inverts; settings: `key`, `retired`, and those of the backend."""
    own = {name: settings[name] for name in ("key", "retired") if name in settings}
    loaded = {"dtype": "float32"} | {n: v for n, v in settings.items() if n not in own}
    config = Config.of(loaded)
    try:
        return LatentMark(Inverter(load(config).pipe), **own)  # type: ignore[arg-type]
    except ImportError as exc:
        raise PluginError(
            f"asked for latent, found {exc}; install the extra 'generate', which brings torch"
        ) from exc
