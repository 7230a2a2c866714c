"""The gate: which texts of a request are read, and how."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from sdk import Finding, PluginError, Request

from .encoder import Encoder
from .languages import language
from .network import HEADS, Gate
from .restore import Restorer, sentence_case

VERSION = "1"
SENTENCE_WORDS = 5
"""A piece of a negative prompt from this many words is a sentence.  Shorter ones name what the
picture shall not have ("blood, nude, bad anatomy"): the words there mean the opposite, and the
plugin `lists` reads them."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the gate says of one text."""

    scores: dict[str, float]
    language: str
    restored: bool


class GateFilter:
    """Measures a request with the trained gate.

    Args:
        weights: a .npz that `train.py` wrote; the shipped one by default.

    Raises:
        PluginError: the extra `safety` is not installed as tested, or the weights are no gate.
    """

    def __init__(self, *, weights: str = "") -> None:
        if not isinstance(weights, str):
            raise PluginError(f"asked for weights {weights!r}; give the path of a .npz")
        path = Path(weights).expanduser() if weights else _shipped()
        self._gate = Gate(path)
        self._encoder = Encoder()
        self._restorer = Restorer(self._gate.counts)
        self.categories: Sequence[str] = HEADS
        self.thresholds = self._gate.thresholds
        """Scores of `unsafe` that keep promises about harmless prompts, see train.py."""

    def inspect(self, request: Request) -> Sequence[Finding]:
        """Return one finding per category: the worst over all texts of the request."""
        texts = [("prompt", request.prompt), ("purpose", request.purpose)]
        texts += [("negative prompt", part) for part in _sentences(request.negative_prompt)]
        texts += [("LoRA name", self._known_words(name)) for name in request.loras]
        measured = [(place, self.measure(text)) for place, text in texts if text.strip()]
        return [self._worst(category, measured) for category in self.categories]

    def measure(self, text: str) -> Measured:
        """Return the probabilities of one text; the worst of its parts, if it is long."""
        restored = self._restorer.restore(text)
        plain = sentence_case(restored)
        tongue = language(plain)
        scores = dict.fromkeys(HEADS, 0.0)
        for ids in self._encoder.tokenize(plain):
            logits = self._gate.logits(self._encoder.encode(ids), plain)
            for head, p in self._gate.probabilities(logits, tongue).items():
                scores[head] = max(scores[head], p)
        return Measured(scores, tongue, restored != text)

    def _worst(self, category: str, measured: Sequence[tuple[str, Measured]]) -> Finding:
        place, worst = max(measured, key=lambda found: found[1].scores[category])
        how = ", after undoing a disguise" if worst.restored else ""
        return Finding(
            category=category,
            score=worst.scores[category],
            detector=f"gate {VERSION}",
            weights_sha256=self._gate.sha256,
            note=f"the {place}, read as {worst.language}{how}",
        )

    def _known_words(self, name: str) -> str:
        """Words of a LoRA's file name that the gate knows; the rest is no language."""
        last = re.split(r"[/\\]", name)[-1].removesuffix(".safetensors")
        words = re.findall(r"[A-Z]?[a-z]{2,}|[A-Z]{3,}", last)
        return " ".join(word for word in words if word.lower() in self._gate.counts)


def _sentences(negative: str) -> list[str]:
    pieces = re.split(r"[,;\n|.]+", negative)
    return [piece for piece in pieces if len(piece.split()) >= SENTENCE_WORDS]


def _shipped() -> Path:
    return Path(str(files(__package__) / "weights" / "gate.npz"))
