"""One evaluation from request to report: draw, measure, write `report.json` and `report.html`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sdk.data.duplicates import describer
from sdk.data.prepared import Prepared
from sdk.durable import write_whole
from sdk.errors import DataError
from sdk.evaluation.codec import Fidelity, diffusers_vae, fidelity
from sdk.evaluation.draw import choose, draw
from sdk.evaluation.measure import measure
from sdk.evaluation.page import page
from sdk.evaluation.words import Clip
from sdk.hookspecs import Backend
from sdk.registry import Registry
from sdk.types import JSON, NO_SETTINGS, Settings, Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to evaluate, and how."""

    data: Path
    """A prepared folder."""
    output: Path
    """Where drawn pictures and the report go."""
    backend: str = "diffusion"
    settings: Settings = field(default_factory=lambda: NO_SETTINGS)
    split: str = "held-out"
    trained_on: tuple[str, ...] = ("train",)
    count: int = 256
    template: str = "{caption}"
    steps: int = 0
    seed: int = 0
    clip: Path | None = None
    vae: Path | None = None


def evaluate(asked: Asked, watch: Watch, registry: Registry | None = None) -> dict[str, JSON]:
    """Write the report and return its numbers.  Killed, the same call goes on.

    Raises:
        DataError: the data set, the CLIP or the VAE cannot be used, or nothing can be written.
        BackendError: the model could not draw.
    """
    registry = registry or Registry()
    data = Prepared.open(asked.data)
    chosen = choose(data, asked.split, asked.count, asked.template, asked.seed)
    clip = Clip(asked.clip) if asked.clip else None
    sees = describer(registry)
    part: Backend = registry.make("backend", asked.backend, asked.settings)
    made = draw(
        part,
        chosen,
        asked.output / "drawn",
        watch,
        side=int(data.pixels.shape[1]),
        seed=asked.seed,
        steps=asked.steps,
    )
    result = measure(
        data,
        made,
        chosen,
        sees,
        watch,
        reference=asked.split,
        trained_on=asked.trained_on,
        clip=clip,
        seed=asked.seed,
    )
    rows = data.rows(asked.split)[: len(made)]
    codec = _codec(asked.vae, data, rows, watch)
    result.numbers = {
        "model": _model(part, asked.backend),
        "asked": _shown(asked, part),
        **result.numbers,
        **_vae(codec),
    }
    _write(asked.output / "report.json", json.dumps(result.numbers, indent=1, ensure_ascii=False))
    _write(asked.output / "report.html", page(result, data, codec, rows))
    return result.numbers


def _codec(vae: Path | None, data: Prepared, rows: list[int], watch: Watch) -> Fidelity | None:
    if vae is None:
        return None
    return fidelity(np.asarray(data.pixels[rows]), diffusers_vae(vae), watch)


def _vae(codec: Fidelity | None) -> dict[str, JSON]:
    if codec is None:
        return {}
    return {
        "vae": {
            "psnr_db": round(codec.psnr_db, 3),
            "psnr_5_percent_db": round(codec.psnr_low_db, 3),
            "ssim": round(codec.ssim, 4),
            "pictures": codec.count,
        }
    }


def _model(part: Backend, backend: str) -> dict[str, JSON]:
    model = part.model
    return {
        "name": model.name,
        "version": model.version,
        "sha256": model.sha256,
        "licence": model.licence,
        "backend": backend,
    }


def _shown(asked: Asked, part: Backend) -> dict[str, JSON]:
    return {
        "data": asked.data.resolve().name,
        "split": asked.split,
        "trained_on": ", ".join(asked.trained_on),
        "template": asked.template,
        "steps": asked.steps or part.capabilities.steps,
        "seed": asked.seed,
    }


def _write(path: Path, text: str) -> None:
    write_whole(path, lambda new: new.write_text(text + "\n", encoding="utf-8"), error=DataError)
