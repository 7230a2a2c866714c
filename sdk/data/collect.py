"""Brings the pictures of a data set plugin here, as files with their papers; goes on when cut off.

    pictures/ab/ab12….png     each picture, lossless, named by its pixels' SHA-256
    metadata.jsonl            one line for each: file_name, id, caption, licence …
    excluded.jsonl            one line for each that was left out

The plugin `folder` reads it, and so does Hugging Face's ImageFolder.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from sdk.data.prepared import EXCLUDED, reason
from sdk.durable import append_line, settle, write_whole
from sdk.errors import DataError
from sdk.hookspecs import Dataset
from sdk.pixels import Picture, Pixels
from sdk.training import Item
from sdk.types import JSON, Watch

TABLE = "metadata.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a session did."""

    new: int
    """Pictures that were written."""
    known: int
    """That were there from a session before."""
    excluded: Counter[str]
    """Reason → pictures left out in this session."""


def collect(dataset: Dataset, folder: Path, watch: Watch) -> Collected:
    """Write every picture that may be used; the same call goes on where it was cut off.

    Raises:
        DataError: the data set breaks off, the folder cannot be written, or nothing was usable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        settle(folder)
        known = {str(line["id"]) for line in _read(folder / TABLE)}
        seen = known | {str(line["id"]) for line in _read(folder / EXCLUDED)}
    except OSError as exc:
        raise DataError(f"asked to collect into {folder}, found {exc.strerror}") from exc
    new, old, excluded = 0, 0, Counter[str]()
    for item in dataset.items(watch):
        if item.id in seen:
            old += item.id in known
            continue
        seen.add(item.id)
        why = item.excluded or ("" if item.licence.strip() else "no licence")
        if why or item.pixels is None:
            excluded[reason(why or "no picture")] += 1
            _append(folder / EXCLUDED, {**_papers(item), "excluded": why or "no picture"})
            continue
        name = _write(folder, item.pixels)
        _append(folder / TABLE, {**_papers(item), "file_name": name})
        new += 1
    if not new and not old:
        why = ", ".join(f"{n} × {text}" for text, n in excluded.most_common(5)) or "it is empty"
        raise DataError(f"asked to collect {dataset.name!r}, found no usable picture ({why})")
    return Collected(new=new, known=old, excluded=excluded)


def _write(folder: Path, pixels: Pixels) -> str:
    digest = Picture(pixels).sha256
    name = f"pictures/{digest[:2]}/{digest}.png"
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=6)
    data = stream.getvalue()
    if not (folder / name).exists():
        write_whole(folder / name, lambda new: new.write_bytes(data), error=DataError)
    return name


def _papers(item: Item) -> dict[str, JSON]:
    fields: dict[str, JSON] = {
        **item.labels,
        "id": item.id,
        "caption": item.caption,
        "concept": item.concept,
        "licence": item.licence,
        "attribution": item.attribution,
        "source": item.source,
        "consent": item.consent,
    }
    return {key: value for key, value in fields.items() if value}


def _append(path: Path, fields: dict[str, JSON]) -> None:
    try:
        append_line(path, json.dumps(fields, ensure_ascii=False))
    except OSError as exc:
        raise DataError(
            f"asked to write {path.name}, found {exc.strerror}; what was collected is kept: "
            "mend that and run the same command again"
        ) from exc


def _read(path: Path) -> list[dict[str, JSON]]:
    """Whole lines; the half line of a killed process is passed over, its picture comes again."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text("utf-8", "replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and "id" in entry:
            found.append(entry)
    return found
