"""The watermark part: embeds a payload through one network, finds it again through the other.

Packet of 100 bits, as TrustMark's schema BCH_5 (adobe/trustmark, trustmark/datalayer.py): 61 data
bits, 35 check bits, 0001.  The data are ours: 32 bits of payload and the upper 29 of its CRC-32.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sdk import Detection, MarkError, Pixels, PluginError, Presence

from .bch import DATA_BITS, LENGTH, decode, encode

SIDE = 256
_SCHEMA = (0, 0, 0, 1)
_BILINEAR = Image.Resampling.BILINEAR
_CHANCE = (
    math.log10(sum(math.comb(LENGTH, wrong) for wrong in range(6))) - 35 * math.log10(2)
    + (32 - DATA_BITS - len(_SCHEMA)) * math.log10(2)
)  # fmt: skip
"""log10 of how often random bits pass: within 5 of a codeword, the CRC's bits, the schema's."""


class Network(Protocol):
    """What onnxruntime calls an InferenceSession."""

    def get_inputs(self) -> list[Any]:
        """Names and shapes."""

    def run(self, names: None, feeds: dict[str, NDArray[np.float32]], /) -> list[Any]:
        """Outputs, in order."""


class TrustMark:
    """32 bits and their check, in TrustMark's 61."""

    algorithm = "io.github.responsible-generation-sdk.trustmark-q-bch5.1"
    payload_bytes = 4
    min_side = 150
    """Below it TrustMark's own page promises nothing."""

    def __init__(self, encoder: Network, decoder: Network) -> None:
        """Take the two networks.

        Raises:
            PluginError: their inputs are not TrustMark's.
        """
        shapes = [tuple(i.shape) for i in encoder.get_inputs()]
        seen = tuple(decoder.get_inputs()[0].shape)
        if shapes != [(1, 3, SIDE, SIDE), (1, LENGTH + 4)] or seen[:2] != (1, 3):
            raise PluginError(
                f"asked for TrustMark, found networks that take {shapes} and {seen}; give "
                "encoder_Q.onnx and decoder_Q.onnx"
            )
        self._encoder, self._decoder = encoder, decoder
        self._seen_side = seen[2] if isinstance(seen[2], int) else SIDE

    def embed(self, pixels: Pixels, payload: bytes) -> Pixels:
        """Return (H, W, 3) uint8 RGB pixels that carry `payload`.

        Raises:
            MarkError: the picture is too small or more than twice as long as wide, the payload has
                another size, or the mark cannot be read back.
        """
        height, width = pixels.shape[:2]
        if min(height, width) < self.min_side or max(height, width) > 2 * min(height, width):
            raise MarkError(
                f"asked to mark {width} x {height} pixels; TrustMark needs a short side of "
                f"{self.min_side} and at most 2:1: draw another shape"
            )
        if len(payload) != self.payload_bytes:
            raise MarkError(f"payload of {len(payload)} bytes; this mark has {self.payload_bytes}")
        cover = _shrunk(pixels, SIDE)
        picture, message = (one.name for one in self._encoder.get_inputs())
        bits = np.array([_packet(payload)], np.float32)
        stego = np.asarray(self._encoder.run(None, {picture: cover, message: bits})[0])
        if stego.shape != cover.shape or not np.isfinite(stego).all():
            raise PluginError(f"asked TrustMark for a picture, found {stego.shape}; is it Q?")
        change = np.clip(stego[0], -1, 1) - cover[0]
        change -= change.mean(axis=(1, 2), keepdims=True)  # as TrustMark does: no colour shift
        planes = [Image.fromarray(p).resize((width, height), _BILINEAR) for p in change]
        levels = pixels + 127.5 * np.stack([np.asarray(p) for p in planes], axis=2)
        marked: Pixels = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
        if self.detect(marked).payload != payload:
            raise MarkError(
                f"asked to mark {width} x {height} pixels; TrustMark cannot read its mark back"
            )
        return marked

    def detect(self, pixels: Pixels) -> Detection:
        """Say whether (H, W, 3) uint8 RGB pixels carry a payload whose checks agree."""
        if min(pixels.shape[:2]) < self.min_side:
            return Detection(
                presence=Presence.INCONCLUSIVE, note=f"nothing is read below {self.min_side} px"
            )
        name = self._decoder.get_inputs()[0].name
        found = np.asarray(self._decoder.run(None, {name: _shrunk(pixels, self._seen_side)})[0])
        word = [int(v) for v in found.reshape(-1) > 0]
        if len(word) != LENGTH + 4:
            raise PluginError(f"asked TrustMark for 100 bits, found {len(word)}; is it variant Q?")
        right = decode(word[:LENGTH])
        if right is None:
            return Detection(presence=Presence.ABSENT)
        payload = np.packbits(right[:32]).tobytes()
        packet = _packet(payload)
        if [*right, *word[LENGTH:]] != packet:
            return Detection(presence=Presence.ABSENT)
        wrong = sum(a != b for a, b in zip(word, packet, strict=True))
        return Detection(
            presence=Presence.PRESENT,
            payload=payload,
            log10_p=_CHANCE,
            margin=1 - wrong / 6,
            weak=wrong >= 3,
        )


def _packet(payload: bytes) -> list[int]:
    """100 bits: payload, 29 bits of its CRC-32, check bits, schema."""
    frame = payload + zlib.crc32(payload).to_bytes(4, "big")
    data = [int(bit) for bit in np.unpackbits(np.frombuffer(frame, np.uint8))[:DATA_BITS]]
    return [*data, *encode(data), *_SCHEMA]


def _shrunk(pixels: Pixels, side: int) -> NDArray[np.float32]:
    """(1, 3, side, side) float32 RGB, -1..1."""
    small = np.asarray(Image.fromarray(pixels).resize((side, side), _BILINEAR), np.float32)
    return np.ascontiguousarray((small / 127.5 - 1).transpose(2, 0, 1)[None])


def opened(
    encoder: str = "", encoder_sha256: str = "", decoder: str = "", decoder_sha256: str = ""
) -> TrustMark:
    """Load both networks, once their digests are the ones given.

    Raises:
        PluginError: a file is missing, another one or no network, or onnxruntime is not installed.
    """
    files = [_checked(encoder, encoder_sha256), _checked(decoder, decoder_sha256)]
    try:
        import onnxruntime
    except ImportError as exc:
        raise PluginError(
            f"asked for trustmark, found {exc}; install the extra 'safety', it brings onnxruntime"
        ) from exc
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        networks = [
            onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
            for data in files
        ]
    except Exception as exc:  # onnxruntime has a dozen kinds, none of them public
        raise PluginError(
            f"asked to load TrustMark, found {str(exc).splitlines()[0]}; give its .onnx files"
        ) from exc
    return TrustMark(*networks)


def _checked(path: str, sha256: str) -> bytes:
    """The file's bytes: what is loaded is what was hashed."""
    if not path or len(sha256) != 64:
        raise PluginError(
            "asked for trustmark without its weights; give encoder, encoder_sha256, decoder and "
            "decoder_sha256: two .onnx files and 64 hex digits each"
        )
    file = Path(path).expanduser()
    try:
        data = file.read_bytes()
    except OSError as exc:
        raise PluginError(f"asked for the weights {file.name}, found {exc.strerror}") from exc
    found = hashlib.sha256(data).hexdigest()
    if found != sha256.lower():
        raise PluginError(
            f"asked for the weights {file.name} with SHA-256 {sha256[:12]}…, found {found[:12]}…; "
            "the file is another one and was not loaded"
        )
    return data
