"""Papers beside pictures: tables for the folder, sidecars for one file."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from sdk import DataError

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".avif", ".tif", ".tiff"})


def read_table(folder: Path) -> dict[str, dict[str, str]]:
    """File name → columns, from `metadata.jsonl` and `metadata.csv`.

    Raises:
        DataError: a table cannot be read, or a line has no `file_name`.
    """
    found: dict[str, dict[str, str]] = {}
    for name, read in (("metadata.csv", _csv), ("metadata.jsonl", _lines)):
        path = folder / name
        if not path.is_file():
            continue
        try:
            for row in read(path):
                found[row["file_name"]] = row
        except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as exc:
            raise DataError(
                f"asked for the papers in {name}, found {type(exc).__name__} {exc}; each line "
                "needs a file_name: papers must not be guessed"
            ) from exc
    return found


def sidecar(path: Path) -> dict[str, str]:
    """Columns from `NAME.json`, and the caption from `NAME.txt`.

    Raises:
        DataError: the file is there and cannot be read.
    """
    found: dict[str, str] = {}
    try:
        text, whole = path.with_suffix(".txt"), path.with_suffix(".json")
        if text.is_file():
            found["caption"] = " ".join(text.read_text("utf-8").split())
        if whole.is_file():
            found |= _texts(json.loads(whole.read_text("utf-8")))
    except (OSError, ValueError, AttributeError) as exc:
        raise DataError(
            f"asked for the papers beside {path.name}, found {type(exc).__name__} {exc}; mend them"
        ) from exc
    return found


def _csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [_texts(row) for row in csv.DictReader(file, strict=True)]


def _lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return [_texts(json.loads(line)) for line in file if line.strip()]


def _texts(row: dict[str, object]) -> dict[str, str]:
    """Values as text; a nested one, such as HTTP headers, is flattened by one level."""
    found: dict[str, str] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            found |= {str(inner): str(text) for inner, text in value.items()}
        elif value is not None:
            found[str(key)] = str(value)
    return found
