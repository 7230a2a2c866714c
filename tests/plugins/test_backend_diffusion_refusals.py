"""What a loaded model refuses to draw, and what it does when the numbers or the memory fail."""

import importlib
import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest

from sdk import BackendError, InputImage, Registry, Request, RequestError
from sdk.contract import Quiet, sample

torch = pytest.importorskip("torch", reason="the generate extra is not installed")
pytest.importorskip("diffusers", reason="the generate extra is not installed")

PLAIN = Request(prompt="a red apple", seed=7, width=64, height=64, steps=2, guidance_scale=7.5)
LONG = "apple " * 200 + "secretword"


def make(folder, **settings):
    return Registry().make("backend", "diffusion", {"model": str(folder), **settings})


@pytest.fixture(scope="module")
def sd(tiny_model):
    return make(tiny_model("sd"))


def picture(width=64, height=64):
    return InputImage(data=b"", media_type="image/png", pixels=sample(width, height))


def blank():
    return InputImage(data=b"", media_type="image/png", pixels=np.full((64, 64, 3), 250, np.uint8))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 72, "height": 60}, "72x60 pixels.*64..4096 in steps of 8"),
        ({"width": 32}, "64..4096"),
        ({"width": 8192}, "64..4096"),
        ({"sketch": picture(), "init_image": picture()}, "give one of them"),
        ({"sketch": blank()}, "no line in it"),
        ({"sketch": picture(), "steps": 1}, "1 steps at strength 0.9"),
        ({"init_image": picture(), "strength": 0.1}, "2 steps at strength 0.1.*use strength 0.500"),
        ({"negative_prompt": "pear", "guidance_scale": 1.0}, "ignores it; use a guidance_scale"),
        ({"prompt": LONG}, "a prompt of .* tokens, found a text encoder that reads 77; shorten"),
        ({"negative_prompt": LONG}, "a negative prompt of .* tokens"),
    ],
)
def test_what_cannot_be_drawn_as_asked_is_refused(sd, changes, message):
    with pytest.raises(RequestError, match=message):
        sd.render([replace(PLAIN, **changes)], Quiet())


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("flux", {"negative_prompt": "pear"}, "true_cfg_scale 1, which ignores it"),
        ("dit", {"prompt": "a red apple"}, "one of its classes.*goldfish"),
        ("dit", {"prompt": "goldfish", "negative_prompt": "pear"}, "takes none"),
        ("dit", {"prompt": "goldfish", "width": 64, "height": 64}, "sides of 32 only"),
        ("dit", {"prompt": "goldfish", "init_image": picture()}, "asked for image-to-image"),
        ("dit", {"prompt": "goldfish", "sketch": picture()}, "asked for sketch-to-image"),
        ("ddpm", {}, "does unconditional;.*unsafe_ignore_prompt"),
        ("sd_inpaint", {}, "asked for text-to-image, found a model that does inpaint"),
    ],
)
def test_a_family_refuses_what_it_has_no_argument_for(tiny_model, family, changes, message):
    part = make(tiny_model(family))
    native = {"width": part.capabilities.width, "height": part.capabilities.height}
    plain = replace(PLAIN, guidance_scale=part.capabilities.guidance_scale, **native)
    with pytest.raises(RequestError, match=message):
        part.render([replace(plain, **changes)], Quiet())


def test_guidance_is_refused_where_there_is_none(tiny_model):
    part = make(tiny_model("ddpm"), unsafe_ignore_prompt=True)
    with pytest.raises(RequestError, match="has no guidance"):
        part.render([replace(PLAIN, width=32, height=32)], Quiet())


def test_flux_takes_a_negative_prompt_with_true_guidance(tiny_model):
    part = make(tiny_model("flux"), true_cfg_scale=4.0)
    drawn = [
        part.render([replace(PLAIN, negative_prompt=words)], Quiet())[0].astype(int)
        for words in ("pear", "an entirely different thing")
    ]
    assert abs(drawn[0] - drawn[1]).max() > 0


