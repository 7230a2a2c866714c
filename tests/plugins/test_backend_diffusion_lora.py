"""LoRA files: found by path, put into the weights for one call, and out again."""

import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest

from sdk import Cancelled, Registry, Request, RequestError
from sdk.contract import Quiet

pytest.importorskip("diffusers", reason="the generate extra is not installed")
pytest.importorskip("peft", reason="the generate extra is not installed")

PLAIN = Request(prompt="a red apple", seed=7, width=64, height=64, steps=2, guidance_scale=7.5)


def make(folder, **settings):
    return Registry().make("backend", "diffusion", {"model": str(folder), **settings})


@pytest.fixture(scope="module")
def sd(tiny_model):
    return make(tiny_model("sd"))


@pytest.fixture(scope="module")
def loras(tiny_model, tmp_path_factory):
    """Two LoRA files for tiny sd, and one for a model of other widths."""
    import torch
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    home = tmp_path_factory.mktemp("loras")
    config = dict(UNet2DConditionModel.load_config(tiny_model("sd") / "unet"))
    for at, name in enumerate(("one", "two", "wide")):
        torch.manual_seed(at)
        width = {"cross_attention_dim": 48, "block_out_channels": (64, 96)} if at == 2 else {}
        unet = UNet2DConditionModel.from_config(config | width)
        unet.add_adapter(
            LoraConfig(r=2, init_lora_weights=False, target_modules=["to_q", "to_k", "to_v"])
        )
        layers = {key: 3 * value for key, value in get_peft_model_state_dict(unet).items()}
        StableDiffusionPipeline.save_lora_weights(home / name, unet_lora_layers=layers)
        shutil.copy(home / name / "pytorch_lora_weights.safetensors", home / f"{name}.safetensors")
    return home


def draw(part, *names, **changes):
    request = replace(PLAIN, loras=tuple(str(name) for name in names), **changes)
    return part.render([request], Quiet())[0].astype(int)


def test_a_lora_changes_the_picture_and_leaves_with_its_call(sd, loras):
    before = draw(sd)
    changed = draw(sd, loras / "one.safetensors")
    assert np.abs(changed - before).max() > 5
    assert np.abs(draw(sd) - before).max() <= 1
    assert np.abs(draw(sd, loras / "one.safetensors") - changed).max() <= 1


def test_two_loras_add_up(sd, loras):
    one, two = loras / "one.safetensors", loras / "two.safetensors"
    both = draw(sd, one, two)
    assert np.abs(both - draw(sd, one)).max() > 5
    assert np.abs(both - draw(sd, two)).max() > 5


def test_a_folder_stands_for_the_file_that_diffusers_writes_in_it(sd, loras):
    assert np.abs(draw(sd, loras / "one") - draw(sd, loras / "one.safetensors")).max() <= 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ghost.safetensors", "asked for LoRA ghost.safetensors, found no such file"),
        ("text.txt", "found no .safetensors file, and other formats can run code"),
        ("noise.safetensors", "load LoRA noise.safetensors, found"),
        ("wide.safetensors", "load LoRA wide.safetensors, found.*a LoRA made for this model"),
        ("foreign.safetensors", "LoRA foreign.safetensors"),
        ("x" * 5000, "its path cannot be opened"),
    ],
)
def test_a_lora_that_does_not_fit_is_refused_and_nothing_stays(sd, loras, name, message):
    import torch
    from safetensors.torch import save_file

    (loras / "text.txt").write_text("not weights")
    (loras / "noise.safetensors").write_bytes(b"\0" * 64)
    save_file({"some.other.weight": torch.zeros(2)}, loras / "foreign.safetensors")
    before = draw(sd)
    with pytest.raises(RequestError, match=message) as caught:
        draw(sd, loras / "one.safetensors", loras / name)
    assert str(loras) not in str(caught.value)
    assert np.abs(draw(sd) - before).max() <= 1


def test_a_lora_folder_is_the_only_place_to_load_from(tiny_model, loras):
    part = make(tiny_model("sd"), lora_folder=str(loras / "one"))
    assert draw(part, "pytorch_lora_weights.safetensors").shape == (64, 64, 3)
    for outside in ("../two.safetensors", str(loras / "two.safetensors"), "~/x.safetensors"):
        with pytest.raises(RequestError, match=r"outside of the LoRA folder|no such file"):
            draw(part, outside)


def test_a_pipeline_without_lora_support_says_so(tiny_model, loras):
    part = make(tiny_model("dit"))
    request = replace(
        PLAIN,
        prompt="goldfish",
        width=32,
        height=32,
        guidance_scale=4.0,
        loras=(str(loras / "one.safetensors"),),
    )
    with pytest.raises(RequestError, match="DiTPipeline, which takes none"):
        part.render([request], Quiet())


def test_threads_with_other_loras_take_turns(sd, loras):
    wanted = [(), ("one.safetensors",), ("two.safetensors",), ("one.safetensors",)]
    alone = [draw(sd, *(loras / name for name in names)) for names in wanted]
    drawn = {}

    def work(n):
        drawn[n] = draw(sd, *(loras / name for name in wanted[n]))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(np.abs(alone[n] - drawn[n]).max() for n in range(4)) <= 1


def test_a_call_that_waits_for_its_turn_can_be_cancelled(sd, loras):
    with (
        sd._adapters.using([str(loras / "one.safetensors")], Quiet(), 2),
        pytest.raises(Cancelled),
    ):
        sd.render([PLAIN], Quiet(cancel_at=0))
    assert draw(sd).shape == (64, 64, 3)
