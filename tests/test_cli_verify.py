"""`sdk verify` from the shell: what it answers, and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from PIL import Image
from referencing import Registry, Resource
from shell import run

SCHEMA = json.loads(
    (Path(__file__).parent.parent / "sdk" / "schemas" / "verify-1.json").read_text("utf-8")
)
_LINE = json.loads(
    (Path(__file__).parent.parent / "sdk" / "schemas" / "verify-line-1.json").read_text("utf-8")
)
LINES = jsonschema.Draft202012Validator(
    _LINE, registry=Registry().with_resource(SCHEMA["$id"], Resource.from_contents(SCHEMA))
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


def test_the_second_engine_is_asked_by_name(picture: Path) -> None:
    pytest.importorskip("encypher_c2pa", reason="the extra `engines` is not installed")
    said = run("verify", "a.png", "--engine", "c2pa,encypher", "--no-pixels").stdout
    assert "agrees" in said
    assert said == run("verify", "a.png", "--second", "--no-pixels").stdout
    assert "agrees" not in run("verify", "a.png", "--engine", "c2pa", "--no-pixels").stdout
    for wrong in ("encypher", "c2pa,ghost", "", "c2pa,c2pa"):
        done = run("verify", "a.png", "--engine", wrong)
        assert done.exit_code == 2
        assert "give c2pa, or c2pa,encypher" in done.stderr


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


def test_several_files_give_a_line_each_and_the_gravest_code(picture: Path) -> None:
    (picture.parent / "broken.png").write_bytes(b"")
    done = run("verify", "a.png", "broken.png", "ghost.png", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["exit_code"] for line in lines] == [5, 1, 1]
    for line in lines:
        LINES.validate(line)
    assert "empty file" in lines[1]["error"]["message"]
    assert done.exit_code == 1


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


def test_a_folder_gives_a_line_a_file_and_a_summary(picture: Path) -> None:
    (picture.parent / "f").mkdir()
    (picture.parent / "f" / "a.png").write_bytes(picture.read_bytes())
    (picture.parent / "f" / "bad.jpg").write_bytes(b"")
    done = run("verify", "f", "--no-pixels", "--workers", "1", "--resume", "r.jsonl")
    assert done.exit_code == 1
    assert "error          f/bad.jpg: asked to verify f/bad.jpg, found an empty file" in done.stdout
    assert "2  files" in done.stdout
    again = run("verify", "f", "--no-pixels", "--resume", "r.jsonl", "--fail-on", "changed,rule")
    assert again.exit_code == 0
    names = [json.loads(line)["name"] for line in Path("r.jsonl").read_text().splitlines()]
    assert names == ["f/a.png", "f/bad.jpg", "f/bad.jpg"], "the error alone is tried again"


@pytest.mark.parametrize("form", ["sarif", "junit", "html", "crjson", "jsonl", "json"])
def test_every_form_is_written_to_a_file(picture: Path, form: str) -> None:
    done = run("verify", "a.png", "--format", form, "-o", "out", "--no-pixels")
    assert done.exit_code == 5
    text = Path("out").read_text("utf-8")
    starts = {"junit": "<?xml", "html": "<!DOCTYPE html>"}
    assert text.startswith(starts.get(form, "{"))
    if form not in starts:
        document = json.loads(text)
        assert document.keys() & {"manifests", "runs", "axes"}
    if form == "html":
        assert "data:image/jpeg;base64," in text
    assert done.stdout == ""


def test_crjson_is_the_form_of_the_conformance_tools(picture: Path) -> None:
    document = json.loads(run("verify", "a.png", "--format", "crjson", "--trust", root()).stdout)
    first = document["manifests"][0]
    assert first["label"].startswith("urn:c2pa:")
    codes = {entry["code"] for entry in first["validationResults"]["success"]}
    assert "signingCredential.trusted" in codes
    untrusted = run("verify", "a.png", "--format", "crjson", "--tsa-trust", root()).stdout
    assert "signingCredential.trusted" not in untrusted, "a list for time-stamps vouches for nobody"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--format", "pdf"], "is no format"),
        (["--fail-on", "colour"], "give some of"),
        (["-o", "nowhere/out.html"], "name a file that can be written"),
    ],
)
def test_who_asks_for_a_form_that_is_none_is_told(picture: Path, words: list, said: str) -> None:
    done = run("verify", "a.png", "--no-pixels", *words)
    assert done.exit_code in (1, 2)
    assert said in done.stderr


def test_the_answer_is_never_written_over_a_picture(picture: Path) -> None:
    before = picture.read_bytes()
    Path("link.png").symlink_to("a.png")
    for name in ("a.png", "./a.png", "link.png"):
        done = run("verify", "a.png", "--no-pixels", "-o", name)
        assert done.exit_code == 2
        assert "name another" in done.stderr
    assert picture.read_bytes() == before
