"""Encode many texts once and keep what the encoder saw on disk, for training."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdk import Watch

from .encoder import Encoder

AT_ONCE = 32
"""Texts that run through the encoder together."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """What the encoder saw in N texts, on disk."""

    whole: NDArray[np.float16]
    """(N, 1024): sentence and pooled views."""
    tokens: NDArray[np.float16]
    """(sum of T, 512): all tokens of all texts."""
    starts: NDArray[np.int64]
    """(N + 1,): tokens[starts[i]:starts[i+1]] belong to text i."""


def encode(encoder: Encoder, texts: Sequence[str], cache: Path, watch: Watch) -> Encoded:
    """Encode the first part of every text, or read it from `cache` where it was done before."""
    digest = hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    folder = cache / digest
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write(encoder, texts, folder, watch)
        (folder / "done").touch()
    return Encoded(
        whole=np.load(folder / "whole.npy", mmap_mode="r"),
        tokens=np.load(folder / "tokens.npy", mmap_mode="r"),
        starts=np.load(folder / "starts.npy"),
    )


def joined(*sets: Encoded) -> list[tuple[Encoded, int]]:
    """Address several sets as one: for each text its set and its index there."""
    return [(one, i) for one in sets for i in range(len(one.whole))]


def _write(encoder: Encoder, texts: Sequence[str], folder: Path, watch: Watch) -> None:
    ids = [encoder.tokenize(text)[0] for text in texts]
    starts = np.concatenate([[0], np.cumsum([len(i) for i in ids])]).astype(np.int64)
    tokens = np.lib.format.open_memmap(
        folder / "tokens.npy", mode="w+", dtype=np.float16, shape=(int(starts[-1]), 512)
    )
    whole = np.zeros((len(texts), 1024), np.float16)
    for begin in range(0, len(ids), AT_ONCE):
        views = encoder.encode_many(ids[begin : begin + AT_ONCE])
        for i, seen in enumerate(views, begin):
            tokens[starts[i] : starts[i + 1]] = seen.tokens
            whole[i] = np.concatenate([seen.sentence, seen.pooled])
        watch.step(min(begin + AT_ONCE, len(ids)), len(ids))
    tokens.flush()
    np.save(folder / "whole.npy", whole)
    np.save(folder / "starts.npy", starts)
