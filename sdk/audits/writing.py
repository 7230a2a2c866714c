"""Writes a report as the files that leave the house, and reads them back.

    write(report, Path("audit"), credential, samples)    # audit.json .json.jws .html .pdf

All names are checked before the first file is written, and no file replaces another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from sdk.audits.page import Sample, page
from sdk.audits.paper import paper
from sdk.audits.signing import sign
from sdk.errors import AuditError, OutputError
from sdk.keys import SigningCredential
from sdk.output import Placement, check_place
from sdk.types import JSON


def write(
    report: Mapping[str, JSON],
    place: Path,
    credential: SigningCredential,
    samples: Sequence[Sample] = (),
) -> list[Path]:
    """Write the files and return their paths.

    Raises:
        OutputError: there is no name, it is taken, or the folder cannot be written.
        AuditError: reportlab is missing, or the key cannot sign.
    """
    if place.name in ("", ".."):
        raise OutputError(
            f"asked to write the report {str(place)!r}, found no file name; give one without suffix"
        )
    data = (json.dumps(report, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()
    files = {
        ".json": data,
        ".json.jws": sign(data, credential).encode(),
        ".html": page(report, samples).encode(),
        ".pdf": paper(report),
    }
    places = {place.with_name(place.name + end): content for end, content in files.items()}
    for path in places:
        check_place(path)
    return [Placement.stage(path, content).release() for path, content in places.items()]


def read_beside(path: Path) -> tuple[bytes, str]:
    """Return a report's bytes and its signature; an empty text where none lies beside it.

    Raises:
        AuditError: the report cannot be read.
    """
    beside = path.with_name(path.name + ".jws")
    try:
        return path.read_bytes(), beside.read_text("ascii") if beside.exists() else ""
    except (OSError, ValueError) as exc:
        raise AuditError(f"asked to read report {path}, found {exc}; check the path") from exc
