"""Gives grey drawings colours, told what they show or not; and trains the network that does.

policy:  refiners = [{plugin = "colourise"}]
sdk train colourise --data data/icons --set minutes=10
"""

from __future__ import annotations

from sdk import Refiner, Settings, Trainer, hookimpl


@hookimpl
def refiner(settings: Settings) -> Refiner:
    """Make the refiner; settings: the fields of `sdk_restorers.parts.Config`."""
    from .parts import Colourise, Config

    return Colourise(Config.of(settings, "colourise"))


@hookimpl
def trainer(settings: Settings) -> Trainer:
    """Make the trainer; settings: the fields of `sdk_restorers.fit.ColouriseRecipe`."""
    from sdk_generators.run import Fitting

    from .fit import ColouriseFit, ColouriseRecipe
    from .material import Greys

    return Fitting(ColouriseRecipe(**settings), ColouriseFit, Greys)  # type: ignore[arg-type]
