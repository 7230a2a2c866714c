"""Training pictures from image-text files, parquet or webdataset, through the `datasets` library.

    {"kind": "webdataset", "files": "shards/*.tar", "licence_column": "license"}
    {"kind": "parquet", "files": "https://host/part-0.parquet", "licence": "CC0-1.0"}

Rows are streamed; nothing is kept on disk: `sdk data collect` does that, and goes on after a
download broke off.  Bytes of a row are looked at before they are decoded, so that do-not-train
signals in the file count, as do those in its columns (robots headers, `tdm-reservation`, `noai`).
A row without licence, bytes or caption comes out excluded, never guessed.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

from sdk import (
    DataError,
    Dataset,
    InputImage,
    Item,
    RequestError,
    Settings,
    Watch,
    do_not_train,
    hookimpl,
)

__all__ = ["ImageText", "dataset"]

_KINDS = ("parquet", "webdataset")
_CAPTIONS = ("caption", "text", "txt")


class ImageText:
    """Rows of image-text files."""

    def __init__(
        self,
        files: str,
        kind: str = "parquet",
        image: str = "",
        caption: str = "",
        licence: str = "",
        licence_column: str = "licence",
        attribution_column: str = "attribution",
        source_column: str = "url",
        concept_column: str = "concept",
        consent: str = "",
    ) -> None:
        if kind not in _KINDS:
            raise DataError(f"asked for {kind!r} files; known: {', '.join(_KINDS)}")
        self.name = "image-text"
        self._files, self._kind, self._licence, self._consent = files, kind, licence, consent
        self._image, self._caption = image, caption
        self._share = (0, 1)
        self._columns = {
            "licence": (licence_column, "license"),
            "attribution": (attribution_column, "author"),
            "source": (source_column,),
            "concept": (concept_column,),
        }

    def share(self, index: int, count: int) -> ImageText:
        """Make a part that yields each `count`-th row, from `index` on; the others stay closed."""
        made = copy.copy(self)
        made._share = (index, count)
        return made

    def items(self, watch: Watch) -> Iterator[Item]:
        """Yield every row, those that must not be used with the reason.

        Raises:
            DataError: `datasets` is missing, there are no such files, or reading broke off.
        """
        index, count = self._share
        done = 0
        for done, row in enumerate(self._rows(), 1):
            watch.step(done, 0)
            if (done - 1) % count == index:
                yield self._item(row, done - 1)
        if not done:
            raise DataError(f"asked for rows of {self._files}, found none; check the files")

    def _rows(self) -> Iterator[Mapping[str, Any]]:
        try:
            from datasets import load_dataset
        except ImportError as exc:
            raise DataError(
                "asked for image-text files, found no datasets; pip install "
                "'responsible-generation-sdk[data]'"
            ) from exc
        count = 0
        try:
            rows = load_dataset(
                self._kind, data_files=self._files, split="train", streaming=True
            ).decode(False)
            for row in rows:
                yield row
                count += 1
        except Exception as exc:
            raise DataError(
                f"asked for the rows of {self._files}, found {type(exc).__name__} after {count}: "
                f"{str(exc).splitlines()[0] if str(exc) else 'no message'}; check the files, or "
                "run the command again to go on"
            ) from exc

    def _item(self, row: Mapping[str, Any], place: int) -> Item:
        try:
            fields, why = _texts(row), ""
        except ValueError:
            fields, why = {}, "papers that are no JSON"
        papers = {key: _first(fields, names) for key, names in self._columns.items()}
        licence = papers["licence"] or self._licence
        caption = fields.get(self._caption, "") if self._caption else _first(fields, _CAPTIONS)
        data = self._bytes(row)
        why = why or do_not_train(data, fields)
        pixels = None
        if not why:
            why = "" if licence else "no licence"
        if not why:
            why = "" if data else "no bytes of a picture"
        if not why:
            try:
                pixels = InputImage.decode(data, name="the row's picture").pixels
            except RequestError as exc:
                why = str(exc).partition(", found ")[2].partition(";")[0] or "cannot be opened"
        return Item(
            id=fields.get("__key__") or fields.get("id") or f"row-{place:09}",
            pixels=pixels,
            caption=" ".join(caption.split()),
            concept=papers["concept"],
            labels={k: v for k, v in fields.items() if k in ("group", "style", "category")},
            licence=licence,
            attribution=papers["attribution"],
            source=papers["source"],
            consent=self._consent,
            excluded=why,
        )

    def _bytes(self, row: Mapping[str, Any]) -> bytes:
        """The picture's file: the named column, or the first that holds one."""
        for name, value in row.items():
            if self._image and name != self._image:
                continue
            found = value.get("bytes") if isinstance(value, dict) else value
            if isinstance(found, bytes):
                return found
        return b""


def _texts(row: Mapping[str, Any]) -> dict[str, str]:
    """Columns that are text or numbers; a webdataset's `json`, and nested headers, flattened."""
    found: dict[str, str] = {}
    for name, value in row.items():
        if isinstance(value, dict) and "bytes" not in value:
            found |= _texts(value)
        elif name == "json" and isinstance(value, (str, bytes)):
            found |= _texts(json.loads(value))
        elif isinstance(value, (str, int, float)):
            found[name] = str(value)
    return found


def _first(fields: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((fields[name] for name in names if fields.get(name)), "")


@hookimpl
def dataset(settings: Settings) -> Dataset:
    """Make it; settings: `files`, `kind`, names of columns, `licence`, `consent`."""
    return ImageText(**settings)  # type: ignore[arg-type]
