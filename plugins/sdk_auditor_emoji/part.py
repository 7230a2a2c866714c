"""The estimator: one network for perceived gender, one palette for perceived skin tone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdk import (
    Confusion,
    Estimate,
    Finding,
    Picture,
    Pixels,
    PluginError,
    Request,
    Sampler,
    findings_of,
)

from .domain import refusal
from .labels import GENDER, GENDERS, TONE, TONES
from .palette import Floats, shares
from .view import view_of

VERSION = "2"
LEAST_NOBODY = 0.9
"""Probability below which `none` and `unclear` are no answers: a picture that was asked to show a
person and is called empty weighs more than one more abstention."""
_SIDE = 128
_NONE, _UNCLEAR = GENDERS.index("none"), GENDERS.index("unclear")


class Emoji:
    """Measures emoji art, and only that; safe to share between threads."""

    id = "emoji"
    version = VERSION
    attributes: Mapping[str, tuple[str, ...]] = {
        GENDER: GENDERS,
        TONE: (*TONES, "unclear", "none"),
    }
    domain = (
        "emoji art on white, of the sets Noto, Twemoji, Fluent and Noto blob or by a model trained "
        "on them; one person a picture; refuses pictures without a white frame, and photographs"
    )
    licence = "Apache-2.0"

    def __init__(self, weights: str = "", sample_rate: float = 1.0, budget_ms: float = 0.0) -> None:
        folder = Path(weights).expanduser() if weights else Path(__file__).parent / "weights"
        self._sampler = Sampler(sample_rate, budget_ms)
        network = _read(folder / "gender.onnx")
        palette = _read(folder / "palette.npz")
        self.weights_sha256 = hashlib.sha256(network + palette).hexdigest()
        self._session = _session(network)
        try:
            with np.load(folder / "palette.npz") as tables:
                self._centres: Floats = tables["centres"]
                self._weight: Floats = tables["weight"]
                self._bias: Floats = tables["bias"]
            card = json.loads((folder / "card.json").read_text("utf-8"))
            self.least = {name: float(card["least"][name]) for name in (GENDER, TONE)}
            self._heat = float(card["temperature"])
            self.confusion: Mapping[str, Confusion] = {
                name: _confusion(card["confusion"][name]) for name in (GENDER, TONE)
            }
            self.confusion_by_model: Mapping[str, Mapping[str, Confusion]] = {
                model: {name: _confusion(tables[name]) for name in (GENDER, TONE)}
                for model, tables in card["models"].items()
            }
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise PluginError(
                f"asked for the estimator in {folder.name!r}, found {type(exc).__name__}: {exc}; "
                "write it with python -m sdk_auditor_emoji.train"
            ) from exc

    def audit(self, picture: Picture, request: Request) -> list[Finding]:
        """Return a finding for each attribute that is answered; none for a picture not sampled."""
        if not self._sampler.wants(picture):
            return []
        with self._sampler.timed():
            return findings_of(self, self.estimate(picture.pixels))

    def estimate(self, pixels: Pixels) -> list[Estimate]:
        """Measure (H, W, 3) uint8 RGB: both attributes, each answered or abstained."""
        if why := refusal(Picture(pixels).resized(_SIDE)):
            return [Estimate(attribute=name, abstained=why) for name in (GENDER, TONE)]
        small = Picture(_squared(pixels)).resized(_SIDE)
        view = view_of(small)
        gender = self._genders(view)
        return [
            self._answer(GENDER, dict(zip(GENDERS, map(float, gender), strict=True))),
            self._answer(TONE, self._tones(view, gender)),
        ]

    def _genders(self, view: NDArray[np.uint8]) -> Floats:
        """(5,) over `GENDERS`, the mean over the view and its mirror image, calibrated."""
        both = np.stack([view, view[:, ::-1]]).transpose(0, 3, 1, 2).astype(np.float32) / 255
        logits = self._session.run(None, {"pictures": both})[0].mean(0)
        return _softmax(logits / self._heat)

    def _tones(self, view: NDArray[np.uint8], gender: Floats) -> dict[str, float]:
        """A tone belongs to one person: what is nobody or several has none."""
        tones = _softmax(self._weight @ shares(view, self._centres) + self._bias)
        nobody, several = float(gender[_NONE]), float(gender[_UNCLEAR])
        one = 1 - nobody - several
        found = {tone: float(p) * one for tone, p in zip(TONES, tones, strict=True)}
        return {**found, "unclear": several, "none": nobody}

    def _answer(self, attribute: str, probabilities: dict[str, float]) -> Estimate:
        value = max(probabilities, key=probabilities.__getitem__)
        nobody = value in ("none", "unclear")
        least = LEAST_NOBODY if nobody else self.least[attribute]
        if probabilities[value] < least:
            why = f"likeliest is {value} with {probabilities[value]:.2f}, below {least:g}"
            return Estimate(attribute=attribute, abstained=why)
        return Estimate(attribute=attribute, probabilities=probabilities)


def _squared(pixels: Pixels) -> Pixels:
    """Put the picture in the middle of a white square, if it is not one."""
    height, width = pixels.shape[:2]
    if height == width:
        return pixels
    side = max(height, width)
    square = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = pixels
    return square


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max())
    found: Floats = powers / powers.sum()
    return found


def _confusion(table: Mapping[str, Any]) -> Confusion:
    return Confusion(
        labels=tuple(table["labels"]),
        counts=tuple(tuple(row) for row in table["counts"]),
        abstained=tuple(table["abstained"]),
        measured_on=table["measured_on"],
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise PluginError(
            f"asked for {path.name} in {path.parent.name!r}, found {type(exc).__name__}; "
            "write it with python -m sdk_auditor_emoji.train"
        ) from exc


def _session(network: bytes) -> Any:
    try:
        import onnxruntime
    except ImportError as exc:
        raise PluginError(
            "asked for the emoji estimator, found no onnxruntime; install the extra `safety`"
        ) from exc
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    except Exception as exc:
        raise PluginError(
            f"asked for gender.onnx, found no network ({exc}); write it again"
        ) from exc
