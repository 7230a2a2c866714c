"""Opens a folder that `sdk_generators.leave` wrote: the network, its words, who it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from sdk_backend_diffusion.card import front_matter
from sdk_backend_diffusion.digests import file_digest

from sdk import BackendError, Model, PluginError, Settings

from .leave import WEIGHTS
from .words import Words

_MOST = 64 * 1024 * 1024
"""Bytes of a weight file; ours have 2 to 6 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a policy may say about a backend of this package.

    Raises:
        PluginError: a number out of its range.
    """

    model: str
    """A bundled model's name, or a folder that a trainer of this package exported."""
    spread: float = 1.0
    """Latents are scaled by this: below 1 more alike and safer, above 1 odder (truncation,
    arXiv:1809.11096, section 3.1)."""
    max_batch: int = 8
    """Pictures drawn together."""
    threads: int = 0
    """Threads of one operation; 0 takes OMP_NUM_THREADS, or one."""
    licence: str = ""
    """Licence of the weights, when the model card is silent."""
    text_encoder: str = ""
    """A folder with the encoder that the model was fitted with; empty for the packaged MiniLM."""

    @classmethod
    def of(cls, settings: Settings, model: str) -> Config:
        """Read settings as a policy gives them, with `model` where they name none.

        Raises:
            PluginError: a key is unknown, or a value out of range.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(map(str, settings.keys() - known)):
            raise PluginError(
                f"asked for unknown setting {', '.join(unknown)}; "
                f"the settings are {', '.join(sorted(known))}"
            )
        made = cls(**{"model": model, **settings})  # type: ignore[arg-type]
        if not 0 < made.spread <= 3 or not 1 <= made.max_batch <= 64 or made.threads < 0:
            raise PluginError(
                f"asked for spread {made.spread}, max_batch {made.max_batch}, threads "
                f"{made.threads}; give spread in (0, 3], max_batch 1..64, threads from 0"
            )
        return made


@dataclass(frozen=True, slots=True)
class Opened:
    """A network ready to draw."""

    network: Any
    """torch module, float32, frozen."""
    index: dict[str, Any]
    """What model_index.json says."""
    words: Words
    model: Model


@dataclass(frozen=True, slots=True)
class Loaded:
    """A network from a folder."""

    network: Any
    """torch module, float32, frozen."""
    index: dict[str, Any]
    """What model_index.json says."""
    folder: Path
    model: Model


def loaded(name: str, kinds: Mapping[str, Callable[[dict[str, Any]], Any]], licence: str) -> Loaded:
    """Load the network of a folder; `kinds` maps class names to makers from a shape.

    Raises:
        BackendError: no such folder, or it is damaged, or of a class that the plugin cannot draw.
    """
    folder = _find(name)
    index = _json(folder / "model_index.json")
    made = kinds.get(str(index.get("_class_name")))
    if made is None:
        raise BackendError(
            f"asked to draw with {folder.name}, found a {index.get('_class_name')!r}; this plugin "
            f"draws {', '.join(kinds)}"
        )
    shape = {key: value for key, value in index.items() if not key.startswith("_")}
    weights = folder / WEIGHTS
    sha256 = file_digest(weights)
    network = _filled(made, shape, weights)
    card = front_matter(folder)
    model = Model(
        name=card.get("model_name") or folder.resolve().name,
        version=card.get("version", ""),
        sha256=sha256,
        licence=licence or card.get("license", "") or "not stated",
        source=folder.resolve().name,
    )
    return Loaded(network, index, folder, model)


def opened(config: Config, kinds: Mapping[str, Callable[[dict[str, Any]], Any]]) -> Opened:
    """Load a network that reads words, and its encoder.

    Raises:
        BackendError: as `loaded`, or the encoder is another one than it was fitted with.
    """
    found = loaded(config.model, kinds, config.licence)
    words = words_of(config.model, config.text_encoder)
    return Opened(found.network, found.index, words, found.model)


def words_of(model: str, text_encoder: str) -> Words:
    """The text encoder of a model that reads words, checked against the digest in its folder.

    Raises:
        BackendError: the encoder is missing, or another one than the model was fitted with.
    """
    words = Words(text_encoder, error=BackendError)
    expected = _json(_find(model) / "sdk.json").get("text_encoder_sha256")
    if words.sha256 != expected:
        raise BackendError(
            f"asked for text encoder weights {str(expected)[:12]}…, found {words.sha256[:12]}…; "
            "set text_encoder to the folder that the model was fitted with"
        )
    return words


def _filled(made: Any, shape: dict[str, Any], weights: Path) -> Any:
    import torch
    from safetensors.torch import load_file

    try:
        if weights.stat().st_size > _MOST:
            raise ValueError(f"{weights.stat().st_size:,} bytes of weights")
        network = made(shape)
        network.load_state_dict({name: w.float() for name, w in load_file(weights).items()})
    except Exception as exc:  # safetensors and torch raise many kinds
        raise BackendError(
            f"asked to load {weights.parent.name}, found {type(exc).__name__}: "
            f"{str(exc).splitlines()[0][:200]}; weights and index do not belong together or are "
            "damaged: copy the model again"
        ) from exc
    network.to(memory_format=torch.channels_last)
    return network.eval().requires_grad_(False)


def _find(name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_dir() and (path / "model_index.json").is_file():
        return path
    if "/" not in name and (bundled(name) / "model_index.json").is_file():
        return bundled(name)
    raise BackendError(
        f"asked for model {name}, found no bundled model of that name and no folder with a "
        "model_index.json; `sdk models` lists the bundled ones, a trainer writes others to export/"
    )


def bundled(name: str) -> Path:
    """Where a bundled model lies: in sdk/models in a wheel, beside sdk/ in a checkout."""
    packed = Path(str(files("sdk"))) / "models"
    return (packed if packed.is_dir() else packed.parent.parent / "models") / name


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as exc:
        raise BackendError(
            f"asked to read {path.parent.name}/{path.name}, found {type(exc).__name__}; "
            "copy the model again"
        ) from exc
    if not isinstance(found, dict):
        raise BackendError(f"asked to read {path.name}, found no JSON object; copy the model again")
    return found
