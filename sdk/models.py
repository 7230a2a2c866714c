"""The models that ship with the SDK, found in a wheel and in an editable install alike."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from sdk.errors import BackendError


def models_folder() -> Path:
    """Wheels carry models in sdk/models; an editable install reads ../models."""
    package = Path(str(files("sdk")))
    packed = package / "models"
    return packed if packed.is_dir() else package.parent / "models"


def bundled_models() -> list[dict[str, str]]:
    """Name, size, licence and one line about each bundled model, from its card.

    Raises:
        BackendError: a model folder has neither a readable `model_index.json` nor the
            configuration of an open_clip model.
    """
    found = []
    for folder in sorted(p for p in models_folder().iterdir() if p.is_dir()):
        size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
        card = _card(folder / "MODEL_CARD.md")
        found.append(
            {
                "name": folder.name,
                "pipeline": _pipeline(folder),
                "size_mb": f"{size / 1e6:.0f}",
                "licence": card.get("license", ""),
                "about": card.get("summary", ""),
            }
        )
    return found


def backend_of(model: str) -> str:
    """The plugin that draws with a model, a bundled name or a folder; empty where none is named.

    A folder names it in `sdk.json`, key `backend`.  Bundled models that name none are diffusers
    folders, which `diffusion` draws with.

    Raises:
        BackendError: sdk.json is not readable.
    """
    bundled = "/" not in model and (models_folder() / model / "model_index.json").is_file()
    path = (models_folder() / model if bundled else Path(model).expanduser()) / "sdk.json"
    try:
        found = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        named = str(found.get("backend", ""))
    except (OSError, ValueError, AttributeError) as exc:
        raise BackendError(
            f"asked which plugin draws with {path.parent.name}, found sdk.json unreadable; "
            "copy the model again"
        ) from exc
    return named or ("diffusion" if bundled else "")


def _pipeline(folder: Path) -> str:
    if (folder / "open_clip_config.json").is_file():
        return "CLIP"
    try:
        index = json.loads((folder / "model_index.json").read_text("utf-8"))
        return str(index["_class_name"])
    except (OSError, ValueError, KeyError) as exc:
        raise BackendError(
            f"asked for the bundled model {folder.name}, found no readable model_index.json; "
            "install the package again"
        ) from exc


def _card(path: Path) -> dict[str, str]:
    """Front matter of a model card: `key: value` lines between `---` lines."""
    if not path.is_file():
        return {}
    head, _, rest = path.read_text("utf-8").partition("---\n")
    front = rest.partition("---\n")[0] if not head.strip() else ""
    pairs = (line.partition(":") for line in front.splitlines() if not line.startswith((" ", "-")))
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs if value.strip()}
