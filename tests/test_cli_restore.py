"""`sdk restore`: a stripped file becomes the signed one again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from shell import run
from strippers import STRIPPERS

from sdk.encode import SUFFIXES


@pytest.mark.parametrize("media_type", SUFFIXES)
def test_a_stripped_file_is_written_again(place: Path, media_type: str) -> None:
    name = f"a{SUFFIXES[media_type]}"
    assert run("generate", "a red apple", "-o", name, "--seed", "7").exit_code == 0
    signed = Path(name).read_bytes()
    Path("stripped").write_bytes(STRIPPERS[media_type]["manifest"](signed))
    said = run("restore", "stripped", "-o", "again")
    assert said.exit_code == 0
    assert "byte for byte" in said.stdout
    assert Path("again").read_bytes() == signed
    root = "home/c2pa-development/root.pem"
    assert run("verify", "again", "--trust", root).exit_code == 0
    taken = run("restore", "stripped", "-o", "again", "--json")
    assert taken.exit_code != 0
    assert "a file of that name" in json.loads(taken.stdout)["error"]["message"]


def test_what_was_encoded_anew_or_is_not_known_is_not_written(place: Path) -> None:
    Image.new("RGB", (64, 64), "red").save("strange.png")
    assert "no repository" in run("restore", "strange.png", "-o", "x.png").stderr
    run("generate", "a red apple", "-o", "a.png", "--seed", "7")
    with Image.open("a.png") as image:
        image.convert("RGB").save("anew.png")
        image.convert("RGB").save("anew.jpg", quality=75)
    for name in ("strange.png", "anew.png", "anew.jpg"):
        done = run("restore", name, "-o", "x.png")
        assert done.exit_code == 1
        assert "ask sdk verify" in done.stderr
    assert run("restore", "ghost.png", "-o", "x.png").exit_code == 1
    Path("words.png").write_bytes(b"words")
    assert "no picture" in run("restore", "words.png", "-o", "x.png").stderr
    assert not Path("x.png").exists()
