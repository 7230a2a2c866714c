"""What a run leaves in its folder.

    export/model_index.json      class name and shape of the network
    export/model.safetensors     averaged weights, float16
    export/sdk.json              which plugin opens the folder, and the text encoder's digest
    export/MODEL_CARD.md         every source with licence and attribution, recipe, digests
    last.pt  loss.jsonl  sheet.png  cache/

The diffusion transformer leaves a diffusers folder instead of the first two.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from safetensors.torch import save_file

from sdk import plain, write_whole

from .material import Material
from .recipe import Recipe

if TYPE_CHECKING:
    from .fits import Fit

WEIGHTS = "model.safetensors"
_COLUMNS = 8


def leave(folder: Path, fit: Fit, encoder_sha256: str, text: str) -> str:
    """Replace `folder` whole; return the SHA-256 over its weight files, in order of their paths.

    Raises:
        TrainError: it cannot be written; the old one stays.
    """
    digests: list[str] = []

    def write(new: Path) -> None:
        new.mkdir()
        fit.write(new, encoder_sha256)
        for file in sorted(new.rglob("*.safetensors")):
            sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
            digests.append(f"{sha256}  {file.relative_to(new).as_posix()}\n")
        table = "".join(f"| `{d.split()[1]}` | `{d.split()[0]}` |\n" for d in digests)
        (new / "MODEL_CARD.md").write_text(f"{text}{table}", "utf-8")

    write_whole(folder, write)
    if len(digests) == 1:
        return digests[0].split()[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def write_network(
    folder: Path,
    index: Mapping[str, Any],
    weights: Mapping[str, torch.Tensor],
    backend: str,
    encoder_sha256: str,
) -> None:
    """Write one network of this package: index, weights, and who opens them."""
    save_half(weights, folder / WEIGHTS)
    write_json(folder / "model_index.json", index)
    write_json(folder / "sdk.json", {"backend": backend, "text_encoder_sha256": encoder_sha256})


def save_half(weights: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write weights as float16 safetensors; counters stay whole numbers."""
    half = {
        name: (w.half() if w.is_floating_point() else w).detach().contiguous().clone()
        for name, w in weights.items()
    }
    save_file(half, path, metadata={"format": "pt"})


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write an object as indented JSON."""
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def sheet(fit: Fit, material: Material, recipe: Recipe, path: Path, rows: int = 3) -> None:
    """Draw each of the recipe's prompts `rows` times, one column a prompt."""
    prompts = list(recipe.prompts[:_COLUMNS])
    drawn = fit.draw(material.read(prompts * rows), torch.Generator().manual_seed(recipe.seed))
    pixels = ((drawn.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
    count = len(prompts)
    lines = [torch.cat(list(pixels[i : i + count]), 1) for i in range(0, len(pixels), count)]
    Image.fromarray(torch.cat(lines, 0).numpy()).save(path)


def card(about: str, recipe: Recipe, material: Material, steps: int, seconds: float) -> str:
    """Say what the weights were made from and how; the table of digests comes after it."""
    sources = Counter((e.source, e.licence, e.attribution) for e in material.examples)
    table = "\n".join(
        f"| {plain(source or 'unnamed')} | {plain(licence)} | {plain(who)} | {count} |"
        for (source, licence, who), count in sorted(sources.items())
    )
    settings = ", ".join(f"{k} {_named(v)}" for k, v in asdict(recipe).items() if k != "prompts")
    return f"""# Model card

{about}

| source | licence | attribution | pictures |
|---|---|---|---|
{table}

{material.excluded} pictures were excluded by the data set.  {len(material.examples)} were used:
{steps:,} steps of {recipe.batch} in {seconds / 60:.1f} minutes.

Recipe: {settings}.

| weights, float16 | SHA-256 |
|---|---|
"""


def _named(value: object) -> str:
    """A setting's value; of a path only the last name, because paths name people."""
    return plain(PurePath(value).name if isinstance(value, str) and "/" in value else value)
