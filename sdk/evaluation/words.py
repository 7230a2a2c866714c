"""Whether pictures show what was asked: CLIP score, retrieval, and concepts that fail."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sdk.errors import DataError

_AT_ONCE = 64
AMONG = 100
"""Captions that a picture chooses between."""


class Clip:
    """An open_clip model from a folder (`open_clip_config.json` and safetensors), or by name.

    Raises:
        DataError: open_clip is missing, or the folder is not such a model.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import open_clip
            import torch

            self._torch = torch
            where = f"local-dir:{folder.resolve()}"
            model, self._look = open_clip.create_model_from_pretrained(where)
            self._model: Any = model.eval()
            self._read: Any = open_clip.get_tokenizer(where)
        except ImportError as exc:
            raise DataError(
                "asked for a CLIP score, found no open_clip; pip install "
                "'responsible-generation-sdk[generate]'"
            ) from exc
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as exc:
            raise DataError(
                f"asked for the CLIP in {folder}, found {type(exc).__name__}: {exc}; give a folder "
                "with open_clip_config.json and weights"
            ) from exc
        self.name = folder.resolve().name

    def pictures(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, H, W, 3) uint8 → (N, D) of length 1."""
        parts = []
        for start in range(0, len(pixels), _AT_ONCE):
            some = [self._look(Image.fromarray(one)) for one in pixels[start : start + _AT_ONCE]]
            with self._torch.no_grad():
                seen = self._model.encode_image(self._torch.stack(some), normalize=True)
            parts.append(seen.float().numpy())
        found: NDArray[np.float32] = np.concatenate(parts)
        return found

    def texts(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        """Prompts → (N, D) of length 1."""
        parts = []
        for start in range(0, len(prompts), _AT_ONCE):
            tokens = self._read(list(prompts[start : start + _AT_ONCE]))
            with self._torch.no_grad():
                heard = self._model.encode_text(tokens, normalize=True)
            parts.append(heard.float().numpy())
        found: NDArray[np.float32] = np.concatenate(parts)
        return found


def clip_score(pictures: NDArray[np.float32], texts: NDArray[np.float32]) -> float:
    """Mean of 100 · max(cosine, 0) over pairs (arXiv:2104.08718, eq. 1, with weight 100)."""
    return float(np.clip((pictures * texts).sum(1) * 100, 0, None).mean())


def recall_at(
    pictures: NDArray[np.float32],
    texts: NDArray[np.float32],
    same: Sequence[str],
    k: int,
    among: int = AMONG,
) -> float:
    """Share of pictures whose caption is among the `k` nearest of `among` captions.

    `same` names each pair's caption: equal captions count as one.  The other captions are drawn
    from all distinct ones; what is returned is the mean over every such draw, which is a
    hypergeometric distribution of the captions that come before the right one.
    """
    names = list(dict.fromkeys(same))
    place = {name: index for index, name in enumerate(names)}
    first = [list(same).index(name) for name in names]
    cosines = pictures @ texts[first].T
    true = np.array([place[name] for name in same])
    own = cosines[np.arange(len(true)), true]
    # Ties count against the picture: a model that draws one thing must not score.
    better = (cosines >= own[:, None]).sum(1) - 1
    others = len(names) - 1
    drawn = min(among - 1, others)
    return float(np.mean([_fewer(int(b), others, drawn, k) for b in better]))


def _fewer(better: int, others: int, drawn: int, k: int) -> float:
    """Chance that fewer than `k` of `better` captions are among `drawn` of `others`."""
    ways = sum(comb(better, i) * comb(others - better, drawn - i) for i in range(min(k, drawn + 1)))
    return ways / comb(others, drawn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """How one concept came out."""

    name: str
    pictures: tuple[int, ...]
    """Places of its pictures."""
    similarity: float
    """Mean cosine of picture and caption, or of picture and real picture of the concept."""


def by_concept(concepts: Sequence[str], similarity: NDArray[np.floating]) -> list[Concept]:
    """Concepts with their mean similarity, worst first."""
    if len(concepts) != len(similarity):
        raise DataError(f"{len(concepts)} concepts for {len(similarity)} pictures")
    places: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(concepts):
        places[name].append(index)
    found = [
        Concept(name=name, pictures=tuple(some), similarity=float(similarity[some].mean()))
        for name, some in places.items()
    ]
    return sorted(found, key=lambda concept: (concept.similarity, concept.name))
