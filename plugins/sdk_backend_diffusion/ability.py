"""What a loaded pipeline can draw, computed from its class and its parts."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from sdk import Capabilities

from .config import Config
from .extras import Extras

TEXT, IMAGE, INPAINT = "text-to-image", "image-to-image", "inpaint"
SKETCH = "sketch-to-image"
CLASS, NOTHING = "class-to-image", "unconditional"
_SUFFIXES = {"Img2ImgPipeline": IMAGE, "InpaintPipeline": INPAINT}


def parameters(cls: type) -> Mapping[str, inspect.Parameter]:
    """Return the arguments of a pipeline class's call."""
    return inspect.signature(cls.__call__).parameters


def tasks(pipe: Any) -> dict[str, type]:
    """Return task → the diffusers class that does it with the parts of `pipe`.

    A class label or nothing at all counts as text-to-image as well where the prompt can stand for
    it; `arguments` checks what the prompt says.
    """
    own = type(pipe)
    takes = parameters(own)
    if "prompt" not in takes:
        task = CLASS if "class_labels" in takes else NOTHING
        return {task: own, TEXT: own}
    if _inpaints_only(pipe):
        return {INPAINT: own}
    return {task: cls for task, cls in _family(own).items() if _can_build(cls, pipe)}


def build(cls: type, pipe: Any) -> Any:
    """Make a pipeline of another class from the same parts, unmarked; nothing is copied."""
    if cls is type(pipe):
        return pipe
    wanted = inspect.signature(cls).parameters
    parts = {**pipe.config, **pipe.components}
    options = {name: parts[name] for name in wanted if name in parts}
    if "add_watermarker" in wanted:  # asked for by default wherever its library is installed
        options["add_watermarker"] = False
    made = cls(**options)
    made.set_progress_bar_config(disable=True)
    return made


def capabilities(pipe: Any, classes: Mapping[str, type], config: Config, extras: Extras) -> Any:
    """Compute the native size, limits and defaults.

    Native size is the denoiser's `sample_size` (latents) times the VAE's scale factor.
    """
    takes = parameters(type(pipe))
    scale = _scale(pipe)
    width, height = _native(pipe, scale)
    width, height = config.width or width, config.height or height
    fixed = "height" not in parameters(classes.get(TEXT, type(pipe))) and TEXT in classes
    multiple = 1 if fixed else _multiple(pipe, scale)
    longest = max(width, height)
    lowest = min(width, height) if fixed else min(64, width, height)
    return Capabilities(
        tasks=_asked(classes) - _undrawable(classes, config),
        width=width,
        height=height,
        multiple_of=multiple,
        min_side=extras.min_side or -(-lowest // multiple) * multiple,
        max_side=config.max_side or extras.max_side or (longest if fixed else max(longest, 4096)),
        steps=config.steps or extras.steps or int(_default(takes, "num_inference_steps", 50)),
        guidance_scale=_guidance(takes, config, extras),
        max_batch=config.max_batch,
    )


def _asked(classes: Mapping[str, type]) -> frozenset[str]:
    """A scribble is where image-to-image begins (`sketch`)."""
    takes = parameters(classes[IMAGE]) if IMAGE in classes else {}
    return frozenset(classes) | ({SKETCH} if "strength" in takes else set())


def _undrawable(classes: Mapping[str, type], config: Config) -> set[str]:
    return {TEXT} if NOTHING in classes and not config.unsafe_ignore_prompt else set()


def _family(own: type) -> dict[str, type]:
    """Relatives by diffusers' naming rule, or by its own tables where the rule does not fit."""
    import diffusers

    stem = own.__name__
    for ending in (*_SUFFIXES, "Pipeline"):
        stem = stem.removesuffix(ending)
    known = set(dir(diffusers))
    names = {f"{stem}{ending}": task for ending, task in _SUFFIXES.items()}
    found = {task: getattr(diffusers, name) for name, task in names.items() if name in known}
    if (
        found
        and f"{stem}Pipeline" in known
        and "image" not in parameters(text := getattr(diffusers, f"{stem}Pipeline"))
    ):
        return {TEXT: text, **found}
    return _tabled(own)


def _tabled(own: type) -> dict[str, type]:
    """Relatives in the tables behind AutoPipeline; importing them loads every pipeline (0.4 s)."""
    from diffusers.pipelines import auto_pipeline as tables

    found: dict[str, type] = {}
    for task, table in (
        (TEXT, tables.AUTO_TEXT2IMAGE_PIPELINES_MAPPING),
        (IMAGE, tables.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING),
        (INPAINT, tables.AUTO_INPAINT_PIPELINES_MAPPING),
    ):
        if own in table.values():
            found[task] = own
    takes = parameters(own)
    alone = INPAINT if "mask_image" in takes else IMAGE if "image" in takes else TEXT
    return found or {alone: own}


def _can_build(cls: type, pipe: Any) -> bool:
    has = {*pipe.config, *pipe.components}
    wanted = inspect.signature(cls).parameters.values()
    return all(p.name in has or p.default is not p.empty for p in wanted)


def _inpaints_only(pipe: Any) -> bool:
    """Inpainting denoisers read mask and masked picture too: more channels than the latents."""
    unet, vae = getattr(pipe, "unet", None), getattr(pipe, "vae", None)
    if unet is None or vae is None or "mask_image" not in parameters(type(pipe)):
        return False
    return bool(unet.config.in_channels != vae.config.latent_channels)


def _denoiser(pipe: Any) -> Any:
    return getattr(pipe, "unet", None) or getattr(pipe, "transformer", None)


def _scale(pipe: Any) -> int:
    """Pixels a side for one latent."""
    given = getattr(pipe, "vae_scale_factor", None)
    if given:
        return int(given)
    vae = getattr(pipe, "vae", None)
    blocks = getattr(vae.config, "block_out_channels", ()) if vae is not None else ()
    return int(2 ** (len(blocks) - 1)) if blocks else 1


def _native(pipe: Any, scale: int) -> tuple[int, int]:
    denoiser = _denoiser(pipe)
    sample = getattr(pipe, "default_sample_size", None)
    sample = sample or (getattr(denoiser.config, "sample_size", None) if denoiser else None)
    if sample is None:
        return 512, 512
    height, width = (sample, sample) if isinstance(sample, int) else (sample[0], sample[1])
    return int(width) * scale, int(height) * scale


def _multiple(pipe: Any, scale: int) -> int:
    """8 is hard-coded in Stable Diffusion; transformers take patches of 2 latents or more."""
    transformer = getattr(pipe, "transformer", None)
    if transformer is None:
        return max(8, scale)
    patch = getattr(transformer.config, "patch_size", 1)
    return max(8, scale * max(2, patch if isinstance(patch, int) else max(patch)))


def _default(takes: Mapping[str, inspect.Parameter], name: str, otherwise: float) -> float:
    value = takes[name].default if name in takes else otherwise
    return float(value) if isinstance(value, (int, float)) else otherwise


def _guidance(takes: Mapping[str, inspect.Parameter], config: Config, extras: Extras) -> float:
    for given in (config.guidance_scale, extras.guidance_scale):
        if given is not None:
            return float(given)
    return _default(takes, "guidance_scale", 0.0)
