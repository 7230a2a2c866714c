"""Enlarges drawings four times with a small network that its own trainer fits.

    policy:  refiners = [{plugin = "superres", settings = {up_to = 512}}]
    sdk train superres --data icons --data-set side=512 \
        --set splits=data/icons --set vae=models/starter --set share=0.12

The trainer learns from pairs: a large picture, and the same shrunk or as a small model would have
drawn it (shrunk, sent through the model's VAE, with a little noise on the latents), so that the
network draws outlines anew and mends what the VAE blurs.  The bundled weights (`models/superres`)
were fitted to emoji drawings; docs/training/superres.md has what they reach.
"""

from __future__ import annotations

import numpy as np

from sdk import (
    BackendError,
    Picture,
    Pixels,
    PluginError,
    Refiner,
    Request,
    Settings,
    Trainer,
    Watch,
    hookimpl,
    in_tiles,
)

from .recipe import Recipe

__all__ = ["Recipe", "Superres", "refiner", "trainer"]

SCALE = 4
MAX_SIDE = 8192


class Superres:
    """Multiplies width and height by 4.

    A picture whose longer side would then be above `up_to` pixels passes unchanged, so that one
    policy serves small and large models; 0 sets no such bound.

    Raises:
        PluginError: a setting is wrong, or torch is not installed.
        BackendError: no such model, or it is damaged.
    """

    action = "c2pa.resized"

    def __init__(self, model: str = "superres", up_to: int = 0) -> None:
        _whole("up_to", up_to, 0, MAX_SIDE)
        try:
            from sdk_generators.folder import loaded

            from .network import Compact, Shape
        except ImportError as exc:
            raise PluginError(
                f"superres: asked for the package {exc.name}, found it not installed; "
                "pip install 'responsible-generation-sdk[generate]', or enlarge with resample"
            ) from exc
        found = loaded(model, {"Compact": lambda shape: Compact(Shape(**shape))}, "")
        self._up_to = up_to
        self._network, self.model = found.network, found.model

    def refine(self, picture: Picture, request: Request, watch: Watch) -> Pixels:
        """Return (4 · H, 4 · W, 3) uint8 RGB, or the picture itself above `up_to`.

        Works in tiles of 256 pixels with one `watch.step` each.

        Raises:
            RequestError: the result would have a side above 8192.
            BackendError: the network failed.
        """
        width, height = picture.width * SCALE, picture.height * SCALE
        if self._up_to and max(width, height) > self._up_to:
            return picture.pixels
        return in_tiles(self._run, picture.pixels, watch, scale=SCALE, border=self._network.reach)

    def _run(self, piece: Pixels) -> Pixels:
        """(h, w, 3) uint8 → (4h, 4w, 3) uint8."""
        import torch

        small = torch.from_numpy(np.array(piece.transpose(2, 0, 1)))
        with torch.inference_mode():
            large = self._network(small.unsqueeze(0).float() / 255)[0]
        if not torch.isfinite(large).all():
            raise BackendError(
                f"asked the network to enlarge {piece.shape[1]}x{piece.shape[0]} pixels, found "
                "numbers that are not finite; train it anew or use the resample refiner"
            )
        levels = (large.clamp(0, 1) * 255).round().byte()
        return np.ascontiguousarray(levels.permute(1, 2, 0).numpy())


@hookimpl
def refiner(settings: Settings) -> Refiner:
    """Make the refiner; settings: `model` (a bundled name or a folder), `up_to` (0: no bound)."""
    return Superres(**settings)  # type: ignore[arg-type]


@hookimpl
def trainer(settings: Settings) -> Trainer:
    """Make the trainer; settings: the fields of `Recipe`."""
    recipe = Recipe(**settings)  # type: ignore[arg-type]
    from .fit import SuperresTrainer

    return SuperresTrainer(recipe)


def _whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise PluginError(
            f"superres: asked for {name} = {value!r}; give a whole number {low}..{high}"
        )
