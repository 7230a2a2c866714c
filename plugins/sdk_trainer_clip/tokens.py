"""The text tower's words: those WordPieces of all-MiniLM-L6-v2 that captions need, and common ones.

The order is [PAD] [UNK] [CLS] … [SEP]: open_clip reads a caption off at its largest number, which
is thereby its end.  Embeddings begin as the main axes of MiniLM's, so that words which no caption
of the training set has lie near their like.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sdk_generators.words import Words

_FIRST, _LAST = ["[PAD]", "[UNK]", "[CLS]", "[MASK]"], "[SEP]"


class Tokens:
    """Captions → numbers of tokens."""

    def __init__(self, words: Words, captions: Sequence[str], most: int, length: int) -> None:
        self.length = length
        """Numbers for each caption; shorter ones are padded with 0, longer ones cut."""
        known = words.vocabulary()
        self._pieces = _chosen(known, words.pieces(captions), most)
        place = {piece: row for row, piece in enumerate(known)}
        rows = [place.get(piece, place["[UNK]"]) for piece in self._pieces]
        self._theirs = words.embeddings()[rows]
        self._tokenizer = _tokenizer(self._pieces)

    def __len__(self) -> int:
        return len(self._pieces)

    def read(self, captions: Sequence[str]) -> torch.Tensor:
        """(captions, length) int64."""
        found: torch.Tensor = self._tokenizer(
            list(captions),
            return_tensors="pt",
            max_length=self.length,
            padding="max_length",
            truncation=True,
        ).input_ids
        return found

    def start(self, width: int) -> torch.Tensor:
        """(len(self), width) float32, spread .02: MiniLM's embeddings along their main axes."""
        centred = self._theirs - self._theirs.mean(0)
        axes = np.linalg.svd(centred, full_matrices=False)[2][:width]
        turned: NDArray[np.float32] = np.zeros((len(centred), width), np.float32)
        turned[:, : len(axes)] = centred @ axes.T
        return torch.from_numpy(turned * (0.02 / max(turned.std(), 1e-8)))

    def write(self, folder: Path) -> None:
        """Leave the tokenizer as transformers, and so open_clip, reads it."""
        self._tokenizer.save_pretrained(folder)


def _chosen(known: Sequence[str], used: Sequence[Sequence[str]], most: int) -> list[str]:
    """What captions need, single letters for words that none has, then in MiniLM's order.

    BERT's vocabulary is sorted by frequency, so its first whole words are common ones.
    """
    special = {*_FIRST, _LAST}
    needed = {piece for caption in used for piece in caption}
    needed |= {piece for piece in known if len(piece.removeprefix("##")) == 1 and piece.isascii()}
    common = [p for p in known if p.isascii() and p.isalpha() and len(p) > 2]
    for piece in common:
        if len(needed | special) >= most:
            break
        needed.add(piece)
    return [*_FIRST, *(p for p in known if p in needed - special), _LAST]


def _tokenizer(pieces: Sequence[str]) -> Any:
    from transformers import BertTokenizerFast

    return BertTokenizerFast(vocab={piece: row for row, piece in enumerate(pieces)})
