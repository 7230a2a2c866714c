"""Build an index from a data set plugin.

    python -m sdk_auditor_copies.build --dataset icons --set folder=node_modules --out copies
    policy:  auditors = [{plugin = "copies", settings = {index = "copies"}}]

Without `--minutes` the network that ships is used again: it was fitted to emoji art, so check it
on your own pictures first (docs/auditors/copies.md says how), or give `--minutes 15` to fit one.
The index that ships was made by this command with `--minutes 15` on one busy core (720 steps).
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sdk import DataError, Dataset, Item, Registry

from .features import Network
from .index import Entry, Index
from .pdq import SIDE, pdq

_AT_ONCE = 128


class Unwatched:
    """A watch that nobody looks at."""

    def step(self, done: int, total: int, /) -> None:
        """Take note of nothing."""


def build(dataset: Dataset, folder: Path, minutes: float = 0.0) -> Index:
    """Write `index.npz` and `network.onnx` into `folder`; equal pictures get one entry.

    Raises:
        DataError: the data set holds no usable picture, or one of another size than 128 × 128.
    """
    items = _distinct(dataset)
    pictures = np.stack([item.pixels for item in items if item.pixels is not None])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "network.onnx"
    if minutes:
        from .network import fit, write_onnx

        write_onnx(fit(pictures, [item.concept for item in items], minutes), path)
    elif not path.exists():
        shutil.copyfile(Path(__file__).parent / "network.onnx", path)
    network = Network(path)
    starts = range(0, len(pictures), _AT_ONCE)
    index = Index(
        [Entry(id=item.id, licence=item.licence, caption=item.caption) for item in items],
        np.stack([pdq(one) for one in pictures]),
        np.concatenate([network.embed(pictures[i : i + _AT_ONCE]) for i in starts]),
        network.sha256,
    )
    index.write(folder / "index.npz")
    return index


def _distinct(dataset: Dataset) -> list[Item]:
    """The usable items, without those whose pixels came before under another name."""
    found: dict[bytes, Item] = {}
    for item in dataset.items(Unwatched()):
        if item.excluded or item.pixels is None:
            continue
        if item.pixels.shape != (SIDE, SIDE, 3):
            raise DataError(
                f"asked for {SIDE} × {SIDE} pictures, found {item.id} of {item.pixels.shape}; "
                "have the data set draw or resize them"
            )
        found.setdefault(hashlib.sha256(item.pixels.tobytes()).digest(), item)
    if not found:
        raise DataError(f"asked for an index of {dataset.name!r}, found no usable picture in it")
    return list(found.values())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line above."""
    parser = argparse.ArgumentParser(description="Build an index of training pictures.")
    parser.add_argument("--dataset", required=True, help="name of a data set plugin")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", required=True, type=Path, help="folder to write")
    parser.add_argument("--minutes", type=float, default=0.0, help="fit a network for so long")
    asked = parser.parse_args(arguments)
    settings: dict[str, object] = dict(pair.split("=", 1) for pair in asked.set)
    build(Registry().make("dataset", asked.dataset, settings), asked.out, asked.minutes)


if __name__ == "__main__":
    main()
