"""`sdk verify` from the shell: what it answers, and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from PIL import Image
from shell import run

SCHEMA = json.loads(
    (Path(__file__).parent.parent / "sdk" / "schemas" / "verify-1.json").read_text("utf-8")
)


@pytest.fixture
def picture(place: Path) -> Path:
    assert run("generate", "a red apple", "-o", "a.png", "--seed", "7").exit_code == 0
    return place / "a.png"


def root() -> str:
    return "home/c2pa-development/root.pem"


def test_an_intact_picture_of_an_unknown_signer_exits_with_5(picture: Path) -> None:
    done = run("verify", "a.png")
    assert done.exit_code == 5
    assert "AI-generated" in done.stdout.splitlines()[0]
    assert "no trust list loaded" in done.stdout.splitlines()[0]


def test_with_the_root_on_the_trust_list_it_exits_with_0(picture: Path) -> None:
    done = run("verify", "a.png", "--trust", root(), "--json")
    report = json.loads(done.stdout)
    jsonschema.validate(report, SCHEMA)
    states = {name: axis["state"] for name, axis in report["axes"].items()}
    assert done.exit_code == report["exit_code"] == 0
    assert states["integrity"] == "intact"
    assert states["watermark"] == "matches"
    assert states["ledger"] == "recorded"
    assert states["ai"] == "generated"


def test_one_flipped_bit_exits_with_4(picture: Path) -> None:
    data = bytearray(picture.read_bytes())
    data[len(data) // 2] ^= 1
    picture.write_bytes(data)
    assert run("verify", "a.png", "--trust", root()).exit_code == 4


def test_a_stripped_picture_is_never_called_intact_or_human(picture: Path) -> None:
    with Image.open(picture) as image:
        image.save("stripped.jpg", quality=90)
    done = run("verify", "stripped.jpg", "--json")
    report = json.loads(done.stdout)
    assert done.exit_code != 0
    assert report["axes"]["integrity"]["state"] != "intact"
    assert report["axes"]["provenance"]["state"] == "recovered:watermark"
    assert report["axes"]["content_match"]["state"] == "similar"
    assert report["axes"]["watermark"]["state"] == "matches"
    Path("home/credentials.db").unlink()
    report = json.loads(run("verify", "stripped.jpg", "--json").stdout)
    assert report["axes"]["watermark"]["state"] == "present-unbound"
    assert "human" not in done.stdout.lower()
    assert "fake" not in done.stdout.lower()


def test_a_picture_without_credentials_exits_with_3(place: Path) -> None:
    Image.new("RGB", (300, 300), "red").save("plain.png")
    assert run("verify", "plain.png").exit_code == 3


def test_several_files_give_a_line_each_and_the_highest_code(picture: Path) -> None:
    (picture.parent / "broken.png").write_bytes(b"")
    done = run("verify", "a.png", "broken.png", "ghost.png", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["exit_code"] for line in lines] == [5, 1, 1]
    assert "empty file" in lines[1]["error"]["message"]
    assert done.exit_code == 5


def test_a_rule_that_is_not_met_exits_with_6(picture: Path) -> None:
    words = ["verify", "a.png", "--trust", root()]
    assert run(*words, "--rule", "ai=generated").exit_code == 0
    assert run(*words, "--rule", "time=trusted").exit_code == 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--trust", "ghost.pem"], "ghost.pem"),
        (["--at", "yesterday"], "give RFC 3339"),
        (["--rule", "colour=red"], "colour"),
        (["--watermark", "ghost"], "no plugin 'ghost'"),
    ],
)
def test_who_asks_verify_wrongly_is_told(picture: Path, words: list[str], said: str) -> None:
    done = run("verify", "a.png", *words)
    assert done.exit_code in (1, 2)
    assert said in done.stderr


def test_verify_never_loads_torch_or_a_model(picture: Path) -> None:
    heavy = "{'torch', 'diffusers', 'transformers', 'onnxruntime', 'sqlalchemy'}"
    code = (
        "import sys; sys.argv = ['sdk', 'verify', 'a.png']\n"
        "from sdk.cli import main\n"
        "try: main()\n"
        f"except SystemExit as end: assert end.code == 5; assert not {heavy} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
