"""The gate: which texts of a request are read, and how."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from sdk import Finding, PluginError, Request

from .encoder import AT_ONCE, Encoder, Floats
from .languages import OTHER, language
from .network import HEADS, Gate
from .restore import Restorer, sentence_case, sentences
from .spelling import Speller

VERSION = "3"
SENTENCE_WORDS = 5
"""A piece of a negative prompt from this many words is a sentence.  Shorter ones name what the
picture shall not have ("blood, nude, bad anatomy"): the words there mean the opposite, and the
plugin `lists` reads them."""

SENTENCE_MARGIN = 2.0
"""A sentence of several counts for itself, less this many logits.  Measured on a fold: of unsafe
sentences among harmless captions 68 % reach `at_1` (50 % as one text), of harmless captions in a
row 1.3 % (0.7 %); without a margin it would be 85 and 4.8 %."""
LIKELY = 0.3
"""A category is named in a finding's note from this probability."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the gate says of one text."""

    scores: dict[str, float]
    language: str
    raw: dict[str, float] | None = None
    """Scores of the text as it stands, where a disguise was undone."""


class GateFilter:
    """Measures a request with the trained gate.

    Args:
        weights: a .npz that `sdk train prompt-filter` wrote; the shipped one by default.
        allow: phrases that are taken out of a text before it is judged, whole words, any case:
            what a tenant's own trade calls things ("kill screen", "breast pump").
        categories: which of HEADS are reported; each needs a rule.

    Raises:
        PluginError: the extra `safety` is not installed as tested, a setting is of another kind,
            or the weights are no gate.
    """

    def __init__(
        self, *, weights: str = "", allow: Sequence[str] = (), categories: Sequence[str] = HEADS
    ) -> None:
        if not isinstance(weights, str):
            raise PluginError(f"asked for weights {weights!r}; give the path of a .npz")
        self._allowed = _phrases(allow)
        path = Path(weights).expanduser() if weights else _shipped()
        self._gate = Gate(path)
        self._encoder = Encoder()
        self._restorer = Restorer(self._gate.counts)
        self._speller = Speller(self._gate.counts, self._encoder.is_piece)
        self.categories: Sequence[str] = _named(categories)
        self.thresholds = self._gate.thresholds
        """Scores of `unsafe` that keep promises about harmless prompts, see train.py."""

    def inspect(self, request: Request) -> Sequence[Finding]:
        """Return one finding for each category: the worst over all texts of the request."""
        texts = [("prompt", request.prompt), ("purpose", request.purpose)]
        texts += [("negative prompt", part) for part in _sentences(request.negative_prompt)]
        texts += [("LoRA name", self._known_words(name)) for name in request.loras]
        measured = [(place, self.measure(text)) for place, text in texts if text.strip()]
        return [self._worst(category, measured) for category in self.categories]

    def measure(self, text: str) -> Measured:
        """Return the probabilities of one text; the worst of its parts, if it is long.

        A text that looks disguised or misspelt is judged without.  How it scores as it stands is
        measured too, and only written down: disguised harmless texts look unsafe there (28 % of
        them in leet at a bound that 5 % of plain ones reach).
        """
        if self._allowed is not None:
            text = self._allowed.sub(" ", text)
        if not text.strip():
            return Measured(dict.fromkeys(HEADS, 0.0), "en")
        restored = self._repaired(self._restorer.restore(text))
        scores, tongue = self._judge(sentence_case(restored))
        if restored == text:
            return Measured(scores, tongue)
        return Measured(scores, tongue, self._judge(sentence_case(text))[0])

    def _repaired(self, text: str) -> str:
        """Without typing mistakes, where most words are English then."""
        repaired = self._speller.repair(text)
        return repaired if self._gate.is_english(repaired) else text

    def _judge(self, plain: str) -> tuple[dict[str, float], str]:
        """Scores of a text as a whole, and of its sentences where it has several."""
        tongue = self._language(plain)
        whole = self._encoder.tokenize(plain)
        found = self._logits(whole, [plain] * len(whole))
        if parts := list(dict.fromkeys(map(sentence_case, sentences(plain)))):
            firsts = [self._encoder.tokenize(part)[0] for part in parts]
            found = np.concatenate([found, self._logits(firsts, parts) - SENTENCE_MARGIN])
        each = [self._gate.probabilities(logits, tongue) for logits in found]
        return {head: max(scores[head] for scores in each) for head in HEADS}, tongue

    def _logits(self, ids: Sequence[Sequence[int]], texts: Sequence[str]) -> Floats:
        """(N, 6) float32, uncalibrated; AT_ONCE texts run through the encoder together."""
        views = [
            self._encoder.encode_many(ids[begin : begin + AT_ONCE])
            for begin in range(0, len(ids), AT_ONCE)
        ]
        return self._gate.logits(np.concatenate(views), texts)

    def _language(self, plain: str) -> str:
        if self._gate.is_english(plain):
            return "en"
        told = language(plain)
        return told if told != "en" else OTHER

    def _worst(self, category: str, measured: Sequence[tuple[str, Measured]]) -> Finding:
        place, worst = max(measured, key=lambda found: found[1].scores[category])
        score = worst.scores[category]
        how = ", after undoing a disguise or misspelling" if worst.raw else ""
        both = {"raw": worst.raw[category], "normalised": score} if worst.raw else {}
        return Finding(
            category=category,
            score=score,
            distribution=both,
            detector=f"gate {VERSION}",
            weights_sha256=self._gate.sha256,
            note=f"the {place}, read as {worst.language}{how}{_nearest(worst.scores)}",
        )

    def _known_words(self, name: str) -> str:
        """Words of a LoRA's file name that the gate knows; the rest is no language."""
        last = re.split(r"[/\\]", name)[-1].removesuffix(".safetensors")
        words = re.findall(r"[A-Z]?[a-z]{2,}|[A-Z]{3,}", last)
        return " ".join(word for word in words if word.lower() in self._gate.counts)


def _nearest(scores: dict[str, float]) -> str:
    """The likeliest category, where one is likely: what to tell who is refused."""
    category = max(HEADS[1:], key=lambda head: scores[head])
    return f"; nearest to {category}" if scores[category] >= LIKELY else ""


def _named(categories: object) -> tuple[str, ...]:
    if isinstance(categories, str) or not isinstance(categories, Sequence):
        raise PluginError(f"asked for categories {categories!r}; give a list of names")
    if not categories or any(name not in HEADS for name in categories):
        raise PluginError(
            f"asked for categories {list(categories)!r}; give some of {', '.join(HEADS)}"
        )
    return tuple(categories)


def _phrases(allow: object) -> re.Pattern[str] | None:
    if isinstance(allow, str) or not isinstance(allow, Sequence):
        raise PluginError(f"asked for allow {allow!r}; give a list of phrases")
    phrases = [phrase.strip() for phrase in allow if isinstance(phrase, str) and phrase.strip()]
    if len(phrases) != len(allow):
        raise PluginError(f"asked for allow {allow!r}; give phrases that are not empty")
    if not phrases:
        return None
    whole = "|".join(re.escape(phrase) for phrase in sorted(phrases, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?:{whole})(?!\w)", re.IGNORECASE)


def _sentences(negative: str) -> list[str]:
    pieces = re.split(r"[,;\n|.]+", negative)
    return [piece for piece in pieces if len(piece.split()) >= SENTENCE_WORDS]


def _shipped() -> Path:
    return Path(str(files(__package__) / "weights" / "gate.npz"))
