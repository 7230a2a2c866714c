"""Training pictures from a folder that `sdk data prepare` wrote.

    sdk train diffusion --data data/icons
    Registry().make("dataset", "prepared", {"folder": "data/icons", "split": "train"})

Yields one split, in order.  The folder's signature is `sdk card`'s business; here each picture is
compared with the SHA-256 in its papers, so that no other picture is trained on in its name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from sdk import DataError, Dataset, Item, Settings, Watch, hookimpl

__all__ = ["Prepared", "dataset"]


class Prepared:
    """One split of a prepared folder."""

    def __init__(self, folder: str, split: str = "train") -> None:
        self._folder = Path(folder).expanduser()
        self.name = self._folder.resolve().name
        try:
            with (self._folder / "items.jsonl").open(encoding="utf-8") as file:
                papers = [json.loads(line) for line in file]
            self._pixels = np.load(self._folder / "pixels.npy", mmap_mode="r", allow_pickle=False)
            splits = {str(one["split"]) for one in papers}
            self._papers = [one for one in papers if split in ("all", one["split"])]
        except (OSError, ValueError, KeyError, TypeError, EOFError) as exc:
            raise DataError(
                f"asked for the prepared data set {self._folder}, found {exc}; "
                "`sdk data prepare` writes such folders"
            ) from exc
        if len(papers) != len(self._pixels):
            raise DataError(
                f"asked for {self._folder.name}, found {len(papers)} papers for "
                f"{len(self._pixels)} pictures; prepare it again"
            )
        if not self._papers:
            raise DataError(
                f"asked for split {split!r} of {self._folder.name}, found none; there are "
                f"{', '.join(sorted(splits))}, or all"
            )

    def items(self, watch: Watch) -> Iterator[Item]:
        """Yield the split's pictures.

        Raises:
            DataError: a picture is not the one that its papers describe.
        """
        for done, paper in enumerate(self._papers):
            if done % 256 == 0:
                watch.step(done, len(self._papers))
            yield self._item(paper)
        watch.step(len(self._papers), len(self._papers))

    def _item(self, paper: Mapping[str, object]) -> Item:
        pixels = np.array(self._pixels[int(str(paper["row"]))])
        if hashlib.sha256(pixels.tobytes()).hexdigest() != paper["sha256"]:
            raise DataError(
                f"asked for {paper['id']}, found another picture in its place; the folder "
                f"{self._folder.name} was changed: see sdk card {self._folder.name}"
            )
        labels = paper.get("labels")
        return Item(
            id=str(paper["id"]),
            pixels=pixels,
            caption=str(paper["caption"]),
            concept=str(paper.get("concept", "")),
            labels={str(k): str(v) for k, v in labels.items()} if isinstance(labels, dict) else {},
            licence=str(paper["licence"]),
            attribution=str(paper.get("attribution", "")),
            source=str(paper.get("source", "")),
            consent=str(paper.get("consent", "")),
        )


@hookimpl
def dataset(settings: Settings) -> Dataset:
    """Make it; settings: `folder`, `split` (`train`, `combinations`, `held-out` or `all`)."""
    return Prepared(**settings)  # type: ignore[arg-type]
