"""Meta's VideoSeal and PixelSeal from a TorchScript file that you have, checked by its SHA-256.

    watermark = { plugin = "videoseal", settings = { weights = "~/y_256b_img.jit", sha256 = "…" } }

Needs torch (extra `generate`) and the file, which is not shipped and never downloaded here
(facebookresearch/videoseal, MIT, docs/torchscript.md: 256 bits, `embed(picture, message)`,
`detect(picture)` with the mask's logit first).  The 256 bits hold payload and CRC-32 over and over,
turned around by a fixed stream so that no payload is a constant message.

Not run with Meta's weights here: they cannot be had without a network.  Tests use a small
TorchScript model of the same interface.  Who has the file can write marks: there is no key.
"""

from __future__ import annotations

import hashlib
import math
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdk import (
    Detection,
    MarkError,
    Pixels,
    PluginError,
    Presence,
    Settings,
    Watermark,
    hookimpl,
)

MESSAGE_BITS = 256
_CHECK_BYTES = 4
_BLOCK = 1 << 20
_STREAM = np.unpackbits(
    np.frombuffer(hashlib.shake_256(b"sdk videoseal frame 1").digest(MESSAGE_BITS // 8), np.uint8)
)


class VideoSeal:
    """Payload and CRC-32, repeated through the message of a TorchScript model."""

    algorithm = "io.github.responsible-generation-sdk.videoseal-256.1"
    min_side = 128

    def __init__(self, torch: Any, model: Any, payload_bytes: int, device: str) -> None:
        """Take the library and the loaded model."""
        self._torch = torch
        self._model = model
        self._device = device
        self.payload_bytes = payload_bytes

    def embed(self, pixels: Pixels, payload: bytes) -> Pixels:
        """Return (H, W, 3) uint8 RGB pixels that carry `payload`.

        Raises:
            MarkError: the picture is too small, the payload of another size, or the mark cannot be
                read back.
        """
        height, width = pixels.shape[:2]
        if min(height, width) < self.min_side:
            raise MarkError(
                f"asked to mark {width} x {height} pixels; this mark needs a short side of "
                f"{self.min_side}: draw larger"
            )
        if len(payload) != self.payload_bytes:
            raise MarkError(f"payload of {len(payload)} bytes; this mark has {self.payload_bytes}")
        torch = self._torch
        message = torch.from_numpy(_message(payload).astype(np.float32))[None].to(self._device)
        with torch.no_grad():
            shown = self._model.embed(self._tensor(pixels), message)
        if tuple(shown.shape) != (1, 3, height, width):
            raise MarkError(f"the model returned a picture of shape {tuple(shown.shape)}")
        levels = shown[0].permute(1, 2, 0).float().clamp(0, 1).mul(255).round().cpu().numpy()
        marked: Pixels = np.ascontiguousarray(levels.astype(np.uint8))
        if self.detect(marked).payload != payload:
            raise MarkError(
                f"asked to mark {width} x {height} pixels; the model cannot read its mark back"
            )
        return marked

    def detect(self, pixels: Pixels) -> Detection:
        """Say whether (H, W, 3) uint8 RGB pixels carry a payload whose check agrees."""
        if min(pixels.shape[:2]) < self.min_side:
            return Detection(
                presence=Presence.INCONCLUSIVE, note=f"nothing is read below {self.min_side} px"
            )
        with self._torch.no_grad():
            logits = self._model.detect(self._tensor(pixels))[0, 1:].float().cpu().numpy()
        if logits.shape != (MESSAGE_BITS,) or not np.isfinite(logits).all():
            raise PluginError(
                f"asked the model for {MESSAGE_BITS} bits, found {logits.shape}; is it VideoSeal?"
            )
        # A sigmoid's slope: one bit that is very sure must not outvote three that are fairly sure.
        votes = np.tanh(logits / 2) * (1 - 2 * _STREAM.astype(np.float64))
        length = 8 * (self.payload_bytes + _CHECK_BYTES)
        sums = np.bincount(np.arange(MESSAGE_BITS) % length, votes, minlength=length)
        frame = np.packbits(sums > 0).tobytes()
        payload = frame[: self.payload_bytes]
        if frame != _framed(payload):
            return Detection(presence=Presence.ABSENT)
        bits = np.resize(np.unpackbits(np.frombuffer(frame, np.uint8)), MESSAGE_BITS)
        agreeing = float(np.mean((votes > 0) == bits.astype(bool)))
        return Detection(
            presence=Presence.PRESENT,
            payload=payload,
            log10_p=-8 * _CHECK_BYTES * math.log10(2),
            margin=max(0.0, 2 * agreeing - 1),
            weak=agreeing < 0.85,
        )

    def _tensor(self, pixels: Pixels) -> Any:
        """(1, 3, H, W) float32, 0..1."""
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]).astype(np.float32) / 255
        return self._torch.from_numpy(planes).to(self._device)


def _framed(payload: bytes) -> bytes:
    return payload + zlib.crc32(payload).to_bytes(_CHECK_BYTES, "big")


def _message(payload: bytes) -> NDArray[np.uint8]:
    """(256,) of 0 and 1."""
    frame = np.unpackbits(np.frombuffer(_framed(payload), np.uint8))
    message: NDArray[np.uint8] = np.resize(frame, MESSAGE_BITS) ^ _STREAM
    return message


@hookimpl
def watermark(settings: Settings) -> Watermark:
    """Make it; settings: `weights`, a .jit file, its `sha256`, `payload_bytes`, `device`."""
    return _opened(**settings)  # type: ignore[arg-type]


def _opened(
    weights: str = "", sha256: str = "", payload_bytes: int = 4, device: str = "cpu"
) -> VideoSeal:
    if payload_bytes not in range(4, 13):
        raise PluginError(f"asked for payload_bytes {payload_bytes!r}; this mark carries 4 to 12")
    path = _checked(weights, sha256)
    try:
        import torch
    except ImportError as exc:
        raise PluginError(
            f"asked for videoseal, found {exc}; install the extra 'generate', which brings torch"
        ) from exc
    try:
        with warnings.catch_warnings():  # torch would rather that nobody published TorchScript
            warnings.simplefilter("ignore", FutureWarning)
            loaded: Any = torch.jit.load  # untyped there
            model = loaded(str(path), map_location=device).eval()
    except (RuntimeError, ValueError) as exc:
        raise PluginError(
            f"asked to load {path.name}, found no TorchScript model ({str(exc).splitlines()[0]}); "
            "give the .jit file"
        ) from exc
    if missing := [name for name in ("embed", "detect") if not hasattr(model, name)]:
        raise PluginError(f"asked for VideoSeal in {path.name}, found a model without {missing[0]}")
    return VideoSeal(torch, model, payload_bytes, device)


def _checked(weights: str, sha256: str) -> Path:
    """The file, once its digest is the one that was given: a model file is code."""
    if not weights or len(sha256) != 64:
        raise PluginError(
            "asked for videoseal without its weights; give weights = a .jit file and sha256 = its "
            "SHA-256 as 64 hex digits"
        )
    path, digest = Path(weights).expanduser(), hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as exc:
        raise PluginError(f"asked for the weights {path.name}, found {exc.strerror}") from exc
    if digest.hexdigest() != sha256.lower():
        raise PluginError(
            f"asked for the weights {path.name} with SHA-256 {sha256[:12]}…, found "
            f"{digest.hexdigest()[:12]}…; the file is another one and was not loaded"
        )
    return path
