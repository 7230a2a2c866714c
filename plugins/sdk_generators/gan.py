"""Draws 64×64 pictures from words with a GAN, plain or progressively grown; and trains the plain.

    policy:   backend = {plugin = "gan"}        # settings = {model = "run/export"}
    trainer:  registry.make("trainer", "gan", {"minutes": 30}).train(dataset, Path("run"), watch)

docs/backends/gan.md has pictures and what was measured.
"""

from __future__ import annotations

from sdk import Backend, Settings, Trainer, hookimpl


@hookimpl
def backend(settings: Settings) -> Backend:
    """Open the GAN; settings: the fields of `sdk_generators.folder.Config`."""
    from . import gan_networks, grow_networks
    from .drawing import Drawing
    from .folder import Config, opened

    config = Config.of(settings, model="gan")
    kinds = {
        "ConditionalGan": lambda shape: gan_networks.Generator(gan_networks.Shape(**shape)),
        "ProgressiveGan": lambda shape: grow_networks.Grown(grow_networks.Shape(**shape)),
    }
    found = opened(config, kinds)
    return Drawing(config, found, found.network)


@hookimpl
def trainer(settings: Settings) -> Trainer:
    """Make the trainer; settings: the fields of `sdk_generators.gan_fit.GanRecipe`."""
    from .gan_fit import GanFit, GanRecipe
    from .material import Pictures
    from .run import Fitting

    return Fitting(GanRecipe(**settings), GanFit, Pictures)  # type: ignore[arg-type]
