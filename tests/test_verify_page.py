"""docs/verify.md shows what the command says: its console blocks are run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image
from shell import run

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "verify.md").read_text("utf-8")
SHOWN = [
    (command, output)
    for block in re.findall(r"(?ms)^```console\n(.*?)^```$", PAGE)
    for command, output in re.findall(r"(?ms)^\$ sdk (.*?)\n(.*?)(?=^\$ |\Z)", block)
]


@pytest.fixture
def pictures(place: Path) -> Path:
    """The folder of the page: the picture of the README, and what can happen to it."""
    folder = place / "pictures"
    folder.mkdir()
    data = (ROOT / "docs" / "img" / "a-red-apple.png").read_bytes()
    middle = len(data) // 2
    changed = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    (folder / "apple.png").write_bytes(data)
    (folder / "changed.png").write_bytes(changed)
    (folder / "empty.jpg").touch()
    with Image.open(folder / "apple.png") as image:
        Image.frombytes("RGB", image.size, image.tobytes()).save(folder / "stripped.png")
    return folder


def test_the_page_shows_commands() -> None:
    assert SHOWN


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command for command, _ in SHOWN])
def test_the_page_shows_what_the_command_says(pictures: Path, command: str, output: str) -> None:
    assert run(*shlex.split(command)).stdout == output
