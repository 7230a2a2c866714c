"""What a trainer really saw: every item that a data set yielded, counted and written down.

    seen = Recorded(dataset)
    trainer.train(seen, folder, watch)
    seen.write(folder / "training-data.jsonl.gz")       # one line for each item used

An item without a licence is left out here, whatever the data set says of it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from sdk.durable import write_whole
from sdk.errors import TrainError
from sdk.hookspecs import Dataset
from sdk.training import Item
from sdk.types import JSON, Watch

NO_LICENCE = "no licence"


@dataclass(slots=True)
class Seen:
    """One pass over a data set: the first whole one, or the longest."""

    lines: list[str] = field(default_factory=list)
    sources: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(source, licence, attribution) → items."""
    excluded: Counter[str] = field(default_factory=Counter)
    """Reason → items."""

    def note(self, item: Item) -> None:
        """Write an item down, as used or as left out."""
        if item.excluded or item.pixels is None:
            self.excluded[item.excluded or "no picture"] += 1
            return
        self.lines.append(_line(item))
        self.sources[item.source, item.licence, item.attribution] += 1


class Recorded:
    """A data set that remembers what it yielded; may be read many times."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self.name = dataset.name
        self._seen: Seen | None = None
        self._whole = False

    def items(self, watch: Watch) -> Iterator[Item]:
        """Yield what the data set yields; an item without a licence comes out excluded."""
        seen = Seen()
        try:
            for item in self._dataset.items(watch):
                if not item.excluded and not item.licence.strip():
                    item = replace(item, excluded=NO_LICENCE)
                if not self._whole:
                    seen.note(item)
                yield item
            self._whole = True
        finally:  # a trainer may stop early: then what it read by then is what it used
            if self._seen is None or len(seen.lines) > len(self._seen.lines):
                self._seen = seen

    @property
    def seen(self) -> Seen:
        """What the first whole pass yielded, or the longest where none was whole.

        Raises:
            TrainError: the trainer never read the data set.
        """
        if self._seen is None:
            raise TrainError(
                "asked which pictures were used, found that the trainer did not read the data "
                "set; it cannot be documented"
            )
        return self._seen

    @property
    def text(self) -> bytes:
        """The manifest: JSON lines in the data set's order, UTF-8."""
        return "".join(f"{line}\n" for line in self.seen.lines).encode()

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of the manifest."""
        return hashlib.sha256(self.text).hexdigest()

    def write(self, path: Path) -> None:
        """Write the manifest, gzipped; the same items give the same bytes."""
        packed = gzip.compress(self.text, mtime=0)
        write_whole(path, lambda new: new.write_bytes(packed))


def _line(item: Item) -> str:
    """One item; the digest is over its raw RGB bytes, row by row."""
    assert item.pixels is not None
    fields: dict[str, JSON] = {
        "id": item.id,
        "sha256": hashlib.sha256(item.pixels.tobytes()).hexdigest(),
        "concept": item.concept,
        "licence": item.licence,
        "attribution": item.attribution,
        "source": item.source,
        "consent": item.consent,
    }
    return json.dumps({k: v for k, v in fields.items() if v}, ensure_ascii=False)
