"""Trains a GAN that grows from 16 to 64 pixels; the backend `gan` draws with what comes of it.

trainer = registry.make("trainer", "progressive-gan", {"minutes": 25})
trainer.train(dataset, Path("run"), watch)
policy:  backend = {plugin = "gan", settings = {model = "run/export"}}
"""

from __future__ import annotations

from sdk import Settings, Trainer, hookimpl


@hookimpl
def trainer(settings: Settings) -> Trainer:
    """Make the trainer; settings: the fields of `sdk_generators.grow_fit.GrowRecipe`."""
    from .grow_fit import GrowFit, GrowRecipe
    from .material import Pictures
    from .run import Fitting

    return Fitting(GrowRecipe(**settings), GrowFit, Pictures)  # type: ignore[arg-type]
