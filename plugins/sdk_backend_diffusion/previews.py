"""What a picture looks like while it is drawn, for the policy's looks; it goes nowhere else.

The scheduler's own estimate of the finished picture is decoded where it has one: after half of the
steps that is blurred, and no longer noise.
"""

from __future__ import annotations

from typing import Any

from sdk import BackendError, Pixels

from .output import from_tensor

PACKED = "_unpack_latents"
"""Pipelines that keep latents in an order of their own (Flux and its kin) have this method."""
DOUBLED = "DiTPipeline"
"""Steps over two latents for each picture, and keeps one."""


def can_show(pipe: Any) -> bool:
    """Whether latents of this pipeline can be decoded here: plain ones, or pixels."""
    name = type(pipe).__name__
    if "scheduler" not in pipe.components or hasattr(type(pipe), PACKED) or name == DOUBLED:
        return False
    vae = pipe.components.get("vae")
    if vae is None:
        denoiser = pipe.components.get("unet") or pipe.components.get("transformer")
        return int(getattr(getattr(denoiser, "config", None), "in_channels", 0) or 0) == 3
    return type(vae).__name__ in ("AutoencoderKL", "AutoencoderTiny")


def shown(pipe: Any, scheduler: Any, asked: tuple[Any, ...], stepped: Any) -> list[Pixels]:
    """One (H, W, 3) uint8 picture for each of the batch, as far as it is drawn.

    `asked` are the arguments of a scheduler's step (what the model said, the time, the sample), and
    `stepped` is what it returned.

    Raises:
        BackendError: these are no latents that can be decoded here.
    """
    import torch

    with torch.no_grad():
        latents = _finished(scheduler, asked, stepped)
        if getattr(latents, "ndim", 0) != 4:
            raise BackendError(
                f"asked to show what a {type(pipe).__name__} draws, found latents of another "
                "shape; use a policy without previews.looks"
            )
        vae = pipe.components.get("vae")
        images = latents if vae is None else _decoded(vae, latents)
        return from_tensor((images.float() / 2 + 0.5).clamp(0, 1))


def _finished(scheduler: Any, asked: tuple[Any, ...], stepped: Any) -> Any:
    """The scheduler's estimate of the finished latents; else the latents as they are.

    For flow matching x0 = x - sigma v, with x and sigma after the step (Lipman et al. 2023,
    arXiv:2210.02747, as `FlowMatchEulerDiscreteScheduler` in diffusers parametrises it).
    """
    answers = stepped if isinstance(stepped, tuple) else stepped.to_tuple()
    if len(answers) > 1 and getattr(answers[1], "shape", None) == answers[0].shape:
        return answers[1]  # `pred_original_sample` of DDPM, DDIM, Euler, LCM …
    if _keeps_estimates(scheduler.config):
        return scheduler.model_outputs[-1]
    after = answers[0]
    if type(scheduler).__name__ == "FlowMatchEulerDiscreteScheduler":
        return after - scheduler.sigmas[scheduler.step_index].to(after.device) * asked[0]
    return after


def _keeps_estimates(config: Any) -> bool:
    """Whether `model_outputs` are estimates of the finished latents: DPM-Solver++ and UniPC."""
    algorithm = str(getattr(config, "algorithm_type", "") or "")
    return "++" in algorithm or bool(getattr(config, "predict_x0", False))


def _decoded(vae: Any, latents: Any) -> Any:
    shift = getattr(vae.config, "shift_factor", None) or 0.0
    plain = latents.to(vae.dtype) / vae.config.scaling_factor + shift
    return vae.decode(plain, return_dict=False)[0]
