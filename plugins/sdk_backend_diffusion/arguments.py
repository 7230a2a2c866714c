"""Turns requests into the arguments of one pipeline call, or says why it cannot be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sdk import Capabilities, Picture, Pixels, Request, RequestError

from .ability import NOTHING, parameters
from .config import Config
from .prompts import check_length
from .sketch import STRENGTH, shaded


def check(request: Request, able: Capabilities) -> None:
    """Refuse a task or size that the model does not draw.

    Raises:
        RequestError: with the tasks or sizes it does draw.
    """
    if request.task not in able.tasks:
        advice = " (unsafe_ignore_prompt = true lets it)" if NOTHING in able.tasks else ""
        raise RequestError(
            f"asked for {request.task}, found a model that does "
            f"{', '.join(sorted(able.tasks))}; choose one of these or another model{advice}"
        )
    if request.sketch is not None and request.init_image is not None:
        raise RequestError("asked to draw from an init image and from a sketch; give one of them")
    for side in (_width(request, able), _height(request, able)):
        if not able.min_side <= side <= able.max_side or side % able.multiple_of:
            raise RequestError(
                f"asked for {_width(request, able)}x{_height(request, able)} pixels, found a model "
                f"that draws sides of {_sides(able)}; choose such a size"
            )


def arguments(
    pipe: Any, requests: Sequence[Request], able: Capabilities, config: Config
) -> dict[str, Any]:
    """Return the keyword arguments of the call that draws `requests` together.

    Raises:
        RequestError: the pipeline cannot do something that was asked; nothing is left out quietly.
    """
    import torch

    first, takes = requests[0], parameters(type(pipe))
    generators = [torch.Generator("cpu").manual_seed(request.seed or 0) for request in requests]
    given: dict[str, Any] = {
        "generator": generators,
        "num_inference_steps": first.steps or able.steps,
        "output_type": "pt" if hasattr(pipe, "image_processor") else "np",
        "_auto_resize": False,  # Flux Kontext would draw one of its favourite sizes instead …
        "max_area": _width(first, able) * _height(first, able),  # … or a megapixel
        "use_resolution_binning": False,  # PixArt and Sana too
        "clean_caption": False,  # or they would draw another prompt than was screened
    }
    given |= _words(pipe, requests, able, config)
    given |= _pictures(pipe, requests, able)
    for name, value in (("width", _width(first, able)), ("height", _height(first, able))):
        if name in takes:
            given[name] = value
    _check_generator(pipe, takes)
    return {name: value for name, value in given.items() if name in takes}


def _words(
    pipe: Any, requests: Sequence[Request], able: Capabilities, config: Config
) -> dict[str, Any]:
    """Prompt, negative prompt and guidance."""
    first, takes = requests[0], parameters(type(pipe))
    scale = able.guidance_scale if first.guidance_scale is None else first.guidance_scale
    given: dict[str, Any] = {"guidance_scale": scale}
    if "guidance_scale" not in takes and scale != able.guidance_scale:
        raise RequestError(
            f"asked for guidance_scale {scale:g}, found a {type(pipe).__name__}, which has no "
            "guidance; leave it out"
        )
    if config.true_cfg_scale is not None:
        given["true_cfg_scale"] = config.true_cfg_scale
    if first.negative_prompt:
        _check_negative(pipe, takes, scale, config)
        given["negative_prompt"] = [first.negative_prompt] * len(requests)
    if "prompt" in takes:
        given["prompt"] = [request.prompt for request in requests]
        if not config.truncate_prompts:
            for request in requests:
                check_length(pipe, request.prompt, "prompt")
            check_length(pipe, first.negative_prompt, "negative prompt")
    elif "class_labels" in takes:
        given["class_labels"] = [_label(pipe, request.prompt) for request in requests]
    else:
        given["batch_size"] = len(requests)
    return given


def _check_negative(pipe: Any, takes: Mapping[str, Any], scale: float, config: Config) -> None:
    name = type(pipe).__name__
    if "negative_prompt" not in takes:
        raise RequestError(
            f"asked for a negative prompt, found a {name}, which takes none; leave it out"
        )
    if "true_cfg_scale" in takes:
        default = takes["true_cfg_scale"].default
        true = default if config.true_cfg_scale is None else config.true_cfg_scale
        if true <= 1:
            raise RequestError(
                f"asked for a negative prompt, found a {name} with true_cfg_scale {true:g}, which "
                "ignores it; set true_cfg_scale above 1 or leave the negative prompt out"
            )
    elif scale <= 1:
        raise RequestError(
            f"asked for a negative prompt with guidance_scale {scale:g}, which ignores it; "
            "use a guidance_scale above 1 or leave the negative prompt out"
        )


def _pictures(pipe: Any, requests: Sequence[Request], able: Capabilities) -> dict[str, Any]:
    """Init image or sketch, mask and strength, one copy for each picture of the batch."""
    first, takes = requests[0], parameters(type(pipe))
    size = _width(first, able), _height(first, able)
    if first.init_image is not None:
        begin, usual = fitted(first.init_image.pixels, size), takes.get("strength")
        strength = first.strength or (usual.default if usual else None)
    elif first.sketch is not None:
        begin, strength = shaded(fitted(first.sketch.pixels, size)), STRENGTH
    else:
        return {}
    given: dict[str, Any] = {"image": [_pil(begin)] * len(requests)}
    if first.mask is not None:
        given["mask_image"] = [_pil(fitted(first.mask.pixels, size)).convert("L")] * len(requests)
    if "strength" not in takes and first.strength is not None:
        raise RequestError(
            f"asked for strength {first.strength:g}, found a {type(pipe).__name__}, which has "
            "none; leave it out"
        )
    if strength is not None:
        given["strength"] = strength
        steps = first.steps or able.steps
        if int(steps * strength) < 1:
            raise RequestError(
                f"asked for {steps} steps at strength {strength:g}, which makes no whole "
                f"step; use strength {1 / steps:.3f} or more, or more steps"
            )
    return given


def fitted(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize to (width, height); a picture of another shape is refused, not squeezed.

    Raises:
        RequestError: the aspect ratios differ by more than 2 %.
    """
    height, width = pixels.shape[:2]
    if (width, height) == size:
        return pixels
    if abs(width * size[1] / (height * size[0]) - 1) > 0.02:
        raise RequestError(
            f"asked to draw {size[0]}x{size[1]} from a picture of {width}x{height}; "
            "crop the picture to that shape, or ask for a size of the picture's shape"
        )
    return Picture(pixels).resized(*size)


