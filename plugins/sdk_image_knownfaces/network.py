"""The embedding network: one face, upright and of a known size, becomes one unit vector.

Faces are moved onto the network's own template by the similarity that fits best (Umeyama,
"Least-squares estimation of transformation parameters between two point patterns", IEEE TPAMI
13(4), 1991), in the plane and without mirroring: one complex factor and one complex shift.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sdk_auditor_faces.finder import Face

from sdk import Pixels, PluginError

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Layout:
    """What a family of networks wants to see."""

    side: int
    """Pixels; the face is (side, side, 3) RGB."""
    places: tuple[tuple[float, float], ...]
    """x, y in pixels: where the face finder's first points belong: the eye at the left of the
    picture, the one at its right, and where the family knows them nose tip and mouth centre."""
    mean: tuple[float, float, float]
    """Taken off 0..255, by channel, before the division by `scale`."""
    scale: float


_ARCFACE = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (56.1396, 92.2848))
"""The template of insightface (`arcface_dst` in face_align.py, MIT) and of OpenCV's SFace; the face
finder has one point for the mouth, so the middle of the template's two corners stands for both."""
_DLIB = ((47.73, 47.14), (100.29, 47.13))
"""Middles of the eyes in dlib's mean face of five points, padding 0.25, 150 pixels."""
LAYOUTS: Mapping[str, Layout] = {
    "arcface": Layout(112, _ARCFACE, (127.5, 127.5, 127.5), 127.5),
    "sface": Layout(112, _ARCFACE, (0.0, 0.0, 0.0), 1.0),
    "dlib": Layout(150, _DLIB, (0.0, 0.0, 0.0), 1.0),
}
"""Family → layout.  `arcface`: insightface's exports; `sface`: OpenCV Zoo's face_recognition_sface,
0..255 (`FaceRecognizerSFImpl::feature`); `dlib`: dlib's face recognition ResNet, exported with its
own mean and scale inside."""


class Embedder:
    """One ONNX network on one CPU thread; safe to share between threads.

    Raises:
        PluginError: the file is missing or another one, onnxruntime is not installed or cannot
            read it, or it takes other pictures than its layout says.
    """

    def __init__(self, weights: str, sha256: str, layout: str) -> None:
        if layout not in LAYOUTS:
            raise PluginError(f"asked for layout {layout!r}; the layouts are {', '.join(LAYOUTS)}")
        self.layout = layout
        self.sha256 = sha256
        self._form = LAYOUTS[layout]
        self._session: Any = _open(weights, sha256)
        [asked, *_] = self._session.get_inputs()
        side, shape = self._form.side, list(asked.shape)
        kinds = {(3, side, side): False, (side, side, 3): True}
        if len(shape) != 4 or tuple(shape[1:]) not in kinds:
            raise PluginError(
                f"asked for a network of layout {layout!r}, which takes (1, 3, {side}, {side}), "
                f"found one that takes {shape}; name another layout, or another network"
            )
        self._input, self._channels_last = asked.name, kinds[tuple(shape[1:])]

    def embed(self, pixels: Pixels, face: Face) -> Floats:
        """Return the unit vector of one face in (H, W, 3) uint8 RGB pixels: (width,) float32.

        Raises:
            PluginError: the network failed, or said something that has no direction.
        """
        chip = chip_of(pixels, face, self._form).astype(np.float32)
        given = ((chip - np.asarray(self._form.mean, np.float32)) / self._form.scale)[None]
        if not self._channels_last:
            given = np.ascontiguousarray(given.transpose(0, 3, 1, 2))
        try:
            out = np.asarray(self._session.run(None, {self._input: given})[0], np.float32)
        except Exception as exc:  # onnxruntime raises its own, unexported types
            raise PluginError(f"asked a network about a face, found {type(exc).__name__}") from exc
        length = float(np.linalg.norm(out)) if out.size else 0.0
        if out.size < 2 or out.size != out.shape[-1] or not np.isfinite(length) or length <= 0:
            raise PluginError(
                f"asked a network about a face, found {out.shape} of length {length}; do not trust "
                "its weights"
            )
        unit: Floats = out.reshape(-1) / np.float32(length)
        return unit


def chip_of(pixels: Pixels, face: Face, form: Layout) -> NDArray[np.uint8]:
    """Cut a face out so that its points lie on the template: (side, side, 3) uint8.

    What lies outside the picture is black.
    """
    there = np.array([complex(x, y) for x, y in form.places])
    here = face.points[: len(there)].astype(np.float64) @ np.array([1, 1j])
    turn, shift = similarity(there, here)
    corners = turn * np.array([0, form.side, 1j * form.side, form.side * (1 + 1j)]) + shift
    left, top = (int(np.floor(v.min())) - 2 for v in (corners.real, corners.imag))
    right, bottom = (int(np.ceil(v.max())) + 2 for v in (corners.real, corners.imag))
    image = Image.fromarray(pixels).crop((left, top, right, bottom))
    shift -= complex(left, top)
    shrink = max(1.0, abs(turn))
    if shrink > 1.5:  # area average first: a bilinear sample alone would alias
        small = (max(1, round(image.width / shrink)), max(1, round(image.height / shrink)))
        across, down = small[0] / image.width, small[1] / image.height
        image = image.resize(small, Image.Resampling.BOX)
    else:
        across = down = 1.0
    matrix = (
        *(turn.real * across, -turn.imag * across, shift.real * across),
        *(turn.imag * down, turn.real * down, shift.imag * down),
    )
    size = (form.side, form.side)
    moved = image.transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return np.asarray(moved)


def similarity(
    given: NDArray[np.complex128], wanted: NDArray[np.complex128]
) -> tuple[complex, complex]:
    """Return factor and shift that bring `given` nearest to `wanted`, least squares.

    Umeyama's equations 40 to 42 for points in the plane, x + iy, where turning and scaling are one
    complex factor; a mirror image is no complex factor, so none is returned.

    Raises:
        PluginError: the points lie on each other, or are no numbers.
    """
    from_, to = given - given.mean(), wanted - wanted.mean()
    spread = float((np.abs(from_) ** 2).sum())
    factor = complex((from_.conj() * to).sum() / spread) if spread > 0 else 0j
    if not np.isfinite(factor) or factor == 0:
        raise PluginError("asked to align a face, found points that lie on each other")
    return factor, complex(wanted.mean() - factor * given.mean())


def _open(weights: str, sha256: str) -> Any:
    path = Path(weights).expanduser() if weights and isinstance(weights, str) else None
    if path is None or not path.is_file():
        raise PluginError(
            f"asked for the face network {weights!r}, found no file; none ships with the SDK: give "
            "`weights`, such as OpenCV Zoo's face_recognition_sface_2021dec.onnx"
        )
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise PluginError(
            f"asked for {path.name} with SHA-256 {str(sha256)[:12]!r}…, found {found}; give the "
            "digest of the file that you checked as `sha256`"
        )
    try:
        import onnxruntime
    except ImportError as exc:
        raise PluginError(
            "asked for a face network, found no onnxruntime; "
            "run: pip install 'responsible-generation-sdk[safety]'"
        ) from exc
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as exc:
        raise PluginError(f"asked to load {path.name}, found {exc}; is it an ONNX file?") from exc
