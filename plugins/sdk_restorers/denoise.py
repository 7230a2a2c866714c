"""Takes blur, noise and JPEG's traces out of drawings; and trains the network that does.

policy:  refiners = [{plugin = "denoise"}]
sdk train denoise --data data/icons --set minutes=8
"""

from __future__ import annotations

from sdk import Refiner, Settings, Trainer, hookimpl


@hookimpl
def refiner(settings: Settings) -> Refiner:
    """Make the refiner; settings: the fields of `sdk_restorers.parts.Config`."""
    from .parts import Config, Denoise

    return Denoise(Config.of(settings, "denoise"))


@hookimpl
def trainer(settings: Settings) -> Trainer:
    """Make the trainer; settings: the fields of `sdk_restorers.fit.DenoiseRecipe`."""
    from sdk_generators.run import Fitting

    from .fit import DenoiseFit, DenoiseRecipe
    from .material import Crops

    return Fitting(DenoiseRecipe(**settings), DenoiseFit, Crops)  # type: ignore[arg-type]
