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

__all__ = ["Config", "backend"]


@hookimpl
def backend(settings: Settings) -> Backend:
    """Load the pipeline that `settings` (the fields of `Config`) describe."""
    config = Config.of(settings)
    from .part import DiffusionBackend

    return DiffusionBackend(config)
