"""A prepared data set on disk: one array, one line of papers for each picture, one signature.

pixels.npy        (N, side, side, 3) uint8 RGB; opens in numpy
items.jsonl       one line for each row of it
excluded.jsonl    one line for each picture that was left out, with the reason
dataset.json      counts, settings, digests
DATASET_CARD.md   the same for people
model.sig         signature over all of these (`sdk card` checks it)
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdk.errors import DataError
from sdk.types import JSON

FORMAT = "sdk data set 1"
PIXELS, ITEMS, EXCLUDED, SUMMARY, PAGE = (
    "pixels.npy", "items.jsonl", "excluded.jsonl", "dataset.json", "DATASET_CARD.md",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """A folder that was read."""

    folder: Path
    pixels: NDArray[np.uint8]
    """(N, side, side, 3), memory-mapped."""
    items: list[dict[str, JSON]]
    excluded: list[dict[str, JSON]]
    summary: dict[str, JSON]
    page: str
    """The card, Markdown."""

    @classmethod
    def open(cls, folder: Path) -> Prepared:
        """Read a folder that `sdk data prepare` wrote; its signature is not checked here.

        Raises:
            DataError: a file is missing, damaged, or does not fit the others.
        """
        try:
            summary = json.loads((folder / SUMMARY).read_text("utf-8"))
            if summary["format"] != FORMAT:
                raise ValueError(f"format {summary['format']!r}")
            items = list(_lines(folder / ITEMS))
            excluded = list(_lines(folder / EXCLUDED))
            pixels = np.load(folder / PIXELS, mmap_mode="r", allow_pickle=False)
            page = (folder / PAGE).read_text("utf-8")
        except (OSError, ValueError, KeyError, TypeError, EOFError) as exc:
            raise DataError(
                f"asked for the data set {folder}, found {exc}; `sdk data prepare` writes such "
                "folders"
            ) from exc
        if pixels.ndim != 4 or pixels.dtype != np.uint8 or len(pixels) != len(items):
            raise DataError(
                f"asked for the data set {folder}, found {len(items)} items and an array of "
                f"{pixels.shape} {pixels.dtype}; prepare it again"
            )
        return cls(
            folder=folder,
            pixels=pixels,
            items=items,
            excluded=excluded,
            summary=summary,
            page=page,
        )

    def rows(self, split: str) -> list[int]:
        """Row numbers of a split."""
        return [row for row, item in enumerate(self.items) if item.get("split") == split]


def _lines(path: Path) -> Iterator[dict[str, JSON]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def write_lines(path: Path, lines: list[dict[str, JSON]]) -> None:
    """Write JSON lines, UTF-8."""
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")


def reason(excluded: str) -> str:
    """A reason without its particulars, for counting: `duplicate of noto:apple` → `duplicate`."""
    return "duplicate" if excluded.startswith("duplicate of ") else excluded


def counted(items: list[dict[str, JSON]], key: str) -> dict[str, JSON]:
    """How often each value occurs, most frequent first."""
    found: Mapping[str, int] = dict(Counter(str(item.get(key, "")) for item in items).most_common())
    return dict(found)
