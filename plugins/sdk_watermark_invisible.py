"""The mark of the library invisible-watermark, for who has to write what others already read.

    watermark = { plugin = "invisible-watermark", settings = { method = "dwtDctSvd" } }

Needs the extra `imwatermark` (MIT), which brings OpenCV and torch.  It has no key, no word
on whether a mark is there, and is lost by cropping, resizing and brightness;
docs/watermark/constant-marks.md measures it.  This plugin adds CRC-32 behind the payload, so that
an unmarked picture is called one.  New policies do better with `tile`.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from importlib import import_module
from types import ModuleType

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

_CHECK_BYTES = 4
_METHODS = ("dwtDctSvd", "dwtDct")


class InvisibleWatermark:
    """Payload and CRC-32, written and read by the library."""

    min_side = 256

    def __init__(
        self, library: ModuleType, method: str = "dwtDctSvd", payload_bytes: int = 4
    ) -> None:
        """Take the imported library.

        Raises:
            PluginError: another method, or a payload that is not 4 to 12 bytes.
        """
        if method not in _METHODS or payload_bytes not in range(4, 13):
            raise PluginError(
                f"asked for {method!r} with {payload_bytes!r} bytes; the methods are "
                f"{', '.join(_METHODS)}, the payload has 4 to 12"
            )
        self._library = library
        self._method = method
        self.payload_bytes = payload_bytes
        self.algorithm = f"io.github.responsible-generation-sdk.invisible-watermark.{method}.1"

    def embed(self, pixels: Pixels, payload: bytes) -> Pixels:
        """Return (H, W, 3) uint8 RGB pixels that carry `payload`.

        Raises:
            MarkError: the picture is too small, the payload of another size, or the library's mark
                cannot be read back from its own pixels.
        """
        height, width = pixels.shape[:2]
        if min(height, width) < self.min_side:
            raise MarkError(
                f"asked to mark {width} x {height} pixels; invisible-watermark needs a short side "
                f"of {self.min_side}: draw larger"
            )
        if len(payload) != self.payload_bytes:
            raise MarkError(f"payload of {len(payload)} bytes; this mark has {self.payload_bytes}")
        encoder = self._library.WatermarkEncoder()
        encoder.set_watermark("bits", np.unpackbits(_framed(payload)).tolist())
        bgr = encoder.encode(np.ascontiguousarray(pixels[..., ::-1]), self._method)
        marked: Pixels = np.ascontiguousarray(bgr[..., ::-1])
        if self.detect(marked).payload != payload:
            raise MarkError(
                f"asked to mark {width} x {height} pixels; the library cannot read its mark back: "
                "use another watermark, such as tile"
            )
        return marked

    def detect(self, pixels: Pixels) -> Detection:
        """Say whether (H, W, 3) uint8 RGB pixels carry a payload whose check agrees."""
        if min(pixels.shape[:2]) < self.min_side:
            return Detection(
                presence=Presence.INCONCLUSIVE, note=f"nothing is read below {self.min_side} px"
            )
        bits = 8 * (self.payload_bytes + _CHECK_BYTES)
        decoder = self._library.WatermarkDecoder("bits", bits)
        found = decoder.decode(np.ascontiguousarray(pixels[..., ::-1]), self._method)
        frame = np.packbits(np.asarray(found, bool))
        payload = (frame ^ _framed(b"\0" * self.payload_bytes))[: self.payload_bytes].tobytes()
        if not np.array_equal(frame, _framed(payload)):
            return Detection(presence=Presence.ABSENT)
        return Detection(
            presence=Presence.PRESENT,
            payload=payload,
            log10_p=-8 * _CHECK_BYTES * math.log10(2),
            weak=True,  # half size or a crop erases it, whatever the picture
            note="lost by cropping, resizing and changes of brightness",
        )


def _framed(payload: bytes) -> NDArray[np.uint8]:
    """Payload and check, turned around by a fixed stream.

    The library reads all ones or all zeros from many unmarked pictures, and CRC-32 of ffffffff is
    ffffffff: without the stream, a photo that was brightened was once read as that payload.
    """
    frame = payload + zlib.crc32(payload).to_bytes(_CHECK_BYTES, "big")
    stream = hashlib.shake_256(b"sdk invisible-watermark frame 1").digest(len(frame))
    return np.frombuffer(frame, np.uint8) ^ np.frombuffer(stream, np.uint8)


@hookimpl
def watermark(settings: Settings) -> Watermark:
    """Make the library's watermark; settings: `method`, `payload_bytes`."""
    try:
        library = import_module("imwatermark")
    except ImportError as exc:
        raise PluginError(
            f"asked for invisible-watermark, found {exc}; install the extra 'imwatermark'"
        ) from exc
    return InvisibleWatermark(library, **settings)  # type: ignore[arg-type]
