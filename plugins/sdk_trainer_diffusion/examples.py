"""What to learn from: pictures, the captions each may carry, and how often each is drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdk import Item, Pixels, TrainError

GROUP_WEIGHT = {"person": 0.62, "symbol": 0.35, "nature": 2.2, "food": 2.2}
"""Emoji are six tenths people in five tones; without this, food and animals stay mush."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One picture with its captions."""

    id: str
    pixels: Pixels
    captions: tuple[tuple[str, float], ...]
    """(caption, probability), summing to 1."""
    concept: str
    weight: float
    licence: str
    attribution: str
    source: str


def read_examples(items: Iterable[Item], everyday: float) -> tuple[list[Example], int]:
    """Keep what may be used; also count what was excluded.

    Raises:
        TrainError: nothing is left, or the pictures differ in size.
    """
    kept: list[Item] = []
    excluded: Counter[str] = Counter()
    for item in items:
        if item.excluded or item.pixels is None:
            excluded[item.excluded or "no picture"] += 1
        else:
            kept.append(item)
    if not kept:
        why = "; ".join(f"{count} {reason}" for reason, count in excluded.most_common(3))
        raise TrainError(
            f"asked to train, found no usable picture ({excluded.total()} were excluded: "
            f"{why or 'there was none'}); mend the data set"
        )
    sizes = {item.pixels.shape for item in kept if item.pixels is not None}
    if len(sizes) > 1:
        raise TrainError(f"asked for pictures of one size, found {sorted(sizes)}; resize them")
    count = Counter(item.concept or item.id for item in kept)
    return [_example(item, count, everyday) for item in kept], excluded.total()


def _example(item: Item, count: Counter[str], everyday: float) -> Example:
    concept = item.concept or item.id
    weight = GROUP_WEIGHT.get(item.labels.get("group", ""), 1.4) / count[concept] ** 0.5
    assert item.pixels is not None
    return Example(
        id=item.id,
        pixels=item.pixels,
        captions=captions(item),
        concept=concept,
        weight=weight * (everyday if item.labels.get("everyday") else 1.0),
        licence=item.licence,
        attribution=item.attribution,
        source=item.source,
    )


def captions(item: Item) -> tuple[tuple[str, float], ...]:
    """Say it plainly six times in ten, with the style three times, with tags once.

    "a red apple", "red apple" and "apple" all occur, because people write all three.
    """
    names = {item.caption: 1.0, _article(item.caption): 1.0}
    for word in filter(None, item.labels.get("words", "").split("|")):
        names |= {word: 0.35, _article(word): 0.35}
    total = sum(names.values())
    style = item.labels.get("style", "")
    tags = [tag for tag in item.labels.get("tags", "").split(", ") if tag and tag != item.caption]
    found: list[tuple[str, float]] = [(name, 0.62 * p / total) for name, p in names.items()]
    if style:
        found += [(f"{name}, {style} style", 0.28 * p / total) for name, p in names.items()]
    for some in (tags[:3], tags[3:6]):
        if some:
            found.append((", ".join([item.caption, *some]), 0.05))
    whole = sum(p for _, p in found)
    return tuple((name, p / whole) for name, p in found)


def _article(name: str) -> str:
    """Put a or an before a name that looks singular."""
    if name.endswith("s"):
        return name
    return f"{'an' if name[0] in 'aeio' else 'a'} {name}"


class Sampler:
    """Draws examples with their captions, repeatably."""

    def __init__(self, examples: Sequence[Example], no_caption: float, seed: int) -> None:
        self.table: list[str] = sorted({c for e in examples for c, _ in e.captions} | {""})
        """Every caption once; index 0 is the empty one."""
        place = {caption: index for index, caption in enumerate(self.table)}
        self._captions = [np.array([place[c] for c, _ in e.captions]) for e in examples]
        self._chances = [np.array([p for _, p in e.captions]) for e in examples]
        weights = np.array([e.weight for e in examples])
        self._weights = weights / weights.sum()
        self._no_caption = no_caption
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Draw from here on in the order that belongs to `seed`."""
        self._rng = np.random.default_rng(seed)

    def draw(self, batch: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return indices of examples and of captions in `table`, each (batch,)."""
        chosen = self._rng.choice(len(self._weights), batch, p=self._weights)
        said = [self._rng.choice(self._captions[i], p=self._chances[i]) for i in chosen]
        empty = self._rng.random(batch) < self._no_caption
        return chosen, np.where(empty, 0, np.array(said, np.intp))
