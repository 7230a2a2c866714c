"""Draws with any diffusers pipeline: the embedded starter model, a folder, or a hub id.

    policy:  backend = {plugin = "diffusion", settings = {model = "~/models/sdxl"}}

Text-to-image, image-to-image and inpainting with LoRA files and a choice of schedulers, on cuda,
mps, xpu or cpu.  Nothing is downloaded unless the settings say `allow_download`, weights are
safetensors, and code that ships with a model is never run.  docs/backends/diffusion.md lists the
settings, what was tried and what was not.

What it deliberately leaves to the policy: diffusers' own safety checker and SDXL's fixed
watermark are never loaded, because the filters and the watermark that the policy names do that
work and are recorded; two of each would hide one another.
"""

from __future__ import annotations

from sdk import Backend, Settings, hookimpl

from .config import Config

__all__ = ["Config", "backend", "wrap"]


def wrap(pipe: object, *, name: str = "", licence: str = "", **settings: object) -> object:
    """Put a diffusers pipeline that you built under a policy; returns a plugin to register.

        registry = Registry()
        registry.add(wrap(pipe, licence="Apache-2.0"), "mine")    # backend = {plugin = "mine"}

    `settings` are those of `Config` that do not say what to load.  The pipeline belongs to the
    backend from then on: its tokenizers are changed so that threads can share them.  Whoever
    keeps `pipe` can still call it past every policy; give it away.

    Raises:
        PluginError: a setting is unknown.
        BackendError: it is no diffusers pipeline.
    """
    from .wrapped import Wrapped

    return Wrapped(pipe, name=name, licence=licence, settings=settings)


@hookimpl
def backend(settings: Settings) -> Backend:
    """Load the pipeline that `settings` (the fields of `Config`) describe."""
    config = Config.of(settings)
    from .part import DiffusionBackend

    return DiffusionBackend(config)
