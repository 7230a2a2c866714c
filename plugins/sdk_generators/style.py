"""Redraws a picture in the manner of another: by a fast network, or by optimising its pixels.

    policy:  backend = {plugin = "style"}                      # sdk generate "mosaic" --init a.png
             refiners = [{plugin = "style", settings = {style = "waves"}}]
    trainer: registry.make("trainer", "style", {"minutes": 15}).train(dataset, Path("run"), watch)

As a backend it needs an init image, and the prompt names the style.  docs/backends/style.md has
pictures, settings and times.
"""

from __future__ import annotations

from sdk import Backend, Refiner, Settings, Trainer, hookimpl


@hookimpl
def backend(settings: Settings) -> Backend:
    """Make the backend; settings: the fields of `sdk_generators.style_part.StyleConfig`."""
    from .style_part import StyleBackend, StyleConfig

    return StyleBackend(StyleConfig.of(settings))


@hookimpl
def refiner(settings: Settings) -> Refiner:
    """Make the style filter; settings: the fields of `sdk_generators.style_part.StyleConfig`."""
    from .style_part import StyleConfig, StyleRefiner

    return StyleRefiner(StyleConfig.of(settings))


@hookimpl
def trainer(settings: Settings) -> Trainer:
    """Make the trainer; settings: the fields of `sdk_generators.style_fit.StyleRecipe`."""
    from .run import Fitting
    from .style_fit import Canvases, StyleFit, StyleRecipe

    return Fitting(StyleRecipe(**settings), StyleFit, Canvases)  # type: ignore[arg-type]