def test_class_numbers_and_names_are_classes(tiny_model):
    part = make(tiny_model("dit"))
    plain = replace(PLAIN, width=32, height=32, guidance_scale=4.0)
    by_name = part.render([replace(plain, prompt="goldfish")], Quiet())[0]
    by_number = part.render([replace(plain, prompt="1")], Quiet())[0]
    assert (by_name == by_number).all()
    with pytest.raises(RequestError, match="one of its classes"):
        part.render([replace(plain, prompt="1001")], Quiet())


def test_requests_that_differ_in_more_than_seed_and_prompt_are_no_batch(sd):
    with pytest.raises(BackendError, match="differ in more than seed and prompt"):
        sd.render([PLAIN, replace(PLAIN, steps=3)], Quiet())


def test_a_truncated_prompt_is_drawn_when_asked_for_and_never_logged(tiny_model):
    part, records = make(tiny_model("sdxl"), truncate_prompts=True), []
    handler = logging.Handler()
    handler.emit = records.append
    logger = logging.getLogger("diffusers")
    logger.addHandler(handler)
    try:
        for changes in ({}, {"init_image": picture(), "strength": 0.9}):
            part.render([replace(PLAIN, prompt=LONG, **changes)], Quiet())
    finally:
        logger.removeHandler(handler)
    assert not [r for r in records if "secretword" in r.getMessage() or "apple" in r.getMessage()]


def spoiled(folder, home, file, change):
    from safetensors.torch import load_file, save_file

    copy = shutil.copytree(folder, home / "spoiled")
    weights = load_file(copy / file)
    change(weights)
    save_file(weights, copy / file, metadata={"format": "pt"})
    return copy


def test_numbers_that_are_not_finite_are_never_a_picture(tiny_model, tmp_path):
    def change(weights):
        weights["conv_out.bias"].fill_(float("nan"))

    file = "unet/diffusion_pytorch_model.safetensors"
    part = make(spoiled(tiny_model("sd"), tmp_path, file, change))
    with pytest.raises(BackendError, match=r"not finite; .*dtype = float32"):
        part.render([PLAIN], Quiet())


def test_a_black_picture_is_never_released(tiny_model, tmp_path):
    def change(weights):
        weights["decoder.conv_out.bias"].fill_(-1000.0)

    file = "vae/diffusion_pytorch_model.safetensors"
    part = make(spoiled(tiny_model("sd"), tmp_path, file, change))
    with pytest.raises(BackendError, match=r"black picture; .*dtype = float32"):
        part.render([PLAIN], Quiet())


def fail_with(part, exc):
    def hook(*_):
        raise exc

    return part._pipe.unet.register_forward_pre_hook(hook)


@pytest.mark.parametrize(
    "exc",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        MemoryError(),
    ],
)
def test_running_out_of_memory_says_what_to_lower(sd, exc):
    hook = fail_with(sd, exc)
    try:
        with pytest.raises(BackendError, match="too little memory; lower the size or max_batch"):
            sd.render([PLAIN], Quiet())
    finally:
        hook.remove()
    assert len(sd.render([PLAIN], Quiet())) == 1


def test_a_fault_in_a_library_is_ours_and_does_not_quote_the_prompt(sd):
    hook = fail_with(sd, ValueError(f"cannot encode '{PLAIN.prompt}'"))
    try:
        with pytest.raises(BackendError, match="found ValueError: cannot encode '…'") as caught:
            sd.render([PLAIN], Quiet())
    finally:
        hook.remove()
    assert PLAIN.prompt not in str(caught.value)


def test_sdxl_gets_no_watermark_of_its_own(tiny_model, monkeypatch):
    for task in ("", "_img2img"):  # as where invisible-watermark is installed
        name = f"diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl{task}"
        module = importlib.import_module(name)
        monkeypatch.setattr(module, "is_invisible_watermark_available", lambda: True)
        monkeypatch.setattr(module, "StableDiffusionXLWatermarker", object, raising=False)
    part = make(tiny_model("sdxl"))
    part.render([replace(PLAIN, init_image=picture(), strength=0.9)], Quiet())
    pipes = [part._pipe, *part._built.values()]
    assert len({type(pipe) for pipe in pipes}) == 2
    assert all(pipe.watermark is None for pipe in pipes)
