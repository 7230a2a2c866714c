"""The refiners, and the backend that does what the prompt names to the picture it is given."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from sdk_generators.folder import bundled, loaded, words_of

from sdk import (
    BackendError,
    Capabilities,
    Model,
    Picture,
    Pixels,
    PluginError,
    Request,
    RequestError,
    Settings,
    Watch,
    in_tiles,
)

from .networks import WORDS, Colouriser, Denoiser, Shape

GREY = 3.0
"""Mean distance of the channels, in levels, up to which a picture counts as grey."""
_WORKS = {
    "denoise": "denoise",
    "deblur": "denoise",
    "colourise": "colourise",
    "colorize": "colourise",
}
_TASK = "image-to-image"
_SETTINGS = frozenset({"denoise", "colourise", "text_encoder", "threads"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a policy may say of a refiner.

    Raises:
        PluginError: a key is unknown, or a value out of range.
    """

    model: str
    """A bundled model's name, or a folder that the trainer exported."""
    text_encoder: str = ""
    """A folder with the encoder that the colouriser was fitted with; empty for the packaged
    MiniLM."""
    strength: float = 1.0
    """How much of the change is mixed into the picture, (0, 1]."""
    threads: int = 0
    """Threads of one operation; 0 takes OMP_NUM_THREADS, or one."""

    @classmethod
    def of(cls, settings: Settings, model: str) -> Config:
        """Read settings as a policy gives them, with `model` where they name none."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(map(str, settings.keys() - known)):
            raise PluginError(
                f"asked for unknown setting {', '.join(unknown)}; "
                f"the settings are {', '.join(sorted(known))}"
            )
        made = cls(**{"model": model, **settings})  # type: ignore[arg-type]
        if not 0 < made.strength <= 1 or made.threads < 0:
            raise PluginError(
                f"asked for strength {made.strength}, threads {made.threads}; give strength in "
                "(0, 1], threads from 0"
            )
        return made


class Denoise:
    """Takes blur and noise away, in tiles; safe to share between threads."""

    action = "c2pa.enhanced"

    def __init__(self, config: Config) -> None:
        self._strength = config.strength
        self._network, self.model = _opened(config, "Denoiser", Denoiser)

    def refine(self, picture: Picture, request: Request, watch: Watch) -> Pixels:
        """Return the same size without noise.

        Raises:
            BackendError: the network failed.
        """
        made = in_tiles(self._run, picture.pixels, watch, border=self._network.reach)
        return _mixed(picture.pixels, made, self._strength)

    def _run(self, piece: Pixels) -> Pixels:
        with torch.inference_mode():
            return _pixels(self._network(_tensor(piece)))


class Colourise:
    """Gives a grey picture colours by what the prompt says; a picture with colours passes."""

    action = "c2pa.adjustedColor"

    def __init__(self, config: Config) -> None:
        self._strength = config.strength
        self._network, self.model = _opened(config, "Colouriser", Colouriser)
        self._words = words_of(config.model, config.text_encoder)

    def refine(self, picture: Picture, request: Request, watch: Watch) -> Pixels:
        """Return the same size; the picture itself where it has colours already.

        Raises:
            BackendError: the network failed.
        """
        return self.paint(picture.pixels, request.prompt, watch)

    def paint(self, pixels: Pixels, said: str, watch: Watch) -> Pixels:
        """Colour (H, W, 3) uint8 as `said`; nothing need be said."""
        if not is_grey(pixels):
            return pixels
        watch.step(0, 1)
        with torch.inference_mode():
            given = np.zeros((1, WORDS), np.float32)
            if said.strip():
                given = self._words.vectors([said])
            made = _pixels(self._network.paint(_tensor(pixels), torch.from_numpy(given)))
        watch.step(1, 1)
        return _mixed(pixels, made, self._strength)


class Restore:
    """Does to the init image what the prompt names: denoise (or deblur), colourise, or both."""

    def __init__(self, settings: Settings) -> None:
        if unknown := sorted(map(str, settings.keys() - _SETTINGS)):
            raise PluginError(
                f"asked for unknown setting {', '.join(unknown)}; "
                f"the settings are {', '.join(sorted(_SETTINGS))}"
            )
        shared = {key: settings[key] for key in ("threads", "text_encoder") if key in settings}
        self._parts: dict[str, Denoise | Colourise] = {
            name: kind(Config.of({"model": settings.get(name, name), **shared}, name))
            for name, kind in _KINDS.items()
            if name in settings or (bundled(name) / "model_index.json").is_file()
        }
        if not self._parts:
            raise BackendError(
                "asked to mend pictures, found no bundled model; set denoise or colourise to a "
                "folder that their trainers exported"
            )
        self.model = _together([part.model for part in self._parts.values()])
        self.capabilities = Capabilities(
            tasks=frozenset({_TASK}), multiple_of=1, min_side=32, max_side=4096
        )

    def render(self, requests: Sequence[Request], watch: Watch) -> Sequence[Pixels]:
        """Mend one picture for each request, at its own size or the asked one.

        Raises:
            RequestError: no init image, the prompt names no work, or something is asked that is
                not done here.
        """
        return [self._mend(request, watch) for request in requests]

    def _mend(self, request: Request, watch: Watch) -> Pixels:
        if request.init_image is None or request.mask is not None:
            raise RequestError("asked to mend a picture; give an init image, and no mask")
        _refuse_more(request)
        given = Picture(request.init_image.pixels)
        pixels = given.resized(request.width or given.width, request.height or given.height)
        works, said = asked_for(request.prompt)
        if missing := sorted(works - self._parts.keys()):
            raise RequestError(
                f"asked to {missing[0]}, found no model for it; the source tree has one, or set "
                f"{missing[0]} in the policy's backend to a folder that the trainer exported"
            )
        if "denoise" in works:
            pixels = self._parts["denoise"].refine(Picture(pixels), request, watch)
        if "colourise" in works:
            if not is_grey(pixels):
                raise RequestError(
                    "asked to colourise, found a picture with colours; give a grey one"
                )
            part = self._parts["colourise"]
            assert isinstance(part, Colourise)
            pixels = part.paint(pixels, said, watch)
        return pixels


_KINDS: dict[str, type[Denoise] | type[Colourise]] = {"denoise": Denoise, "colourise": Colourise}


def _together(models: Sequence[Model]) -> Model:
    """One model for all that may be used; several have a digest over theirs, one a line."""
    if len(models) == 1:
        return models[0]
    lines = "".join(f"{model.sha256}  {model.name}\n" for model in models)
    return Model(
        name="restore",
        version="+".join(model.version for model in models),
        sha256=hashlib.sha256(lines.encode()).hexdigest(),
        licence=" AND ".join(sorted({model.licence for model in models})),
        source=" and ".join(f"{model.name} {model.sha256[:12]}" for model in models),
    )


def asked_for(prompt: str) -> tuple[frozenset[str], str]:
    """The works that a prompt names, and what else it says.

    Raises:
        RequestError: it names none.
    """
    words = prompt.replace(",", " ").split()
    works = frozenset(_WORKS[word.casefold()] for word in words if word.casefold() in _WORKS)
    if not works:
        raise RequestError(
            f"asked to mend a picture, found a prompt without a work; begin it with one of "
            f"{', '.join(_WORKS)}"
        )
    return works, " ".join(word for word in words if word.casefold() not in _WORKS)


def is_grey(pixels: Pixels) -> bool:
    """Whether channels differ by at most three levels on average."""
    levels = pixels.astype(np.int16)
    return float((levels.max(2) - levels.min(2)).mean()) <= GREY


def _refuse_more(request: Request) -> None:
    for asked, given in (
        ("a negative prompt", request.negative_prompt),
        ("LoRA weights", request.loras),
        ("a scheduler", request.scheduler),
        (f"{request.steps} steps", (request.steps or 1) > 1),
        (f"guidance {request.guidance_scale}", request.guidance_scale),
        (f"strength {request.strength}", request.strength not in (None, 1.0)),
    ):
        if given:
            raise RequestError(f"asked for {asked}, which mending has not; leave it out")


def _opened(config: Config, name: str, kind: Callable[[Shape], Any]) -> tuple[Any, Model]:
    torch.set_num_threads(config.threads or int(os.environ.get("OMP_NUM_THREADS") or 1))
    found = loaded(config.model, {name: lambda shape: kind(Shape(**shape))}, "")
    return found.network, found.model


def _tensor(pixels: Pixels) -> torch.Tensor:
    """(H, W, 3) uint8 → (1, 3, H, W) float -1..1."""
    return torch.from_numpy(np.array(pixels.transpose(2, 0, 1)))[None].float() / 127.5 - 1


def _pixels(made: torch.Tensor) -> Pixels:
    if not torch.isfinite(made).all():
        raise BackendError(
            "asked the network to mend a picture, found numbers that are not finite; train it anew"
        )
    levels = ((made[0].clamp(-1, 1) + 1) * 127.5).round().byte()
    return np.ascontiguousarray(levels.permute(1, 2, 0).numpy())


def _mixed(before: Pixels, after: Pixels, strength: float) -> Pixels:
    if strength >= 1:
        return after
    mixed = before.astype(np.float32) * (1 - strength) + after.astype(np.float32) * strength
    return mixed.round().astype(np.uint8)
