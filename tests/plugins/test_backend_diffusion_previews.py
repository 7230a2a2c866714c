"""What a diffusion model shows while it draws, and that it is shown to the filters alone."""

from dataclasses import replace

import numpy as np
import pytest

from sdk import Refused, Registry, Request

pytest.importorskip("diffusers", reason="the generate extra is not installed")

SHOWN = {
    "sd": {},
    "sdxl": {},
    "sd3": {},
    "ddpm": {"unsafe_ignore_prompt": True, "steps": 4},
}
SCHEDULERS = [
    "DDIMScheduler",
    "DDPMScheduler",
    "DPMSolverMultistepScheduler",
    "EulerDiscreteScheduler",
    "UniPCMultistepScheduler",
]
OLD_NUMPY = "ignore:__array_:DeprecationWarning"  # diffusers' Euler … on numpy 2


class Eyes:
    """Wants to see every step."""

    wants_look = True

    def __init__(self, stops_at=99):
        self.seen, self.stops_at = [], stops_at

    def step(self, done, total, /):
        pass

    def look(self, pictures, /):
        self.seen.append(pictures)
        if len(self.seen) == self.stops_at:
            raise Refused("image", ())


def backend(tiny_model, name, **settings):
    settings = {"model": str(tiny_model(name)), **SHOWN.get(name, {}), **settings}
    return Registry().make("backend", "diffusion", settings)


def ask(part):
    able = part.capabilities
    return Request(
        prompt="a red apple",
        seed=7,
        width=able.width,
        height=able.height,
        steps=4,
        guidance_scale=able.guidance_scale,
    )


@pytest.mark.parametrize("name", SHOWN)
def test_each_step_is_shown_as_pictures_that_near_the_finished_one(name, tiny_model):
    part = backend(tiny_model, name)
    assert part.provides == {"previews"}
    eyes = Eyes()
    [drawn] = part.render([ask(part)], eyes)
    assert len(eyes.seen) >= 3
    for [pixels] in eyes.seen:
        assert (pixels.dtype, pixels.shape) == (np.uint8, drawn.shape)
    far = [float(np.abs(p.astype(int) - drawn).mean()) for [p] in eyes.seen]
    assert far[-1] < 2  # the estimate after the last step is the picture


@pytest.mark.filterwarnings(OLD_NUMPY)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_estimate_of_each_scheduler_is_shown(scheduler, tiny_model):
    part = backend(tiny_model, "sd")
    eyes = Eyes()
    [drawn] = part.render([replace(ask(part), scheduler=scheduler)], eyes)
    assert len(eyes.seen) >= 3
    assert float(np.abs(eyes.seen[-1][0].astype(int) - drawn).mean()) < 8


def test_what_is_shown_changes_nothing_that_is_drawn(tiny_model):
    from sdk.contract import Quiet

    part = backend(tiny_model, "sd")
    [watched], [plain] = part.render([ask(part)], Eyes()), part.render([ask(part)], Quiet())
    assert np.array_equal(watched, plain)


def test_the_drawing_ends_where_a_look_refuses(tiny_model):
    part, eyes = backend(tiny_model, "sd"), Eyes(stops_at=2)
    with pytest.raises(Refused):
        part.render([ask(part)], eyes)
    assert len(eyes.seen) == 2


def test_a_model_whose_latents_are_packed_or_doubled_says_that_it_shows_nothing(tiny_model):
    assert backend(tiny_model, "flux", width=64, height=64).provides == frozenset()
    assert backend(tiny_model, "dit").provides == frozenset()
