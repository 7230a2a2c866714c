"""What was learned: small networks on the encoder's views, a linear model on words, calibration.

Everything is read from one .npz (never a pickle) and runs in numpy.  `train.py` writes it.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import unicodedata
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdk import PluginError

from .encoder import Floats

HEADS = ("unsafe", "sexual", "violence", "hate", "self_harm", "illegal")
"""Order of the outputs.  `unsafe` is over all, also what has no head of its own."""
FORMAT = 3
ENGLISH = 0.6
"""A text is English from this share of words that English training prompts hold: 99.5 % of the
7,318 English prompts that measure are, and 0.9 % of 1,950 written in thirteen other languages."""
Tables = Mapping[str, NDArray[Any]]
_TOKEN = re.compile(r"[^\W_]+")


class Gate:
    """The learned part of the gate.

    Raises:
        PluginError: the file is missing, is no .npz of this format, or lacks a table.
    """

    def __init__(self, path: Path) -> None:
        try:
            data = path.read_bytes()
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                self._w: dict[str, NDArray[Any]] = {name: _wide(file[name]) for name in file.files}
            self.about: Mapping[str, object] = json.loads(str(self._w.pop("about")[()]))
            words = str(self._w.pop("words")[()]).split("\n")
            counts = self._w["word_counts"]
            members = int(self._w["members"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as exc:
            raise PluginError(
                f"asked for the gate's weights {path.name}, found {exc}; "
                "reinstall, or train them: sdk train prompt-filter"
            ) from exc
        if self.about.get("format") != FORMAT or tuple(_texts(self.about.get("heads"))) != HEADS:
            raise PluginError(
                f"asked for weights of format {FORMAT} with heads {', '.join(HEADS)}, found "
                f"{self.about.get('format')!r} with {self.about.get('heads')!r}; train them again"
            )
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.counts = {w: int(n) for w, n in zip(words, counts, strict=True) if n}
        self._column = {word: i for i, word in enumerate(words)}
        self._members = members

    @property
    def thresholds(self) -> dict[str, float]:
        """`at_02`, `at_1` and `at_5`, as training measured them; 1.0 where it did not."""
        found = self.about.get("thresholds")
        known = found if isinstance(found, Mapping) else {}
        return {name: float(known.get(name, 1.0)) for name in ("at_02", "at_1", "at_5")}

    def logits(self, views: Floats, texts: Sequence[str]) -> Floats:
        """(N, 6) float32, uncalibrated and finite, from the encoder's (N, 1024) views and words.

        Raises:
            PluginError: the weights give what is no number.
        """
        out = self.logits_many(views, texts)
        if not np.isfinite(out).all():
            raise PluginError(
                "asked the gate about a text, found a score that is not a finite number; "
                "its weights are damaged, reinstall them"
            )
        return out

    def logits_many(self, views: Floats, texts: Sequence[str]) -> Floats:
        """(N, 6): half networks, half words; each is wrong elsewhere.

        OVERT's look-alikes, near-copies held out: words AUROC .922, networks .951, together .961.
        Texts that are not English are judged by the networks alone: the words' AUROC there is
        .53, the networks' .93 (a fold; 104 unsafe and 650 harmless prompts in thirteen languages).
        """
        members = [self._member(f"m{i}", views) for i in range(self._members)]
        networks: Floats = np.mean(members, axis=0, dtype=np.float32)
        words = np.array(
            [
                self._lexical(text) if self.is_english(text) else alone
                for text, alone in zip(texts, networks, strict=True)
            ]
        )
        out: Floats = ((networks + words) / 2).astype(np.float32)
        return out

    def is_english(self, text: str) -> bool:
        """Whether the word weights can read a text: most of its words are known to them."""
        words = words_of(text)
        return sum(word in self.counts for word in words) >= max(1.0, ENGLISH * len(words))

    def _member(self, name: str, views: Floats) -> Floats:
        w = self._w
        x = (views - w[f"{name}.mu"]) / w[f"{name}.sd"]
        x = np.maximum(x @ w[f"{name}.h.weight"].T + w[f"{name}.h.bias"], 0)
        x = np.maximum(x @ w[f"{name}.h2.weight"].T + w[f"{name}.h2.bias"], 0)
        out: Floats = x @ w[f"{name}.o.weight"].T + w[f"{name}.o.bias"]
        return out

    def _lexical(self, text: str) -> Floats:
        """Word weights: sum of tf-idf · weight over single words, tf = 1 + log(count)."""
        counts: dict[int, int] = {}
        for word in words_of(text):
            column = self._column.get(word)
            if column is not None:
                counts[column] = counts.get(column, 0) + 1
        bias: Floats = self._w["lex.bias"]
        if not counts:
            return bias
        columns = np.fromiter(counts, np.int64)
        tf = 1 + np.log(np.fromiter(counts.values(), np.float32))
        values = tf * self._w["lex.idf"][columns]
        values /= np.sqrt(np.square(values).sum())
        out: Floats = self._w["lex.weight"][:, columns] @ values + bias
        return out

    def logit_of(self, unsafe: float) -> float:
        """The logit of `unsafe` at which its probability is this, before a language's offset."""
        slope, bias = (float(row[0]) for row in self._w["platt"])
        bounded = min(max(unsafe, 1e-9), 1 - 1e-9)
        return (math.log(bounded / (1 - bounded)) - bias) / slope

    def probabilities(self, logits: Floats, language: str) -> dict[str, float]:
        """Calibrated probabilities; a category is never likelier than `unsafe`.

        Platt scaling (1999) per head, after the language's offset, which keeps the share of
        harmless prompts that are refused within bounds in every language.
        """
        offsets = self.about.get("language_offsets")
        shift = offsets.get(language, 0.0) if isinstance(offsets, Mapping) else 0.0
        slope, bias = self._w["platt"]
        z = np.clip(slope * (logits - float(shift)) + bias, -30, 30)
        p = 1.0 / (1.0 + np.exp(-z.astype(np.float64)))
        return {head: float(min(p[i], p[0])) for i, head in enumerate(HEADS)}


def words_of(text: str) -> list[str]:
    """The words of a text: lower case, without accents."""
    plain = text.lower()
    if not plain.isascii():
        plain = unicodedata.normalize("NFKC", plain)
    return _TOKEN.findall(plain)


def _wide(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
