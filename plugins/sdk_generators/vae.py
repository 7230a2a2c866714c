"""Draws 64×64 pictures from words with a conditional VAE, varies and mixes them; and trains it.

    policy:   backend = {plugin = "vae"}
    trainer:  registry.make("trainer", "vae", {"minutes": 15}).train(dataset, Path("run"), watch)

With an init image it encodes that and draws a variation: `strength` says how much of the latent
comes from the seed.  docs/backends/vae.md has pictures and what was measured.
"""

from __future__ import annotations

from sdk import Backend, Settings, Trainer, hookimpl


@hookimpl
def backend(settings: Settings) -> Backend:
    """Open the VAE; settings: the fields of `sdk_generators.folder.Config`."""
    from .drawing import Drawing
    from .folder import Config, opened
    from .vae_network import Shape, Vae

    config = Config.of(settings, model="vae")
    found = opened(config, {"ConditionalVae": lambda shape: Vae(Shape(**shape))})
    net = found.network
    return Drawing(
        config,
        found,
        decode=lambda noise, words: net.decode(net.place(noise, words), words),
        encode=lambda picture, words: net.displace(net.encode(picture, words)[0], words),
    )


@hookimpl
def trainer(settings: Settings) -> Trainer:
    """Make the trainer; settings: the fields of `sdk_generators.vae_fit.VaeRecipe`."""
    from .material import Pictures
    from .run import Fitting
    from .vae_fit import VaeFit, VaeRecipe

    return Fitting(VaeRecipe(**settings), VaeFit, Pictures)  # type: ignore[arg-type]
