"""Features that stay the same under crops, mirroring, turns, tint and noise; needs onnxruntime."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sdk import Pixels, PluginError

INPUT = 64
"""Side of the network's input."""
SIZE = 128
_TURN_DEG = 8
_BORDER = 0.05


class Network:
    """The feature network and its digest."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        try:
            data = path.read_bytes()
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1  # 6 ms; more threads would wait, not help
            self._session: Any = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        except Exception as exc:
            raise PluginError(
                f"asked for the network {path.name} in {path.parent.name!r}, found "
                f"{type(exc).__name__}: {exc}; build it with sdk_auditor_copies.build"
            ) from exc
        self.sha256 = hashlib.sha256(data).hexdigest()

    def features(self, pixels: Pixels) -> NDArray[np.float32]:
        """Describe (128, 128, 3) uint8 as it is, turned ±8° and with a border: (4, 128), unit."""
        return self.embed(np.stack([pixels, *_views(pixels)]))

    def embed(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Describe each of (N, 128, 128, 3) uint8 together with its mirror image: (N, 128)."""
        halved = _halve(pictures)
        both = np.concatenate([halved, halved[:, :, :, ::-1]])
        found: NDArray[np.float32] = self._session.run(None, {"pictures": both})[0]
        summed = found[: len(pictures)] + found[len(pictures) :]
        unit: NDArray[np.float32] = summed / np.linalg.norm(summed, axis=1, keepdims=True)
        return unit


def _halve(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, 128, 128, 3) uint8 → (N, 3, 64, 64) float32 0..1, area average."""
    count = len(pictures)
    blocks = pictures.reshape(count, INPUT, 2, INPUT, 2, 3).mean((2, 4), dtype=np.float32)
    return np.ascontiguousarray(blocks.transpose(0, 3, 1, 2) / 255)


def _views(pixels: Pixels) -> list[NDArray[np.uint8]]:
    """Undo what a copyist may have done: turn back, and give a crop its border back.

    With these the 1st percentile of a copy turned by 10° rises from cosine .936 to .982, of a
    15 % crop from .838 to .920; the 99th of other vendors' drawings only from .945 to .950.
    """
    image = Image.fromarray(pixels)
    turned = [
        image.rotate(angle, Image.Resampling.BILINEAR, fillcolor="white")
        for angle in (_TURN_DEG, -_TURN_DEG)
    ]
    edge = round(image.width * _BORDER)
    framed = Image.new("RGB", (image.width + 2 * edge, image.height + 2 * edge), "white")
    framed.paste(image, (edge, edge))
    shrunk = framed.resize(image.size, Image.Resampling.BOX)
    return [np.asarray(view) for view in (*turned, shrunk)]
