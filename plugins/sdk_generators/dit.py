"""Trains a diffusion transformer; the backend `diffusion` draws with what comes of it.

    trainer = registry.make("trainer", "dit", {"start": "models/starter", "minutes": 30})
    trainer.train(dataset, Path("run"), watch)
    policy:  backend = {plugin = "diffusion", settings = {model = "run/export"}}

The bundled one is `--model dit`; docs/backends/dit.md has pictures and what was measured.
"""

from __future__ import annotations

from sdk import Settings, Trainer, hookimpl


@hookimpl
def trainer(settings: Settings) -> Trainer:
    """Make the trainer; settings: the fields of `sdk_generators.dit_fit.DitRecipe`."""
    from .dit_fit import DitFit, DitRecipe
    from .latents import Latents
    from .run import Fitting

    return Fitting(DitRecipe(**settings), DitFit, Latents)  # type: ignore[arg-type]
