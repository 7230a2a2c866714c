"""A house of its own for each test of the shell: policy, home, working folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sdk.cli import main

POLICY = """
name = "noise"
backend = { plugin = "noise" }
prompt_filters = [{ plugin = "lists" }]
image_filters = [{ plugin = "blank" }]
watermark = { plugin = "tile" }
signer = { plugin = "c2pa" }
rules = [
    { id = "1", stage = "prompt", category = "sexual", review = 0.5 },
    { id = "2", stage = "prompt", category = "sexual_minors", block = 0.5 },
    { id = "3", stage = "prompt", category = "violence", block = 0.9 },
    { id = "4", stage = "prompt", category = "hate", block = 0.9 },
    { id = "5", stage = "prompt", category = "self_harm", block = 0.9 },
    { id = "6", stage = "prompt", category = "illegal", block = 0.9 },
    { id = "7", stage = "image", category = "blank", block = 0.9 },
]
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [n for n in os.environ if n.startswith("SDK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SDK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("SDK_POLICY", str(tmp_path / "noise.toml"))
    (tmp_path / "noise.toml").write_text(POLICY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))
