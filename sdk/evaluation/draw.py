"""Draws what is to be measured: one picture for each chosen caption, kept as it comes.

    drawn = draw(backend, chosen, folder, watch, seed=0)      # (N, side, side, 3), resumable

These pictures are measurements.  They went through no policy, carry no mark and no manifest, and
are not released: the report shows thumbnails only, and says so.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

import numpy as np
from numpy.typing import NDArray

from sdk.data.prepared import Prepared
from sdk.durable import settle, write_whole
from sdk.errors import DataError
from sdk.hookspecs import Backend
from sdk.pixels import Picture, Pixels, admit_pixels
from sdk.request import Request
from sdk.types import Watch

_CHUNK = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A caption to draw, and the picture that it belongs to."""

    row: int
    """Of the prepared data set."""
    prompt: str
    concept: str


def choose(data: Prepared, split: str, count: int, template: str, seed: int) -> list[Chosen]:
    """Take `count` items of a split at random, without taking one twice.

    Raises:
        DataError: the split is empty, or the template names what items do not have.
    """
    rows = data.rows(split)
    if not rows:
        known = ", ".join(sorted({str(item["split"]) for item in data.items}))
        raise DataError(f"asked for split {split!r}, found no picture in it; there are {known}")
    picked = np.random.default_rng(seed).permutation(len(rows))[:count]
    chosen = []
    for index in picked:
        item = data.items[rows[index]]
        labels = item.get("labels")
        fields = {**(labels if isinstance(labels, dict) else {}), "caption": item["caption"]}
        chosen.append(
            Chosen(
                row=rows[index],
                prompt=_filled(template, {key: str(value) for key, value in fields.items()}),
                concept=str(item.get("concept", item["caption"])),
            )
        )
    return chosen


def _filled(template: str, fields: dict[str, str]) -> str:
    try:
        wanted = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
    except ValueError as exc:
        raise DataError(f"asked for the template {template!r}, found {exc}") from exc
    if "caption" not in wanted or wanted - fields.keys():
        missing = ", ".join(sorted(wanted - fields.keys())) or "no caption"
        raise DataError(
            f"asked for the template {template!r}, found {missing}; known: "
            f"{', '.join(sorted(fields))}; caption must be in it"
        )
    return template.format_map(fields)


def draw(
    backend: Backend,
    chosen: Sequence[Chosen],
    folder: Path,
    watch: Watch,
    *,
    side: int,
    seed: int = 0,
    steps: int = 0,
) -> NDArray[np.uint8]:
    """Return (N, side, side, 3) uint8; pictures that `folder` holds are not drawn again.

    Raises:
        DataError: the folder holds pictures of another plan, or cannot be written.
        BackendError: the backend could not draw.
    """
    _same(folder, [backend.model.sha256, side, seed, steps, *(c.prompt for c in chosen)])
    parts = []
    for start in range(0, len(chosen), _CHUNK):
        path = folder / f"drawn-{start:06}.npy"
        if not path.exists():
            some = chosen[start : start + _CHUNK]
            pixels = _render(backend, some, start + seed * 1_000_003, side, steps)
            _keep(path, pixels)
        parts.append(_loaded(path))
        watch.step(min(start + _CHUNK, len(chosen)), len(chosen))
    return np.concatenate(parts)


def _keep(path: Path, pixels: NDArray[np.uint8]) -> None:
    stream = io.BytesIO()
    np.save(stream, pixels)
    write_whole(path, lambda new: new.write_bytes(stream.getvalue()), error=DataError)


class _Quiet:
    def step(self, done: int, total: int, /) -> None:
        """The pictures count, not their steps."""


def _render(
    backend: Backend, chosen: Sequence[Chosen], seed: int, side: int, steps: int
) -> NDArray[np.uint8]:
    can = backend.capabilities
    requests = [
        Request(
            prompt=one.prompt,
            seed=seed + number,
            width=can.width,
            height=can.height,
            steps=steps or can.steps,
            guidance_scale=can.guidance_scale,
        )
        for number, one in enumerate(chosen)
    ]
    found: list[Pixels] = []
    for start in range(0, len(requests), can.max_batch):
        found += backend.render(requests[start : start + can.max_batch], _Quiet())
    return np.stack([Picture(admit_pixels(one)).resized(side) for one in found])


def _same(folder: Path, plan: list[object]) -> None:
    """Refuse to mix pictures of two models, prompts or seeds."""
    path, text = folder / "plan.json", json.dumps(plan)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        settle(folder)
        if path.exists() and path.read_text("utf-8") != text:
            raise DataError(
                f"asked to draw into {folder}, found pictures of another model, prompt or seed; "
                "name a new folder"
            )
    except OSError as exc:
        raise DataError(f"asked to draw into {folder}, found {exc.strerror}") from exc
    write_whole(path, lambda new: new.write_text(text, encoding="utf-8"), error=DataError)


def _loaded(path: Path) -> NDArray[np.uint8]:
    try:
        found: NDArray[np.uint8] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as exc:
        raise DataError(
            f"asked for {path.name}, found {exc}; remove that file and run again"
        ) from exc
    return found
