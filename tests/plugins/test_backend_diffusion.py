"""Drawing: every pipeline family, tasks, seeds, schedulers, progress and cancellation."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from sdk import Cancelled, InputImage, Registry, Request, RequestError
from sdk.contract import Quiet, check_backend, sample

pytest.importorskip("diffusers", reason="the generate extra is not installed")

FAMILIES = {
    "sd": {},
    "sdxl": {},
    "sd3": {},
    "flux": {"width": 64, "height": 64},  # the class has 128 latents a side built in
    "dit": {},
    "ddpm": {"unsafe_ignore_prompt": True, "steps": 4},
}
PROMPTS = {"dit": "goldfish"}
EDITORS = ["sd", "sdxl", "sd3", "flux"]
OLD_NUMPY = "ignore:__array_:DeprecationWarning"  # diffusers' Euler, DEIS … on numpy 2
ROUNDING = 1  # of 255: sums over a batch are added up in another order


@pytest.fixture(scope="module")
def drawer(tiny_model):
    made = {}

    def make(name, **settings):
        settings = {"model": str(tiny_model(name)), **FAMILIES.get(name, {}), **settings}
        key = repr(sorted(settings.items()))
        if key not in made:
            made[key] = Registry().make("backend", "diffusion", settings)
        return made[key]

    return make


def ask(part, name="sd", **changes):
    able = part.capabilities
    plain = Request(
        prompt=PROMPTS.get(name, "a red apple"),
        seed=7,
        width=able.width,
        height=able.height,
        steps=3,
        guidance_scale=able.guidance_scale,
    )
    return replace(plain, **changes)


def still(width=64, height=64, seed=1, grey=None):
    pixels = sample(width, height, seed)
    if grey is not None:
        pixels = grey
    return InputImage(data=b"", media_type="image/png", pixels=pixels)


def half_mask(width=64, height=64):
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, width // 2 :] = 255
    return still(grey=pixels)


def draw(part, *requests):
    return [pixels.astype(int) for pixels in part.render(requests, Quiet())]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_keeps_the_contract(name, tiny_model):
    settings = {"model": str(tiny_model(name)), **FAMILIES[name]}
    asked = Request(prompt=PROMPTS.get(name, "a red apple"))
    check_backend("diffusion", settings, request=asked, tolerance=ROUNDING)


@pytest.mark.parametrize(
    ("name", "tasks", "side", "multiple"),
    [
        ("sd", {"text-to-image", "image-to-image", "inpaint", "sketch-to-image"}, 64, 8),
        ("sd_inpaint", {"inpaint"}, 64, 8),
        ("sdxl", {"text-to-image", "image-to-image", "inpaint", "sketch-to-image"}, 64, 8),
        ("sd3", {"text-to-image", "image-to-image", "inpaint", "sketch-to-image"}, 64, 8),
        ("dit", {"class-to-image", "text-to-image"}, 32, 1),
        ("ddpm", {"unconditional", "text-to-image"}, 32, 1),
    ],
)
def test_capabilities_are_those_of_the_pipeline(drawer, name, tasks, side, multiple):
    able = drawer(name).capabilities
    assert able.tasks == tasks
    assert (able.width, able.height, able.multiple_of) == (side, side, multiple)


def test_flux_is_native_at_its_class_default(tiny_model):
    settings = {"model": str(tiny_model("flux"))}
    able = Registry().make("backend", "diffusion", settings).capabilities
    assert able.width == 256  # 128 latents, and the tiny VAE has factor 2


@pytest.mark.parametrize("name", FAMILIES)
def test_a_seed_draws_the_same_alone_and_in_a_batch(drawer, name):
    part = drawer(name)
    asked = [ask(part, name, seed=seed) for seed in (3, 4, 5)]
    together = draw(part, *asked)
    alone = [draw(part, request)[0] for request in asked]
    assert max(np.abs(a - b).max() for a, b in zip(together, alone, strict=True)) <= ROUNDING
    assert np.abs(alone[0] - alone[1]).max() > 10, "two seeds drew one picture"


@pytest.mark.parametrize("name", ["sd", "sdxl", "sd3", "flux"])
def test_prompts_of_a_batch_are_drawn_each(drawer, name):
    part = drawer(name)
    apple, pear = ask(part), ask(part, prompt="a completely different thing")
    together = draw(part, apple, pear)
    assert np.abs(together[1] - draw(part, pear)[0]).max() <= ROUNDING
    assert np.abs(together[0] - together[1]).max() > ROUNDING


@pytest.mark.parametrize("name", EDITORS)
def test_image_to_image_makes_strength_times_steps(drawer, name):
    part, watch = drawer(name), Quiet()
    asked = ask(part, steps=8, init_image=still(), strength=0.5)
    first = part.render([asked, replace(asked, seed=8)], watch)
    assert watch.steps == [(n, 4) for n in (1, 2, 3, 4)]
    again = draw(part, asked)[0]
    assert np.abs(again - first[0]).max() <= ROUNDING
    other = draw(part, replace(asked, init_image=still(seed=9)))[0]
    assert np.abs(again - other).max() > 5, "the init image made no difference"


def test_flux_kontext_edits_at_the_size_that_was_asked_for(drawer):
    part = drawer("kontext", width=64, height=64)
    assert part.capabilities.tasks == {"text-to-image", "image-to-image"}
    asked = ask(part, init_image=still())
    assert draw(part, asked)[0].shape == (64, 64, 3)
    with pytest.raises(RequestError, match=r"strength 0.5, found a FluxKontextPipeline, which has"):
        draw(part, replace(asked, strength=0.5))


@pytest.mark.parametrize("name", [*EDITORS, "sd_inpaint"])
def test_inpainting_keeps_what_is_black_in_the_mask(drawer, name):
    part, before = drawer(name), still()
    asked = ask(part, steps=4, init_image=before, mask=half_mask(), strength=0.9)
    drawn = draw(part, asked, replace(asked, seed=8))
    for pixels in drawn:
        assert (pixels[:, :32] == before.pixels[:, :32]).all()
        assert np.abs(pixels[:, 32:] - before.pixels[:, 32:]).mean() > 5


def test_an_init_image_of_the_same_shape_is_resized(drawer):
    part = drawer("sd")
    asked = ask(part, init_image=still(256, 256), strength=0.5)
    assert draw(part, asked)[0].shape == (64, 64, 3)


def test_an_init_image_of_another_shape_is_refused(drawer):
    part = drawer("sd")
    with pytest.raises(RequestError, match=r"64x64 from a picture of 128x64; crop"):
        draw(part, ask(part, init_image=still(128, 64), strength=0.5))


@pytest.mark.slow
@pytest.mark.filterwarnings(OLD_NUMPY)
def test_every_scheduler_that_is_offered_draws(drawer):
    from sdk_backend_diffusion.schedulers import compatible

    part = drawer("sd")
    names = sorted(compatible(part._pipe))
    assert {"EulerDiscreteScheduler", "DPMSolverMultistepScheduler", "DDIMScheduler"} <= {*names}
    for name in names:
        watch = Quiet()
        drawn = part.render([ask(part, scheduler=name, steps=6)], watch)  # PNDM needs 4
        assert drawn[0].std() > 1, name
        assert watch.steps[-1][0] == watch.steps[-1][1], (name, watch.steps)


def test_an_unknown_scheduler_is_refused_with_those_that_work(drawer):
    part = drawer("flux")
    with pytest.raises(RequestError, match=r"works with FlowMatchEulerDiscreteScheduler"):
        draw(part, ask(part, scheduler="EulerDiscreteScheduler"))
    with pytest.raises(RequestError, match=r"Eular.*EulerDiscreteScheduler"):
        draw(drawer("sd"), ask(drawer("sd"), scheduler="EularDiscreteScheduler"))


@pytest.mark.filterwarnings(OLD_NUMPY)
@pytest.mark.parametrize("name", ["sd", "sd3"])
def test_four_threads_draw_what_one_draws(drawer, name):
    part = drawer(name)
    scheduler = "EulerDiscreteScheduler" if name == "sd" else None
    words = ["a red apple", "a " * 30 + "apple", "an apple", "red"]
    asked = [
        ask(part, seed=n, steps=6, prompt=words[n], scheduler=scheduler, guidance_scale=5.0)
        for n in range(4)
    ]
    alone = [draw(part, request)[0] for request in asked]
    drawn, faults = {}, []

    def work(n):
        try:
            drawn[n] = draw(part, asked[n])[0]
        except Exception as exc:
            faults.append(exc)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert max(np.abs(alone[n] - drawn[n]).max() for n in range(4)) <= ROUNDING


@pytest.mark.parametrize("name", FAMILIES)
def test_cancelling_at_a_step_stops_there_and_leaves_nothing_behind(drawer, name):
    part = drawer(name)
    before = draw(part, ask(part, name))[0]
    watch = Quiet(cancel_at=2)
    with pytest.raises(Cancelled):
        part.render([ask(part, name, seed=99)], watch)
    assert len(watch.steps) == 2
    assert np.abs(draw(part, ask(part, name))[0] - before).max() <= ROUNDING


def test_threads_do_not_read_each_others_padding(drawer, monkeypatch):
    """Pipelines tokenize, pad and encode each prompt with one tokenizer that remembers padding."""
    tokenizer, wrong = drawer("sd")._pipe.tokenizer, []
    remember = tokenizer.set_truncation_and_padding

    def remember_slowly(**settings):
        remember(**settings)
        time.sleep(0.002)  # here another thread would change what is remembered

    monkeypatch.setattr(tokenizer, "set_truncation_and_padding", remember_slowly)
    plain = len(tokenizer.tokenize("a red apple"))

    def work():
        for _ in range(10):
            padded = tokenizer("a red apple", padding="max_length", max_length=77, truncation=True)
            if (len(padded.input_ids), len(tokenizer.tokenize("a red apple"))) != (77, plain):
                wrong.append(len(padded.input_ids))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_cancelling_one_thread_does_not_disturb_the_others(drawer):
    part = drawer("sd")
    alone = [draw(part, ask(part, seed=n, steps=5))[0] for n in range(3)]
    outcome = {}

    def work(n):
        try:
            drawn = part.render([ask(part, seed=n, steps=5)], Quiet(2 if n == 1 else None))
            outcome[n] = drawn[0].astype(int)
        except Cancelled as exc:
            outcome[n] = exc

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert isinstance(outcome[1], Cancelled)
    assert max(np.abs(outcome[n] - alone[n]).max() for n in (0, 2)) <= ROUNDING


@pytest.mark.parametrize("name", FAMILIES)
def test_progress_counts_every_step(drawer, name):
    part, watch = drawer(name), Quiet()
    part.render([ask(part, name)], watch)
    assert watch.steps == [(1, 3), (2, 3), (3, 3)]


def test_a_guidance_scale_and_a_negative_prompt_change_the_picture(drawer):
    part = drawer("sd")
    plain, strong = ask(part, guidance_scale=2.0), ask(part, guidance_scale=9.0)
    negative = replace(strong, negative_prompt="red")
    pictures = draw(part, plain)[0], draw(part, strong)[0], draw(part, negative)[0]
    assert np.abs(pictures[0] - pictures[1]).max() > 0
    assert np.abs(pictures[1] - pictures[2]).max() > 0


def test_nothing_to_draw_draws_nothing(drawer):
    assert drawer("sd").render([], Quiet()) == []
