"""Loads a pipeline from a checked folder, with nothing in it that acts behind our back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

from sdk import BackendError

from .config import Config
from .devices import choose_device, choose_dtype, set_threads, wait_politely
from .digests import digest, fingerprint
from .extras import WEIGHTS, Extras, read_extras
from .folder import Index, Place, find, read_index, weight_files
from .logs import keep_prompts_out, quiet
from .trouble import explain


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A pipeline, ready to be copied for each call; it never runs itself."""

    pipe: Any
    """diffusers pipeline on its device."""
    place: Place
    extras: Extras
    parallel: bool
    """Whether threads may run it at once: on CPU in float32, the only dtype VAEs keep."""
    sha256: str
    """Over the weights, see `digests`."""


def load(config: Config) -> Loaded:
    """Load what the settings name.

    Raises:
        BackendError: not there, not safe to open, damaged, or too large for the memory.
    """
    wait_politely()
    place = find(config)
    index = read_index(place.folder, pickle=config.unsafe_load_pickle)
    extras = read_extras(place.folder)
    encoder = extras.text_encoder
    outside = encoder.locate() if encoder else None
    weights = _weights(place.folder, index, config.variant, outside)
    before = fingerprint(weights)
    device = choose_device(config.device)
    dtype = choose_dtype(config.dtype, device)
    with quiet():
        try:
            given = encoder.load(outside, dtype) if encoder and outside else {}
            pipe = _pipeline(config, place.folder, index, dtype, given).to(device)
        except Exception as exc:
            raise explain(exc, f"load {place.source}", place.folder) from exc
    if device == "cpu":
        set_threads(config.threads, _parameters(pipe))
    sha256 = digest(weights)
    if fingerprint(weights) != before:
        raise BackendError(
            f"asked to load {place.source}, found its weights changing meanwhile; "
            "load again when nobody writes them"
        )
    parallel = device == "cpu" and str(dtype) == "torch.float32"
    return Loaded(pipe=pipe, place=place, extras=extras, parallel=parallel, sha256=sha256)


def _pipeline(
    config: Config, folder: Path, index: Index, dtype: Any, given: Mapping[str, Any]
) -> Any:
    import diffusers

    cls = getattr(diffusers, index.pipeline, None)
    if cls is None or not hasattr(cls, "from_pretrained"):
        raise BackendError(
            f"asked to load {folder.name}, found class {index.pipeline!r}, which diffusers "
            f"{diffusers.__version__} does not have; upgrade diffusers or name another model"
        )
    pipe = diffusers.DiffusionPipeline.from_pretrained(
        str(folder),
        dtype=dtype,
        variant=config.variant or None,
        use_safetensors=None if config.unsafe_load_pickle else True,
        local_files_only=True,
        trust_remote_code=False,
        **_options(cls, index),
        **given,
    )
    if getattr(pipe, "watermark", None) is not None:
        pipe.watermark = None
    pipe.set_progress_bar_config(disable=True)
    keep_prompts_out(type(pipe))
    return pipe


def _parameters(pipe: Any) -> int:
    denoiser = getattr(pipe, "unet", None) or getattr(pipe, "transformer", None)
    return sum(p.numel() for p in denoiser.parameters()) if denoiser is not None else 0


def _options(cls: type, index: Index) -> dict[str, Any]:
    """Say no to what a pipeline would load or switch on by itself."""
    keyword = signature(cls).parameters
    options: dict[str, Any] = dict.fromkeys(index.declared - set(index.loaded))
    if "requires_safety_checker" in keyword:
        options["requires_safety_checker"] = False
    if "add_watermarker" in keyword:
        options["add_watermarker"] = False  # its fixed mark would lie under the policy's own
    return options


def _weights(folder: Path, index: Index, variant: str, outside: Path | None) -> dict[str, Path]:
    inside = {
        file.relative_to(folder).as_posix(): file for file in weight_files(folder, index, variant)
    }
    return inside | ({f"text_encoder/{WEIGHTS}": outside / WEIGHTS} if outside else {})
