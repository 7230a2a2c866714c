"""Several pictures as one file: animated WebP (lossless), GIF or MP4, with its metadata in it.

    data = encode_frames(frames, fps=8, xmp=packet)
    decode_frames(data)                     # the frames as players show them

GIF has 256 colours for each frame, chosen by median cut without dithering.  That keeps the mark of
`tile`: of two drawings of 512 pixels the evidence fell from 10^-140 to 10^-123 and from 10^-151 to
10^-138.  MP4 is AV1 with 4:2:0 chroma, which every player of AV1 knows; the encoder is the one in
Pillow's wheels (`sdk.mp4`).  Both lose something, so whoever releases a file reads the mark back
from every decoded frame.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, UnidentifiedImageError, features

from sdk.errors import OutputError
from sdk.formats import HEAD_BYTES, media_type_of
from sdk.mp4 import read_track, write_mp4, write_sequence
from sdk.pixels import Pixels, admit_pixels

WEBP, GIF, MP4 = "image/webp", "image/gif", "video/mp4"
SUFFIXES = {WEBP: ".webp", GIF: ".gif", MP4: ".mp4"}
"""Media type → usual file suffix."""
MOST_FRAMES = 240
MOST_FPS = 30


def encode_frames(
    frames: Sequence[Pixels], *, fps: int, xmp: bytes | None = None, media_type: str = WEBP
) -> bytes:
    """Return an animation of 2 to 240 frames, (H, W, 3) uint8 of one size; MP4 plays once.

    GIF counts time in hundredths of a second and has its own palette for each frame.

    Raises:
        OutputError: too few or too many frames, unlike sizes, or the encoder failed or is missing.
    """
    if not 2 <= len(frames) <= MOST_FRAMES or not 1 <= fps <= MOST_FPS:
        raise OutputError(
            f"asked for {len(frames)} frames at {fps} a second; give 2..{MOST_FRAMES} frames at "
            f"1..{MOST_FPS}"
        )
    if len({frame.shape for frame in frames}) > 1:
        raise OutputError("asked for an animation, found frames of unlike sizes")
    if media_type not in SUFFIXES:
        raise OutputError(f"asked for an animation as {media_type}; give {' or '.join(SUFFIXES)}")
    try:
        return _ENCODERS[media_type](frames, fps, xmp)
    except (OSError, ValueError, RuntimeError) as exc:
        raise OutputError(f"asked to encode {len(frames)} frames, found {exc}") from exc


def _webp(frames: Sequence[Pixels], fps: int, xmp: bytes | None) -> bytes:
    first, *rest = (Image.fromarray(frame) for frame in frames)
    out = io.BytesIO()
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
    return out.getvalue()


def _gif(frames: Sequence[Pixels], fps: int, xmp: bytes | None) -> bytes:
    first, *rest = (
        Image.fromarray(frame).quantize(256, dither=Image.Dither.NONE) for frame in frames
    )
    out = io.BytesIO()
    duration = round(100 / fps) * 10
    first.save(out, "GIF", save_all=True, append_images=rest, duration=duration, loop=0)
    data = out.getvalue()
    if not xmp:
        return data
    # Header and screen descriptor have 13 bytes; their last but two says how many colours follow.
    colours = 3 << (1 + (data[10] & 7)) if data[10] & 0x80 else 0
    at = 13 + colours
    return data[:at] + _XMP_BEFORE + xmp + _XMP_AFTER + data[at:]


def _mp4(frames: Sequence[Pixels], fps: int, xmp: bytes | None) -> bytes:
    if not features.check("avif"):
        raise OutputError(
            "asked for a walk in MP4, found a Pillow without AVIF, whose encoder it needs; install "
            "Pillow from its wheels, or name the file .webp or .gif"
        )
    first, *rest = (Image.fromarray(frame) for frame in frames)
    out = io.BytesIO()
    first.save(
        out,
        "AVIF",
        save_all=True,
        append_images=rest,
        duration=round(1000 / fps),
        quality=_MP4_QUALITY,
        subsampling="4:2:0",
        speed=_MP4_SPEED,
        max_threads=1,
    )
    return write_mp4(read_track(out.getvalue()), xmp=xmp)


_ENCODERS = {WEBP: _webp, GIF: _gif, MP4: _mp4}
_MP4_QUALITY, _MP4_SPEED = 97, 6
"""Of libavif, 0..100 and 0 (small) to 10 (fast).  Of two drawings of 512 pixels, moving, the
evidence of the mark fell from 10^-134 to 10^-82 at worst and no frame was weak; at quality 90 ten
of twelve were weak (10^-23), and at speed 7 nine of twelve (10^-28), in a third of the bytes."""
_XMP_BEFORE = b"\x21\xff\x0bXMP DataXMP"
_XMP_AFTER = b"\x01" + bytes(range(255, -1, -1)) + b"\x00"
"""Application extension (XMP specification part 3, section 1.1.2): the packet as it is, and a
trailer by which readers of sub-blocks find the end wherever they are."""


def decode_frames(data: bytes) -> list[Pixels]:
    """Return every frame, (H, W, 3) uint8 RGB, as players show it.

    Raises:
        OutputError: neither WebP, GIF nor MP4 with AV1, damaged, or of more than 240 frames.
    """
    if media_type_of(data[:HEAD_BYTES]) == MP4:
        data = write_sequence(read_track(data))
    try:
        with Image.open(io.BytesIO(data), formats=("WEBP", "GIF", "AVIF")) as opened:
            count = getattr(opened, "n_frames", 1)
            if count > MOST_FRAMES:
                raise OutputError(f"found {count} frames; at most {MOST_FRAMES} are read")
            frames = []
            for index in range(count):
                opened.seek(index)
                frames.append(admit_pixels(np.asarray(opened.convert("RGB"))))
            return frames
    except (OSError, ValueError, RuntimeError, UnidentifiedImageError, EOFError) as exc:
        raise OutputError(f"asked to read an animation, found {exc}; is the file damaged?") from exc
