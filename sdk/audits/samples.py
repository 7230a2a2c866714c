"""Small copies of a run's first pictures, for the report to show what the numbers stand on."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping
from typing import cast

from sdk.audits.folder import PICTURES, Folder
from sdk.audits.gathering import cell_of
from sdk.audits.page import Sample
from sdk.types import JSON

SIDE = 128
"""Pixels of the longer side of a copy."""
PER_GROUP, MOST = 4, 96


def samples_of(folder: Folder) -> list[Sample]:
    """Return the first pictures of each group by seed; none where the plan kept none.

    Pictures whose bytes are not those of the receipt are left out.
    """
    import hashlib

    from PIL import Image

    cells = {cell.index: cell for cell in folder.plan.cells}
    shown: Counter[str] = Counter()
    found: list[Sample] = []
    for line in sorted(folder.lines(), key=lambda row: str(row["task"]).split("-")[::-1]):
        group = cell_of(line, cells).group
        path = folder.path / PICTURES / f"{line['task']}.png"
        if shown[group] >= PER_GROUP or len(found) >= MOST or not path.is_file():
            continue
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != line.get("sha256"):
            continue
        with Image.open(io.BytesIO(data)) as picture:
            copy = picture.convert("RGB")
        copy.thumbnail((SIDE, SIDE))
        kept = io.BytesIO()
        copy.save(kept, "JPEG", quality=85)
        shown[group] += 1
        said = _said(cast("dict[str, JSON]", line["values"]))
        found.append(Sample(group=group, said=said, jpeg=kept.getvalue()))
    order = {group: at for at, group in enumerate(folder.plan.groups)}
    return sorted(found, key=lambda sample: order[sample.group])


def _said(values: Mapping[str, JSON]) -> str:
    parts = []
    for name, value in values.items():
        said = cast("dict[str, JSON]", value)
        parts.append(f"{name.replace('_', ' ')}: {said.get('value') or 'no answer'}")
    return "; ".join(parts)
