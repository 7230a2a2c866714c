"""Which models ship, and which plugin draws with each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdk.errors import BackendError
from sdk.models import backend_of, bundled_models, models_folder
from sdk.policy import load


def test_every_bundled_model_says_its_licence_and_what_it_draws():
    found = {model["name"]: model for model in bundled_models()}
    asked = {"starter", "vae", "gan", "progressive-gan", "dit", "style", "clip", "denoise"}
    assert asked | {"colourise", "superres"} <= found.keys()
    assert all(model["licence"] for model in found.values())
    size = sum(f.stat().st_size for f in models_folder().rglob("*") if f.is_file())
    assert size <= 60_000_000


@pytest.mark.parametrize(
    ("model", "plugin"),
    [
        ("starter", "diffusion"),
        ("dit", "diffusion"),
        ("vae", "vae"),
        ("gan", "gan"),
        ("progressive-gan", "gan"),
    ],
)
def test_a_bundled_model_is_drawn_with_by_its_own_plugin(model: str, plugin: str):
    assert backend_of(model) == plugin
    assert load("default").with_model(model).backend.plugin == plugin


def test_another_plugin_is_not_given_the_settings_of_the_one_before():
    default = load("default")
    table = default.backend.model_dump() | {"settings": {"model": "starter", "steps": 9}}
    chosen = default._but({"backend": table})
    assert chosen.with_model("./x").backend.settings == {"model": "./x", "steps": 9}
    assert chosen.with_model("vae").backend.settings == {"model": "vae"}
    assert chosen.with_model("vae").backend.timeout_s == default.backend.timeout_s


def test_a_folder_names_the_plugin_that_draws_with_it(tmp_path: Path):
    (tmp_path / "sdk.json").write_text(json.dumps({"backend": "gan"}))
    assert backend_of(str(tmp_path)) == "gan"
    assert backend_of(str(tmp_path / "none")) == ""
    (tmp_path / "sdk.json").write_text("{")
    with pytest.raises(BackendError, match="unreadable"):
        backend_of(str(tmp_path))
