"""The backend and the refiner that redraw a picture in a style."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import torch
from PIL import Image

from sdk import (
    Capabilities,
    Model,
    Picture,
    Pixels,
    PluginError,
    Request,
    RequestError,
    Settings,
    TrainError,
    Watch,
)

from .folder import bundled, loaded
from .style_fit import style_picture
from .style_network import Shape, Styler
from .style_optimise import Optimiser, to_pixels, to_tensor
from .style_pictures import PICTURES

_MOST_OPTIMISED = 512
"""Pixels a side: time grows with the area, 10 to 20 s at 256 on one core."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleConfig:
    """What a policy may say.

    Raises:
        PluginError: a key is unknown, or a value out of range.
    """

    style: str = "mosaic"
    """A style that the network knows; with `mode = "optimise"` also a picture file.  The
    refiner's; the backend takes the style that the prompt names."""
    mode: Literal["fast", "optimise"] = "fast"
    """A feed-forward network, or moving the pixels of each picture."""
    model: str = "style"
    """A bundled model's name, or a folder that the trainer exported; for `fast`."""
    strength: float = 1.0
    """How much of the style is mixed into the picture, (0, 1]; a request's strength comes first."""
    threads: int = 0
    """Threads of one operation; 0 takes OMP_NUM_THREADS, or one."""
    licence: str = ""
    """Licence of the weights, when the model card is silent."""

    @classmethod
    def of(cls, settings: Settings) -> StyleConfig:
        """Read settings as a policy gives them."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(map(str, settings.keys() - known)):
            raise PluginError(
                f"asked for unknown setting {', '.join(unknown)}; "
                f"the settings are {', '.join(sorted(known))}"
            )
        made = cls(**settings)  # type: ignore[arg-type]
        if made.mode not in ("fast", "optimise") or not 0 < made.strength <= 1 or made.threads < 0:
            raise PluginError(
                f"asked for mode {made.mode!r}, strength {made.strength}, threads {made.threads}; "
                "give mode fast or optimise, strength in (0, 1], threads from 0"
            )
        return made


class Stylist:
    """Redraws pixels; safe to share between threads.

    Raises:
        BackendError: the weights are missing or damaged.
        PluginError: the style is not known.
    """

    def __init__(self, config: StyleConfig) -> None:
        torch.set_num_threads(config.threads or int(os.environ.get("OMP_NUM_THREADS") or 1))
        self.styles: tuple[str, ...] = tuple(PICTURES)
        self.model = Model(name="style-optimisation", version="1", licence="Apache-2.0")
        self._fast: Styler | None = None
        if config.mode == "fast":
            kinds = {"FeedForwardStyle": _styler}
            found = loaded(config.model, kinds, config.licence)
            self.model, self._fast = found.model, found.network
            self.styles = tuple(found.index["styles"])
        else:
            self._slow = Optimiser(bundled("starter") / "vae")
        self._own: dict[str, Pixels] = {}
        if config.style not in self.styles:
            self._add(config)
        self._default = config.style

    def _add(self, config: StyleConfig) -> None:
        """A style of the policy's own, a picture file."""
        known = ", ".join(self.styles)
        if config.mode == "fast":
            raise PluginError(
                f"asked for the style {config.style!r}; the network knows {known}; for a picture "
                'of yours set mode = "optimise", or train a network on it'
            )
        try:
            self._own[config.style] = style_picture(config.style)[1]
        except TrainError as exc:
            raise PluginError(str(exc)) from exc

    def named(self, prompt: str) -> str:
        """The style that a prompt names, as a word of it.

        Raises:
            RequestError: it names none, or several.
        """
        words = set(prompt.casefold().replace(",", " ").split())
        found = [style for style in self.styles if style in words]
        if len(found) != 1:
            raise RequestError(
                f"asked for a style, found a prompt that names {len(found)}; name one of "
                f"{', '.join(self.styles)}, and give the picture as init image"
            )
        return found[0]

    def redraw(self, pixels: Pixels, style: str, strength: float, watch: Watch) -> Pixels:
        """(H, W, 3) uint8 in the manner of `style`, mixed with itself below strength 1."""
        style = style or self._default
        if self._fast is not None:
            watch.step(0, 1)
            with torch.no_grad():
                which = torch.tensor([self.styles.index(style)])
                drawn = to_pixels(self._fast(to_tensor(pixels), which))
            watch.step(1, 1)
        else:
            example = self._own.get(style)
            drawn = self._slow(pixels, PICTURES[style](192) if example is None else example, watch)
        if strength >= 1:
            return drawn
        mixed = pixels.astype(np.float32) * (1 - strength) + drawn.astype(np.float32) * strength
        return mixed.round().astype(np.uint8)


class StyleBackend:
    """Redraws the request's init image in the style that its prompt names."""

    def __init__(self, config: StyleConfig) -> None:
        self._config = config
        self._stylist = Stylist(config)
        self.model = self._stylist.model
        self.capabilities = Capabilities(
            tasks=frozenset({"image-to-image"}),
            multiple_of=1,
            min_side=32,
            max_side=2048 if config.mode == "fast" else _MOST_OPTIMISED,
        )

    def render(self, requests: Sequence[Request], watch: Watch) -> Sequence[Pixels]:
        """Draw one picture of the asked size for each request.

        Raises:
            RequestError: no init image, or the prompt names no style, or asks for what is not
                known here.
        """
        return [self._draw(request, watch) for request in requests]

    def _draw(self, request: Request, watch: Watch) -> Pixels:
        if request.init_image is None or request.mask is not None:
            raise RequestError("asked for a style; give an init image, and no mask")
        for asked, given in (
            ("a negative prompt", request.negative_prompt),
            ("LoRA weights", request.loras),
            ("a scheduler", request.scheduler),
            (f"{request.steps} steps", (request.steps or 1) > 1),
            (f"guidance {request.guidance_scale}", request.guidance_scale),
        ):
            if given:
                raise RequestError(f"asked for {asked}, which a style has not; leave it out")
        height, width = request.init_image.pixels.shape[:2]
        size = (request.width or width, request.height or height)
        pixels = request.init_image.pixels
        if size != (width, height):
            image = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)
            pixels = np.asarray(image)
        strength = self._config.strength if request.strength is None else request.strength
        style = self._stylist.named(request.prompt)
        return self._stylist.redraw(pixels, style, strength, watch)


class StyleRefiner:
    """Redraws every drawn picture in the policy's style."""

    action = "c2pa.filtered"

    def __init__(self, config: StyleConfig) -> None:
        self._config = config
        self._stylist = Stylist(config)

    def refine(self, picture: Picture, request: Request, watch: Watch) -> Pixels:
        """Return the same size in the style.

        Raises:
            RequestError: the picture is too large to be optimised.
        """
        if self._config.mode == "optimise" and max(picture.width, picture.height) > _MOST_OPTIMISED:
            raise RequestError(
                f"asked to optimise a picture of {picture.width}x{picture.height}; the limit is "
                f'{_MOST_OPTIMISED} pixels a side: draw smaller, or set mode = "fast"'
            )
        return self._stylist.redraw(picture.pixels, "", self._config.strength, watch)


def _styler(shape: dict[str, object]) -> Styler:
    styles, width = shape["styles"], shape["width"]
    assert isinstance(styles, list)
    assert isinstance(width, int)
    return Styler(Shape(styles=tuple(map(str, styles)), width=width))
