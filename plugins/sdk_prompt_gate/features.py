"""Encode many texts once and keep what the encoder saw on disk, for training."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sdk import Watch

from .encoder import AT_ONCE, WHOLE, Encoder, Floats


def encode(encoder: Encoder, texts: Sequence[str], cache: Path, watch: Watch) -> Floats:
    """(N, 1024): the first part of every text, or what `cache` has of it from an earlier run."""
    digest = hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    kept = cache / f"{digest}.npy"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(".part.npy")
        np.save(partial, _encoded(encoder, texts, watch))
        partial.replace(kept)
    whole: Floats = np.load(kept, allow_pickle=False)
    return whole


def _encoded(encoder: Encoder, texts: Sequence[str], watch: Watch) -> Floats:
    ids = [encoder.tokenize(text)[0] for text in texts]
    whole = np.zeros((len(texts), WHOLE), np.float32)
    for begin in range(0, len(ids), AT_ONCE):
        whole[begin : begin + AT_ONCE] = encoder.encode_many(ids[begin : begin + AT_ONCE])
        watch.step(min(begin + AT_ONCE, len(ids)), len(ids))
    return whole
