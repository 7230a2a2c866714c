"""Pairs of a large picture and what a small model would have drawn of it, kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from sdk import Dataset, Item, TrainError, Watch, plain

from .network import SCALE
from .recipe import Recipe

_AT_ONCE = 32


class Pairs:
    """Large pictures (N, 4S, 4S, 3) and their small forms (N, S, S, 3), uint8, memory-mapped."""

    def __init__(
        self, large: NDArray[np.uint8], clean: NDArray[np.uint8], drawn: NDArray[np.uint8] | None
    ) -> None:
        self.large, self.clean, self.drawn = large, clean, drawn

    def crops(self, recipe: Recipe, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (batch, 3, c, c) and (batch, 3, 4c, 4c), float 0..1, flipped and turned."""
        side, most = recipe.crop, self.clean.shape[1]
        small: list[NDArray[np.uint8]] = []
        large: list[NDArray[np.uint8]] = []
        for index in rng.integers(0, len(self.large), recipe.batch):
            plain = self.drawn is None or rng.random() < recipe.clean
            source = self.clean if plain or self.drawn is None else self.drawn
            top, left = rng.integers(0, most - side + 1, 2)
            turn, flip = int(rng.integers(4)), int(rng.integers(2))
            for found, pictures, scale in ((small, source, 1), (large, self.large, SCALE)):
                rows = slice(top * scale, (top + side) * scale)
                columns = slice(left * scale, (left + side) * scale)
                piece = np.rot90(pictures[index, rows, columns], turn)
                found.append(piece[:, ::-1] if flip else piece)
        return _tensor(np.stack(small)), _tensor(np.stack(large))


def read_pairs(
    dataset: Dataset, recipe: Recipe, vae: Any | None, folder: Path, watch: Watch
) -> tuple[Pairs, dict[str, object]]:
    """Render the pairs into `folder`, or read those that an earlier run left there.

    Of one thing in one style one picture is kept (skin tones teach an enlarger nothing), and of
    those the recipe's share.  Returns
    the pairs and a summary (sources, licences, counts, SHA-256 over the large pictures).

    Raises:
        TrainError: no usable picture, pictures of different sizes, or none large enough.
    """
    done = folder / "pairs.json"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        summary = _render(dataset, recipe, vae, folder, watch)
        part = done.with_suffix(".part")
        part.write_text(json.dumps(summary, indent=1), "utf-8")
        part.replace(done)
    summary = json.loads(done.read_text("utf-8"))
    drawn = folder / "drawn.npy"
    return Pairs(
        np.load(folder / "large.npy", mmap_mode="r"),
        np.load(folder / "clean.npy"),
        np.load(drawn) if drawn.exists() else None,
    ), summary


def _render(
    dataset: Dataset, recipe: Recipe, vae: Any | None, folder: Path, watch: Watch
) -> dict[str, object]:
    sources: Counter[str] = Counter()
    excluded = Counter[str]()
    digest, large = hashlib.sha256(), []
    trained = _trained(Path(recipe.splits).expanduser()) if recipe.splits else None
    for item in _one_of_each(dataset.items(watch), recipe.share, trained, excluded):
        assert item.pixels is not None
        digest.update(item.pixels.tobytes())
        large.append(item.pixels)
        sources[" | ".join(map(plain, (item.source, item.licence, item.attribution)))] += 1
    _check(large, recipe, excluded)
    kept = np.lib.format.open_memmap(
        folder / "large.npy", "w+", np.uint8, (len(large), *large[0].shape)
    )
    for place in range(len(large)):
        kept[place], large[place] = large[place], large[place][:0]  # let go of each once written
    kept.flush()
    clean = np.concatenate([_shrink(kept[i : i + _AT_ONCE]) for i in range(0, len(kept), _AT_ONCE)])
    np.save(folder / "clean.npy", clean)
    if vae is not None:
        np.save(folder / "drawn.npy", _through(vae, clean, recipe, watch))
    return {
        "pictures": len(kept),
        "excluded": dict(excluded),
        "sources": dict(sources),
        "sha256": digest.hexdigest(),
    }


def chosen(id_: str, share: float) -> bool:
    """Whether a picture is in the share, the same in every run."""
    return int.from_bytes(hashlib.sha256(id_.encode()).digest()[:4]) < share * 2**32


def _trained(folder: Path) -> frozenset[str]:
    """Ids in split train of a prepared folder."""
    try:
        with (folder / "items.jsonl").open(encoding="utf-8") as file:
            papers = [json.loads(line) for line in file]
        return frozenset(str(one["id"]) for one in papers if one["split"] == "train")
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise TrainError(
            f"asked for the splits of {folder.name}, found {type(exc).__name__}; "
            "`splits` must be a folder that `sdk data prepare` wrote"
        ) from exc


def _one_of_each(
    items: Iterator[Item], share: float, trained: frozenset[str] | None, excluded: Counter[str]
) -> Iterator[Item]:
    seen: set[tuple[str, str]] = set()
    for item in items:
        key = (item.concept or item.id, item.labels.get("style", item.source))
        if item.excluded or item.pixels is None:
            excluded[item.excluded or "no pixels"] += 1
        elif trained is not None and item.id not in trained:
            excluded["not trained on"] += 1
        elif key in seen:
            excluded["another one of the same thing and style"] += 1
        elif not chosen(item.id, share):
            excluded["not in the share"] += 1
        else:
            seen.add(key)
            yield item


def _check(large: list[NDArray[np.uint8]], recipe: Recipe, excluded: Counter[str]) -> None:
    sizes = {picture.shape for picture in large}
    least = recipe.crop * SCALE
    if len(sizes) != 1:
        raise TrainError(
            f"asked to train on pictures of one size, found {sorted(sizes) or 'none'} "
            f"({sum(excluded.values())} left out); give a data set of one size"
        )
    height, width, _ = sizes.pop()
    if min(height, width) < least or height % SCALE or width % SCALE:
        raise TrainError(
            f"asked for crops of {recipe.crop} enlarged {SCALE} times, found pictures of "
            f"{width}x{height}; give sides of at least {least}, multiples of {SCALE}"
        )


def _shrink(large: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Mean over areas of 4 × 4 pixels, as a small renderer would cover them."""
    small = F.avg_pool2d(_tensor(large) * 255, SCALE).round().byte()
    return np.ascontiguousarray(small.permute(0, 2, 3, 1).numpy())


@torch.no_grad()
def _through(vae: Any, clean: NDArray[np.uint8], recipe: Recipe, watch: Watch) -> NDArray[np.uint8]:
    """Send small pictures through the VAE, with a little noise on their latents."""
    dice = torch.Generator().manual_seed(recipe.seed)
    parts = []
    for start in range(0, len(clean), _AT_ONCE):
        watch.step(start, len(clean))
        latents = vae.encode(_tensor(clean[start : start + _AT_ONCE]) * 2 - 1).latent_dist.mean
        amount = torch.rand(len(latents), 1, 1, 1, generator=dice) * recipe.noise
        amount = amount / vae.config.scaling_factor
        noisy = latents + amount * torch.randn(latents.shape, generator=dice)
        drawn = ((vae.decode(noisy).sample.clamp(-1, 1) + 1) * 127.5).round().byte()
        parts.append(drawn.permute(0, 2, 3, 1).numpy())
    return np.concatenate(parts)


def _tensor(pictures: NDArray[np.uint8]) -> torch.Tensor:
    """(B, H, W, 3) uint8 → (B, 3, H, W) float 0..1."""
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).float() / 255