def _label(pipe: Any, prompt: str) -> int:
    """A class by number, or by a name that the model lists."""
    labels: dict[str, int] = getattr(pipe, "labels", None) or {}
    classes = int(getattr(pipe.transformer.config, "num_embeds_ada_norm", 0) or 0)
    asked = prompt.strip()
    if asked in labels:
        return labels[asked]
    if asked.isascii() and asked.isdigit() and int(asked) < (len(set(labels.values())) or classes):
        return int(asked)
    some = ", ".join(list(labels)[:8]) or f"numbers 0..{classes - 1}"
    raise RequestError(
        f"asked a class-conditional model for something else than one of its classes; "
        f"give a class as the whole prompt: {some} …"
    )


def _check_generator(pipe: Any, takes: Mapping[str, Any]) -> None:
    if "generator" not in takes:
        raise RequestError(
            f"asked for a seed, found a {type(pipe).__name__}, which takes none, so that no "
            "picture could be drawn again; use another model"
        )


def _pil(pixels: Pixels) -> Any:
    from PIL import Image

    return Image.fromarray(pixels)


def _width(request: Request, able: Capabilities) -> int:
    return request.width or able.width


def _height(request: Request, able: Capabilities) -> int:
    return request.height or able.height


def _sides(able: Capabilities) -> str:
    if able.min_side == able.max_side:
        return f"{able.min_side} only"
    step = f" in steps of {able.multiple_of}" if able.multiple_of > 1 else ""
    return f"{able.min_side}..{able.max_side}{step}"
