"""The README keeps its word: every block is run, or compared with what it shows."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sdk.hookspecs import PARTS
from sdk.policy import load, parse
from tests.test_docs import ROOT, blocks, script

README = (ROOT / "README.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
readme = script("write_readme")


def test_the_picture_is_the_one_that_the_output_talks_about():
    digest = hashlib.sha256(readme.PICTURE.read_bytes()).hexdigest()
    (shown,) = re.findall(r"SHA-256 ([0-9a-f]+)…", README)
    assert digest.startswith(shown)
    assert f"sha-256 {digest}" in README


def test_the_picture_is_signed_and_marked_as_the_output_says():
    from sdk.contract import Quiet  # noqa: F401  (the contract imports on a base install)
    from sdk.inputs import InputImage
    from sdk.registry import Registry

    (mark,) = re.findall(r"(?m)^marked   id ([0-9a-f]+)$", README)
    pixels = InputImage.open(readme.PICTURE).pixels
    found = Registry().make("watermark", "tile", dict(load("default").watermark.settings))
    payload = found.detect(pixels).payload
    assert payload is not None
    assert payload.hex() == mark


@pytest.mark.slow
def test_the_demo_says_what_the_readme_shows(tmp_path: Path):
    pytest.importorskip("torch", reason="the generate extra is not installed")
    (shown,) = readme.BLOCK.findall(README)
    output = readme.demo(tmp_path)
    assert shape(f"```console\n{output}```") == shape(shown), "run: make readme"


def shape(text: str) -> str:
    """A transcript without what differs from run to run: ids, digests, seeds, dates."""
    text = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UUID", text)
    text = re.sub(r"\b\d{4}-\d\d-\d\d\b", "DATE", text)
    text = re.sub(r"\bseed \d+\b", "seed N", text)  # first: a seed of 16 digits looks like an id
    return re.sub(r"\b[0-9a-f]{16,64}\b", "HEX", text)


def test_masking_keeps_what_matters():
    assert shape("exit 5: untrusted, seed 12") == "exit 5: untrusted, seed N"
    assert shape(f"seed {2**53}, id {'0' * 16}") == "seed N, id HEX"
    assert shape("intact") != shape("changed")


def test_the_demo_block_shows_the_commands_of_the_makefile():
    (shown,) = readme.BLOCK.findall(README)
    commands = re.findall(r"(?m)^\$ (.+)$", shown)
    assert commands == [*readme.COMMANDS]
    recipe = MAKEFILE.split("\ndemo:", 1)[1].split("\n\n", 1)[0]
    for command in commands:
        assert f"$(BIN)/{command}" in recipe
        assert f"'$$ {command}'" in recipe


def test_the_make_targets_that_are_shown_exist():
    shown = re.findall(r"(?m)^make (\w+)", "\n".join(blocks("README.md", "sh")))
    assert shown[:2] == ["demo", "test"]
    for target in [*shown, *re.findall(r"`make (\w+)`", README)]:
        assert re.search(rf"(?m)^{target}:", MAKEFILE), target


@pytest.mark.slow
def test_the_python_block_runs(tmp_path: Path):
    pytest.importorskip("torch", reason="the generate extra is not installed")
    block = next(b for b in blocks("README.md", "python") if "Studio" in b)
    home = {"SDK_HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    done = subprocess.run(
        [sys.executable, "-c", block],
        cwd=tmp_path,
        env={**os.environ, **home},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    released, refused = done.stdout.splitlines()
    assert re.fullmatch(r"apple\.png [0-9a-f]{64}", released)
    assert re.fullmatch(r"[0-9a-f]{64} \['.+'\]", refused)
    assert (tmp_path / "apple.png").stat().st_size > 1000


def test_the_plugin_block_is_short_and_complete():
    (block,) = [b for b in blocks("README.md", "python") if "hookimpl" in b]
    path, _, code = block.partition("\n")
    assert code.strip() == (ROOT / path.removeprefix("# ")).read_text("utf-8").strip()
    assert len(code.splitlines()) <= 25


def test_the_policy_block_is_part_of_the_example_policy():
    (block,) = blocks("README.md", "toml")
    example = parse((ROOT / "examples/plugins/sdk-image-grey/policy.toml").read_text("utf-8"))
    shown = tomllib.loads(block)
    assert shown["image_filters"] == [{"plugin": p.plugin} for p in example.image_filters]
    (rule,) = shown["rules"]
    assert rule in [r.model_dump(exclude_defaults=True) for r in example.rules]


def test_the_kinds_of_plugin_are_all_named():
    sentence = re.search(r"There are (\w+) kinds: ([\w\s,]+)\.", README)
    assert sentence is not None
    named = re.findall(r"\w+", sentence[2].replace(" and ", ", "))
    assert named == [*PARTS]
    assert sentence[1] == "eleven"
    assert len(PARTS) == 11


def test_the_python_version_is_the_one_that_is_required():
    required = PROJECT["requires-python"].removeprefix(">=")
    assert set(re.findall(r"Python (3\.\d+)", README)) == {required}
    major, minor = required.split(".")
    assert f"({major}, {minor})" in MAKEFILE


def test_the_extras_that_are_shown_exist():
    shown = {e for found in re.findall(r"'\.\[([\w,]+)\]'", README) for e in found.split(",")}
    assert shown
    assert shown <= PROJECT["optional-dependencies"].keys()


def test_every_command_that_is_named_exists():
    named = set(re.findall(r"`(sdk [a-z-]+)[^`]*`", README))
    listed = set(
        re.findall(r"(?m)^## `?(sdk [a-z-]+)", (ROOT / "docs/commands.md").read_text("utf-8"))
    )
    assert named >= {"sdk generate", "sdk verify", "sdk audit"}
    assert named <= listed


def test_the_pages_that_are_linked_exist():
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", README):
        assert (ROOT / link).is_file(), link
