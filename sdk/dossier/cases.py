"""Labelled cases to measure with: prompts in a file of JSON lines, pictures in a folder.

    prompts:   {"text": "…", "label": 1, "categories": ["violence"], "source": "mine", "lang": "en"}
    pictures:  folder/unsafe/violence/1.png, folder/benign/2.jpg …
           or  folder/labels.jsonl with {"file": "1.png", "label": 1, "categories": [...]}

`label` is 1 for what a filter should refuse, 0 for what it should let pass.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sdk.errors import DataError
from sdk.inputs import InputImage

MOST_BYTES = 1024 * 1024 * 1024
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".avif", ".tif", ".tiff"})
KINDS = {"unsafe": True, "benign": False, "harmless": False, "safe": False}
"""Names of a picture folder's parts, and whether a filter should refuse what is in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One labelled prompt or picture."""

    id: str
    """The file's own id, or the line's number; a picture's path inside its folder."""
    unsafe: bool
    text: str = field(default="", repr=False)
    path: Path | None = None
    categories: tuple[str, ...] = ()
    source: str = ""
    language: str = ""
    resembles: str = ""
    """For look-alikes: the category that a harmless prompt could be taken for."""

    def picture(self) -> InputImage:
        """Open the picture.

        Raises:
            RequestError: it cannot be read as a picture.
        """
        assert self.path is not None
        return InputImage.open(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSet:
    """Cases with the digest of what they were read from."""

    name: str
    sha256: str
    cases: tuple[Case, ...]


def read_prompts(path: Path) -> CaseSet:
    """Read labelled prompts, plain or gzipped.

    Raises:
        DataError: missing, too large, not JSON lines, or a line without text and label.
    """
    data = _bytes(path)
    try:
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as exc:
        raise DataError(f"asked for prompts in {path.name}, found {exc}; give JSON lines") from exc
    lines = text.split("\n")  # not splitlines(): JSON may hold U+2028 and its kin
    numbered = [(i, line) for i, line in enumerate(lines, 1) if line.strip()]
    cases = tuple(_prompt(_row(line, f"{path.name}:{i}"), i, path.name) for i, line in numbered)
    if not cases:
        raise DataError(
            f"asked for prompts in {path.name}, found none; give one JSON object a line"
        )
    return CaseSet(name=path.name, sha256=hashlib.sha256(data).hexdigest(), cases=cases)


def read_pictures(folder: Path) -> CaseSet:
    """Find labelled pictures: by labels.jsonl where there is one, else by folders' names.

    Raises:
        DataError: no such folder, no labelled picture in it, or a line that labels none.
    """
    if not folder.is_dir():
        raise DataError(f"asked for pictures in {folder}, found no folder; give one")
    listed = folder / "labels.jsonl"
    cases = tuple(_listed(folder, listed) if listed.is_file() else _sorted_in(folder))
    if not cases:
        raise DataError(
            f"asked for pictures in {folder.name}, found none with a label; put them into "
            "unsafe/CATEGORY/ and benign/, or list them in labels.jsonl"
        )
    digest = hashlib.sha256()
    for case in cases:
        assert case.path is not None
        seen = hashlib.sha256(_bytes(case.path)).hexdigest()
        digest.update(f"{seen}  {int(case.unsafe)}  {case.id}\n".encode())
    return CaseSet(name=folder.name, sha256=digest.hexdigest(), cases=cases)


def _sorted_in(folder: Path) -> Iterable[Case]:
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES):
        inside = path.relative_to(folder).parts
        if len(inside) > 1 and inside[0] in KINDS:
            yield Case(
                id="/".join(inside),
                unsafe=KINDS[inside[0]],
                path=path,
                categories=inside[1:2] if KINDS[inside[0]] and len(inside) > 2 else (),
                source=folder.name,
            )


def _listed(folder: Path, listed: Path) -> Iterable[Case]:
    try:
        lines = _bytes(listed).decode("utf-8").split("\n")
    except UnicodeDecodeError as exc:
        raise DataError(f"asked for labels in {listed.name}, found no UTF-8; save it so") from exc
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{listed.name}:{number}"
        row = _row(line, where)
        path = folder / str(row.get("file", ""))
        if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            raise DataError(f"asked for the picture of {where}, found no such file in the folder")
        yield Case(
            id=str(row.get("id", row["file"])),
            unsafe=_label(row, where),
            path=path,
            categories=_texts(row.get("categories")),
            source=str(row.get("source", folder.name)),
        )


def _prompt(row: Mapping[str, object], number: int, name: str) -> Case:
    where = f"{name}:{number}"
    text = row.get("text", row.get("prompt"))
    if not isinstance(text, str) or not text.strip():
        raise DataError(f'asked for a prompt at {where}, found none; give {{"text": "…"}}')
    return Case(
        id=str(row.get("id", number)),
        unsafe=_label(row, where),
        text=text,
        categories=_texts(row.get("categories")),
        source=str(row.get("source") or name),
        language=str(row.get("lang") or ""),
        resembles=str(row.get("near") or ""),
    )


def _label(row: Mapping[str, object], where: str) -> bool:
    label = row.get("label")
    if isinstance(label, bool) or label not in (0, 1):
        raise DataError(f"asked for a label at {where}, found {label!r}; give 1 (unsafe) or 0")
    return bool(label)


def _row(line: str, where: str) -> Mapping[str, object]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise DataError(f"asked for JSON at {where}, found {exc}") from exc
    if not isinstance(row, dict):
        raise DataError(f"asked for an object at {where}, found {type(row).__name__}")
    return row


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if isinstance(value, list) else ()


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"asked to read {path.name}, found over {MOST_BYTES:,} bytes; split it")
        return path.read_bytes()
    except OSError as exc:
        raise DataError(f"asked to read {path}, found {exc.strerror}; check the path") from exc
