"""The results of a batch on disk, from which a later run goes on.

    with Results.open("results.jsonl", asked) as results:
        left = [name for name in names if results.known(name) is None]
        results.add(outcome)

A line a file.  A result counts again when the same was asked and size and time of the file are
those that were judged; errors are tried again.  A line that was cut off by a crash is dropped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from sdk.batch.asked import Asked, Outcome
from sdk.errors import VerifyError
from sdk.types import JSON

_BEGIN = b'{"asked": '


class Results:
    """What is known already, and where what follows is written."""

    def __init__(self, file: IO[str], asked: str, known: dict[str, Outcome]) -> None:
        self._file = file
        self._asked = asked
        self._known = known

    @classmethod
    @contextmanager
    def open(cls, path: Path, asked: Asked) -> Iterator[Results]:
        """Open or make the file.

        Raises:
            VerifyError: it cannot be read or written, or is another kind of file.
        """
        try:
            lines, whole = _read(path)
            with path.open("r+" if path.exists() else "w", encoding="ascii") as file:
                file.truncate(whole)
                file.seek(whole)
                yield cls(file, asked.digest, _known(lines, asked.digest))
        except OSError as exc:
            raise VerifyError(
                f"asked to keep results in {path}, found {exc.strerror}; name another file"
            ) from exc

    def known(self, name: str) -> Outcome | None:
        """Return the result of a file that did not change since."""
        found = self._known.get(name)
        if found is None or found.report is None:
            return None
        try:
            now = os.stat(name)
        except OSError:
            return None
        same = (now.st_size, now.st_mtime_ns) == (found.report.size, found.modified_ns)
        return found if same else None

    def add(self, outcome: Outcome) -> None:
        """Write a result; it is in the file when this returns."""
        document = {"asked": self._asked, **outcome.to_json(), "thumbnail": "", "crjson": None}
        self._file.write(json.dumps(document) + "\n")
        self._file.flush()


def _read(path: Path) -> tuple[list[dict[str, JSON]], int]:
    """Return the whole lines, and how many bytes they take."""
    if not path.exists():
        return [], 0
    lines: list[dict[str, JSON]] = []
    whole = 0
    with path.open("rb") as file:
        for line in file:
            try:
                document = json.loads(line)
                if not line.endswith(b"\n") or "asked" not in document:
                    raise ValueError("not whole")
            except (ValueError, TypeError) as exc:
                if line.endswith(b"\n") or not line.startswith(_BEGIN):
                    raise VerifyError(
                        f"asked to go on from {path}, found a line that is no result ({exc}); "
                        "name a file that --resume wrote, or a new one"
                    ) from exc
                return lines, whole
            lines.append(cast("dict[str, JSON]", document))
            whole += len(line)
    return lines, whole


def _known(lines: list[dict[str, JSON]], asked: str) -> dict[str, Outcome]:
    known = {}
    for line in lines:
        if line["asked"] == asked:
            outcome = Outcome.from_json(line)
            known[outcome.file] = outcome
    return known
