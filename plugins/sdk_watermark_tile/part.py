"""The watermark part: embeds a payload, finds it again."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sdk import Detection, MarkError, Pixels, PluginError, Presence, Transform

from .canvas import Host
from .embedder import EFFORTS, C, Embedder, survives
from .image import Plane, row_luma
from .keys import DEMO_KEY, DENSITIES, TILE, Key, read_key
from .loops import use_compiled
from .search import Hit, Search
from .spectrum import SYMMETRIES
from .surrogate import in_colour

MIN_SIDE = {4: 128, 8: 256, 16: 768}
"""Payload bytes → shortest side that carries them."""
_DETECT_SIDE = 64
_SUSPICIOUS = -4.0
"""A pilot rarer than 10**this in unmarked pictures, without a readable frame, is inconclusive."""
_ORDINARY = 75
"""JPEG quality that a mark which is not weak survives."""
_SAFE = 0.8
"""Agreement after re-encoding below which a mark is reported weak."""
_LARGE = 1024
"""Short side from which on a mark has twice the grain, and only its luma is tried."""
_WEAK = 0.55
"""Below this agreement one more ordinary re-encoding is likely to erase the mark."""


class TileWatermark:
    """Marks pictures with a keyed, repeating pattern of low contrast; no weights."""

    algorithm = "io.github.responsible-generation-sdk.tile.1"
    """Soft-binding name, in the form of the C2PA list; not yet registered there."""

    def __init__(
        self,
        key: str = "",
        retired: Sequence[str] = (),
        payload_bytes: int = 8,
        compiled: bool = False,
    ) -> None:
        """Take hex keys or files that hold them; no key means the public demonstration key.

        With `compiled` numba's loops run from here on, in the whole process: the same bits, faster.

        Raises:
            PluginError: a key that is none, a payload size other than 4, 8 or 16 bytes, or
                `compiled` without numba.
        """
        if compiled:
            use_compiled()
        if payload_bytes not in MIN_SIDE:
            raise PluginError(
                f"asked for payload_bytes {payload_bytes!r}; the tile mark carries 4, 8 or 16"
            )
        self._keys = [read_key(key) if key else Key(DEMO_KEY), *(read_key(k) for k in retired)]
        self.payload_bytes = payload_bytes
        self.min_side = MIN_SIDE[payload_bytes]

    def embed(self, pixels: Pixels, payload: bytes) -> Pixels:
        """Return (H, W, 3) uint8 RGB pixels that carry `payload`; same input, same output.

        Raises:
            MarkError: the picture is too small, or the payload has another size.
        """
        return self.marked(Host(pixels), payload).pixels

    def marked(self, canvas: C, payload: bytes) -> C:
        """Return what `embed` does, of a picture whose pixels are elsewhere.

        Raises:
            MarkError: as `embed`.
        """
        height, width = canvas.shape
        short = min(height, width)
        if short < self.min_side:
            raise MarkError(
                f"asked to mark {width} x {height} pixels; {8 * self.payload_bytes} bits need a "
                f"short side of {self.min_side}: draw larger, or set payload_bytes lower"
            )
        if len(payload) != self.payload_bytes:
            raise MarkError(f"payload of {len(payload)} bytes; this mark has {self.payload_bytes}")
        embedder = Embedder(canvas, density(short), self._keys[0], payload)
        for effort in EFFORTS:
            marked = embedder.mark(effort)
            if embedder.survives(marked, effort):
                return marked
        if embedder.readable(marked):
            return marked
        raise MarkError(
            f"asked to mark {width} x {height} pixels; the mark cannot be read back even at the "
            "strongest setting that stays unseen: draw larger, or set payload_bytes lower"
        )

    def detect(self, pixels: Pixels) -> Detection:
        """Say whether (H, W, 3) uint8 RGB pixels carry a mark of one of the keys."""
        height, width = pixels.shape[:2]
        short = min(height, width)
        if short < _DETECT_SIDE:
            return Detection(
                presence=Presence.INCONCLUSIVE,
                note=f"short side {short} px, nothing can be read below {_DETECT_SIDE}",
            )
        search = Search(keys=self._keys)
        hit = search.run(pixels, density(short))
        log10_p = search.log10_p()
        if hit is not None:
            return _present(hit, log10_p)
        if log10_p < _SUSPICIOUS:
            return Detection(
                presence=Presence.INCONCLUSIVE,
                log10_p=log10_p,
                note="a pilot is there, but its payload cannot be read",
            )
        return Detection(presence=Presence.ABSENT, log10_p=log10_p)

    def glance(self, plane: Plane, shape: Sequence[int]) -> Detection | None:
        """Return what the glimpse of a (height, width) picture shows; None for too little."""
        search = Search(keys=self._keys)
        if min(shape) < _DETECT_SIDE:
            return None
        hit = search.glance(plane, density(min(shape)))
        return None if hit is None else _present(hit, search.log10_p())

    def is_weak(self, pixels: Pixels, found: Detection) -> bool:
        """Say whether re-encoding would erase the mark that `detect` found in these pixels.

        Whole pictures are re-encoded and read again; of others only the margin is known.
        """
        tiles = density(min(pixels.shape[:2]))
        if found.payload is None or found.weak or not _is_whole(found.transform, tiles):
            return found.weak
        near = row_luma(pixels, TILE * tiles)
        if not any(
            survives(near, pixels.shape, tiles, key, found.payload, _SAFE) for key in self._keys
        ):
            return True
        if min(pixels.shape[:2]) >= _LARGE:
            return False
        return self.detect(in_colour(pixels, "webp", 80)).payload != found.payload


def density(short: int) -> int:
    """Return the tiles along a short side of so many pixels."""
    return next(tiles for tiles in DENSITIES if short >= 96 * tiles or tiles == 1)


def _is_whole(transform: Transform | None, tiles: int) -> bool:
    """Say whether nothing of a picture with so many tiles is missing, turned or stretched."""
    if transform is None or transform.flipped or transform.angle_deg:
        return False
    return math.isclose(transform.scale, DENSITIES[0] / tiles)


def _present(hit: Hit, log10_p: float) -> Detection:
    return Detection(
        presence=Presence.PRESENT,
        payload=hit.frame.payload,
        log10_p=log10_p,
        margin=max(0.0, min(1.0, hit.agreement)),
        weak=hit.agreement < _WEAK,
        version=hit.frame.version,
        transform=_transform(hit),
    )


def _transform(hit: Hit) -> Transform:
    """Describe the lattice: mirrored left to right first, then turned.

    Scale 1 is what a whole picture of this size would have; a crop has more.
    """
    yy, yx, xy, xx = SYMMETRIES[hit.lock.symmetry]
    to_now = hit.basis @ np.array([[yy, yx], [xy, xx]]) / TILE
    flipped = bool(np.linalg.det(to_now) < 0)
    down, right = to_now[:, 0]  # where the marked picture's downward axis points now
    shift = to_now @ (hit.lock.dy, hit.lock.dx)
    return Transform(
        scale=float(math.sqrt(abs(np.linalg.det(to_now)))),
        angle_deg=math.degrees(math.atan2(right, down)),
        flipped=flipped,
        shift=(round(float(shift[1])), round(float(shift[0]))),
    )
