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

VERSION = "2"
SENTENCE_WORDS = 5
"""A piece of a negative prompt from this many words is a sentence.  Shorter ones name what the
picture shall not have ("blood, nude, bad anatomy"): the words there mean the opposite, and the
plugin `lists` reads them."""

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

        A text that looks disguised is judged without its disguise.  How it scores as it stands is
        measured too, and only written down: disguised harmless texts look unsafe there (28 % of
        them in leet at a bound that 5 % of plain ones reach).
        """
        if self._allowed is not None:
            text = self._allowed.sub(" ", text)
        if not text.strip():
            return Measured(dict.fromkeys(HEADS, 0.0), "en")
        restored = self._restorer.restore(text)
        scores, tongue = self._judge(sentence_case(restored))
        if restored == text:
            return Measured(scores, tongue)
        return Measured(scores, tongue, self._judge(sentence_case(text))[0])

    def _judge(self, plain: str) -> tuple[dict[str, float], str]:
        tongue = language(plain)
        scores = dict.fromkeys(HEADS, 0.0)
        for ids in self._encoder.tokenize(plain):
            logits = self._gate.logits(self._encoder.encode(ids), plain)
            for head, p in self._gate.probabilities(logits, tongue).items():
                scores[head] = max(scores[head], p)
        return scores, tongue

    def _worst(self, category: str, measured: Sequence[tuple[str, Measured]]) -> Finding:
        place, worst = max(measured, key=lambda found: found[1].scores[category])
        score = worst.scores[category]
        how = ", after undoing a disguise" if worst.raw else ""
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
