"""Several pictures as one file: animated WebP, lossless, with its metadata in it.

    data = encode_frames(frames, fps=8, xmp=packet)
    decode_frames(data)                     # the very pixels again, frame by frame

WebP alone, because a watermark must be read back from every frame: GIF has 256 colours, which erase
it, and no encoder for MP4 comes with a licence and a size that the base install could carry.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, UnidentifiedImageError

from sdk.errors import OutputError
from sdk.pixels import Pixels, admit_pixels

MEDIA_TYPE = "image/webp"
MOST_FRAMES = 240
MOST_FPS = 30


def encode_frames(frames: Sequence[Pixels], *, fps: int, xmp: bytes | None = None) -> bytes:
    """Return an endless animation of 2 to 240 frames, (H, W, 3) uint8 of one size.

    Raises:
        OutputError: too few or too many frames, unlike sizes, or the encoder failed.
    """
    if not 2 <= len(frames) <= MOST_FRAMES or not 1 <= fps <= MOST_FPS:
        raise OutputError(
            f"asked for {len(frames)} frames at {fps} a second; give 2..{MOST_FRAMES} frames at "
            f"1..{MOST_FPS}"
        )
    if len({frame.shape for frame in frames}) > 1:
        raise OutputError("asked for an animation, found frames of unlike sizes")
    first, *rest = (Image.fromarray(frame) for frame in frames)
    out = io.BytesIO()
    try:
        first.save(
            out,
            "WEBP",
            save_all=True,
            append_images=rest,
            duration=round(1000 / fps),
            loop=0,
            lossless=True,
            quality=50,
            method=2,
            xmp=xmp or b"",
        )
    except (OSError, ValueError) as exc:
        raise OutputError(f"asked to encode {len(frames)} frames, found {exc}") from exc
    return out.getvalue()


def decode_frames(data: bytes) -> list[Pixels]:
    """Return every frame, (H, W, 3) uint8 RGB, as players show it.

    Raises:
        OutputError: no WebP, damaged, or of more than 240 frames.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("WEBP",)) as opened:
            count = getattr(opened, "n_frames", 1)
            if count > MOST_FRAMES:
                raise OutputError(f"found {count} frames; at most {MOST_FRAMES} are read")
            frames = []
            for index in range(count):
                opened.seek(index)
                frames.append(admit_pixels(np.asarray(opened.convert("RGB"))))
            return frames
    except (OSError, ValueError, UnidentifiedImageError, EOFError) as exc:
        raise OutputError(f"asked to read an animation, found {exc}; is the file damaged?") from exc
