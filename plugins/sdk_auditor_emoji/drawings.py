"""What the estimator is fitted to and measured on: icons, and what the starter model drew."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdk import Registry, TrainError

from .labels import GENDERS, gender_of, part_of, role_of, tone_of
from .view import view_of

OTHER_VENDORS = frozenset({"emojione", "fxemoji"})
"""Style words of the sets that are kept out of the fit, to see what another hand's drawings do."""
_WEIGHTS = {"woman": 1.0, "man": 1.0, "unspecified": 1.0, "unclear": 0.4, "none": 1.0}
MODEL = "model.txt"
"""Beside the starter model's pictures: the digest of the weights that drew them."""
_BATCH = 64
_MATCHED = 12
"""Sets of drawings in a batch that differ in gender alone: about half of it."""
log = logging.getLogger(__name__)


class Logged:
    """Progress, to the log."""

    def step(self, done: int, total: int, /) -> None:
        """Say how far it is."""
        log.info("%d of %d", done, total)


@dataclass(frozen=True, slots=True)
class Material:
    """What a network is fitted to."""

    views: NDArray[np.uint8]
    """(N, 64, 64, 3)."""
    truths: NDArray[np.int64]
    weights: NDArray[np.float64]
    """How often each is drawn."""
    sets: list[NDArray[np.int64]]
    """Rows that show one role in one style and tone, and differ in gender."""

    def batch(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Choose 64 rows: some whole sets, so that no role tells a gender, and some by weight."""
        places = rng.integers(len(self.sets), size=_MATCHED)
        rows = np.concatenate([self.sets[i] for i in places])
        chances = self.weights / self.weights.sum()
        others = rng.choice(len(self.views), _BATCH - len(rows), p=chances)
        return np.concatenate([rows, others])

    def joined(self, other: Material, share: float) -> Material:
        """Add other pictures, which get `share` of what is drawn by weight."""
        mine, theirs = (one.weights / one.weights.sum() for one in (self, other))
        return Material(
            views=np.concatenate([self.views, other.views]),
            truths=np.concatenate([self.truths, other.truths]),
            weights=np.concatenate([(1 - share) * mine, share * theirs]),
            sets=self.sets,
        )


@dataclass(frozen=True, slots=True)
class Drawings:
    """Everything that was drawn."""

    pixels: NDArray[np.uint8]
    """(N, 128, 128, 3)."""
    gender: NDArray[np.str_]
    tone: NDArray[np.str_]
    part: NDArray[np.str_]
    style: NDArray[np.str_]
    role: NDArray[np.str_]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Of the sets that are fitted to."""
        return ~np.isin(self.style, list(OTHER_VENDORS))

    def views(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """What the estimator looks at, (N, 64, 64, 3)."""
        return np.stack([view_of(self.pixels[row]) for row in rows])

    def rows(self, part: str) -> NDArray[np.int64]:
        """Of the sets that are fitted to, with a gender label."""
        return np.flatnonzero(self.known & (self.part == part) & (self.gender != ""))

    def material(self, rows: NDArray[np.int64]) -> Material:
        """What a network is fitted to: each gender as often, and sets that differ in it alone."""
        genders = self.gender[rows]
        weights = np.array([_WEIGHTS[g] / (genders == g).sum() for g in genders])
        alike: dict[tuple[str, ...], list[int]] = {}
        for place, row in enumerate(rows):
            if self.gender[row] in GENDERS[:3]:
                key = (str(self.role[row]), str(self.style[row]), str(self.tone[row]))
                alike.setdefault(key, []).append(place)
        sets = [np.array(some) for some in alike.values() if len({*genders[some]}) > 1]
        return Material(
            views=self.views(rows),
            truths=np.array([GENDERS.index(g) for g in genders]),
            weights=weights,
            sets=sets,
        )


def draw(folder: str, cache: Path) -> Drawings:
    """Draw the sets once; later calls read the cache."""
    kept = cache / "drawings.npz"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        columns: dict[str, list[Any]] = {name: [] for name in Drawings.__slots__}
        data = Registry().make("dataset", "icons", {"folder": folder})
        for item in data.items(Logged()):
            if item.pixels is None or item.excluded:
                continue
            columns["pixels"].append(item.pixels)
            columns["gender"].append(gender_of(item.concept, item.labels))
            columns["tone"].append(tone_of(item.concept, item.labels))
            columns["part"].append(part_of(item.concept))
            columns["style"].append(item.labels["style"])
            columns["role"].append(role_of(item.concept))
        np.savez_compressed(kept, **{name: np.array(rows) for name, rows in columns.items()})  # type: ignore[arg-type]
    with np.load(kept) as tables:
        return Drawings(**{name: tables[name] for name in Drawings.__slots__})


def read_own(cache: Path) -> Drawings:
    """Read what `own_art` drew; its labels are the words that were asked for.

    Raises:
        TrainError: nothing was drawn.
    """
    shards = sorted((cache / "own").glob("[0-9]*[0-9].npz"))
    if not shards:
        raise TrainError(
            f"asked for the starter model's own pictures in {cache}, found none; draw them with "
            "python -m sdk_auditor_emoji.own_art"
        )
    columns: dict[str, list[NDArray[Any]]] = {}
    for shard in shards:
        with np.load(shard) as tables:
            for name in tables.files:
                columns.setdefault(name, []).append(tables[name])
    found = {name: np.concatenate(rows) for name, rows in columns.items()}
    return Drawings(
        pixels=found["pixels"],
        gender=found["gender"],
        tone=found["tone"],
        part=found["part"],
        style=np.char.add("own ", found["style"]),
        role=found["prompt"],
    )


def own_model(cache: Path) -> str:
    """Digest of the weights that drew, as receipts name it."""
    return (cache / "own" / MODEL).read_text("utf-8").strip()
