"""Which pictures a model may see: training, new combinations, and concepts it never sees.

Families of concepts stay together: concepts whose names share all words but gender and person
(`woman firefighter`, `firefighter`), where one name is inside the other (`dog`, `guide dog`), or
whose pictures are near-duplicates.  A family is held out whole or not at all.

New combinations are pictures whose concept, and each of whose label values, is trained on, but
never together: the firefighter, dark skin, in another style.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sdk.data.duplicates import groups
from sdk.errors import DataError

TRAIN, COMBINATIONS, HELD_OUT = "train", "combinations", "held-out"
SPLITS = (TRAIN, COMBINATIONS, HELD_OUT)
_ANYBODY = frozenset(
    {
        "man",
        "men",
        "woman",
        "women",
        "person",
        "people",
        "boy",
        "girl",
        "with",
        "and",
        "a",
        "of",
        "the",
        "in",
    }
)
_LARGE = 0.02
"""Families with a larger share of all pictures are always trained on."""
_AXES = ("style", "skin_tone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How much is kept from training.

    Raises:
        DataError: shares below 0, or above a half together.
    """

    held_out: float = 0.05
    """Of families of concepts."""
    combinations: float = 0.05
    """Of the pictures of trained concepts."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.held_out < 0 or self.combinations < 0 or self.held_out + self.combinations > 0.5:
            raise DataError(
                f"asked to keep {self.held_out} and {self.combinations} from training; give "
                "shares of at least 0 that are at most a half together"
            )


def families(concepts: Sequence[str], near: Sequence[tuple[int, int]] = ()) -> list[str]:
    """Name each picture's family; `near` are pairs of pictures that must stay together."""
    names = sorted(set(concepts))
    place = {name: index for index, name in enumerate(names)}
    pairs = [(place[concepts[a]], place[concepts[b]]) for a, b in near]
    words = [_words(name) for name in names]
    having: dict[str, list[int]] = defaultdict(list)
    for index, some in enumerate(words):
        for word in some:
            having[word].append(index)
    for index, some in enumerate(words):
        if some:
            rarest = min(some, key=lambda word: (len(having[word]), word))
            pairs += [(index, other) for other in having[rarest] if some <= words[other]]
    joined = groups(len(names), pairs)
    return [names[joined[place[concept]]] for concept in concepts]


def split(family: Sequence[str], labels: Sequence[Mapping[str, str]], shares: Shares) -> list[str]:
    """Say for each picture into which of `SPLITS` it goes; the same input, the same answer."""
    count = Counter(family)
    small = sorted(
        (name for name, n in count.items() if n <= max(1.0, _LARGE * len(family))),
        key=lambda name: _dice(shares.seed, name),
    )
    out = set(small[: round(shares.held_out * len(count))])
    if len(out) == len(count):
        out = set()  # somebody has to be trained on
    found = [HELD_OUT if name in out else TRAIN for name in family]
    return _combine(found, family, labels, shares)


def _combine(
    found: list[str], family: Sequence[str], labels: Sequence[Mapping[str, str]], shares: Shares
) -> list[str]:
    """Take whole (family, style, tone) cells out, while family and every value stay trained."""
    cells: dict[tuple[str, ...], list[int]] = defaultdict(list)
    left: Counter[tuple[str, str]] = Counter()
    for index, name in enumerate(found):
        if name == TRAIN:
            values = [("family", family[index]), *((a, labels[index].get(a, "")) for a in _AXES)]
            cells[tuple(value for _, value in values)].append(index)
            left.update(values)
    wanted = round(shares.combinations * sum(map(len, cells.values())))
    for cell in sorted(cells, key=lambda cell: _dice(shares.seed, *cell)):
        inside = cells[cell]
        keys = list(zip(("family", *_AXES), cell, strict=True))
        if len(inside) > wanted or any(left[key] <= len(inside) for key in keys):
            continue
        wanted -= len(inside)
        left.subtract({key: len(inside) for key in keys})
        for index in inside:
            found[index] = COMBINATIONS
    return found


def _words(concept: str) -> frozenset[str]:
    """The words that carry meaning; all words where none else is left."""
    every = frozenset(re.findall(r"[^\W_]+", concept.lower()))
    return every - _ANYBODY or every


def _dice(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()
