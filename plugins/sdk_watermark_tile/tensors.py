"""Marks and reads batches of tensors on the device where they are.

    part = TileWatermark(key=KEY)
    marked = embed_batch(part, batch, payloads)         # (B, 3, H, W) uint8, same device
    found = detect_batch(part, marked)

The same pixels as `TileWatermark.embed` on every device, to the bit: sums of whole numbers below
2**24 are exact in float32 in any order, and the mark is added as whole numbers.  No picture is
copied to the host: what goes there is a luma of 512 to 1023 px and one pixel of 64; what comes back
is the mark, one byte for each grain.  Strength and self-check are decided on the host, picture by
picture, as `embed` does it, and cost what they cost there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sdk import Detection, MarkError

from .adding import MARK_UNIT, Fixed
from .image import LUMA, LUMA_UNIT, Plane, boxes, nearest
from .keys import TILE
from .part import TileWatermark, density

if TYPE_CHECKING:
    from torch import Tensor


def embed_batch(part: TileWatermark, pictures: Tensor, payloads: Sequence[bytes]) -> Tensor:
    """Return new (B, 3, H, W) uint8 pictures that carry one payload each.

    Raises:
        MarkError: another shape or type, not one payload for each, or as `TileWatermark.embed`.
    """
    import torch

    _check(pictures)
    if len(payloads) != len(pictures):
        raise MarkError(f"asked to mark {len(pictures)} pictures with {len(payloads)} payloads")
    marked = [
        part.marked(Device(picture), payload).picture
        for picture, payload in zip(pictures, payloads, strict=True)
    ]
    return torch.stack(marked) if marked else pictures.clone()


def detect_batch(part: TileWatermark, pictures: Tensor) -> list[Detection]:
    """Say of each of (B, 3, H, W) uint8 pictures whether it carries a mark.

    Pictures that are as they were marked are read from a luma of 512 px or less; only one in which
    nothing is found there is copied to the host, for the whole search.

    Raises:
        MarkError: another shape or type.
    """
    _check(pictures)
    found = []
    for picture in pictures:
        seen = part.glance(Device(picture).glimpse(), picture.shape[1:])
        found.append(seen or part.detect(_array(picture.permute(1, 2, 0))))
    return found


class Device:
    """A (3, H, W) uint8 tensor; see `canvas.Canvas`."""

    def __init__(self, picture: Tensor) -> None:
        self.picture = picture
        self.shape: tuple[int, int] = (picture.shape[1], picture.shape[2])

    def sample(self) -> bytes:
        """See `canvas.Canvas`."""
        return _array(self.picture[:, ::8, ::8].permute(1, 2, 0)).tobytes()

    def near(self, short: int) -> Plane:
        """See `canvas.Canvas`."""
        box = boxes(self.shape, short)
        rows, columns = (n // box for n in self.shape)
        whole = self.picture[:, : rows * box, : columns * box].reshape(3, rows, box, columns * box)
        read = whole if box < 4 else whole[:, :, [box // 4, 3 * box // 4]]
        total = _luma(read).sum(1).reshape(rows, columns, box).sum(2)
        share = box**-2.0 if box < 4 else 0.5 / box
        plane: Plane = _array(total) * np.float32(share) * np.float32(1 / LUMA_UNIT)
        return plane

    def glimpse(self) -> Plane:
        """Return the luma as `image.glimpse` does."""
        height, width = self.shape
        at = nearest(min(height, width), TILE * density(min(height, width)))
        import torch

        index = torch.from_numpy(at).to(self.picture.device)
        plane: Plane = _array(_luma(self.picture[:, index][:, :, index]))
        return plane * np.float32(1 / LUMA_UNIT)

    def marked(self, marks: Iterable[Fixed], grain: int) -> Device:
        """See `canvas.Canvas`."""
        import torch

        height, width = self.shape
        shift = MARK_UNIT.bit_length() - 1
        levels = (np.concatenate(list(marks)) >> shift).astype(np.int8)
        change = torch.from_numpy(levels).to(self.picture.device)
        for axis in (0, 1):
            change = change.repeat_interleave(grain, dim=axis)
        total = self.picture.to(torch.int16) + change[:height, :width]
        return Device(total.clamp_(0, 255).to(torch.uint8))


def _luma(picture: Tensor) -> Tensor:
    """Luma in LUMA_UNIT of (3, …) uint8, float32 and exact."""
    red, green, blue = (picture[i].float() * int(LUMA[i]) for i in range(3))
    return red + green + blue


def _array(values: Tensor) -> NDArray[Any]:
    return np.ascontiguousarray(values.cpu().numpy())


def _check(pictures: Tensor) -> None:
    if pictures.ndim != 4 or pictures.shape[1] != 3 or str(pictures.dtype) != "torch.uint8":
        raise MarkError(
            f"asked to mark {tuple(pictures.shape)} {pictures.dtype}; give (B, 3, H, W) torch.uint8"
        )
