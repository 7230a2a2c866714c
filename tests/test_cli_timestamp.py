"""`sdk timestamp backfill` from the shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from local_tsa import Authority
from PIL import Image
from shell import run


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory):
    made = Authority(tmp_path_factory.mktemp("tsa"))
    yield made
    made.close()


@pytest.fixture
def picture(place: Path) -> Path:
    done = run("generate", "a red apple", "-o", "a.png", "--seed", "7", "--size", "384x384")
    assert done.exit_code == 0, done.stderr
    return place / "a.png"


def test_a_dated_copy_is_trusted_stamped_recorded_and_still_marked(
    picture: Path, authority: Authority
) -> None:
    before = picture.read_bytes()
    done = run("timestamp", "backfill", "a.png", "--url", authority.url)
    assert done.exit_code == 0, done.stderr
    assert picture.read_bytes() == before
    Path("tsa.pem").write_bytes(authority.root_pem)
    trust = ("--trust", "home/c2pa-development/root.pem", "--tsa-trust", "tsa.pem")
    report = json.loads(run("verify", "a-dated.png", *trust, "--json").stdout)
    states = {name: axis["state"] for name, axis in report["axes"].items()}
    assert report["exit_code"] == 0
    assert states["time"] == "trusted"
    assert states["ledger"] == "recorded"
    assert states["watermark"] == "matches"
    assert states["ai"] == "generated"
    assert states["chain"] == "intact"


def test_what_cannot_be_dated_is_said_and_nothing_is_written(
    picture: Path, authority: Authority
) -> None:
    Image.new("RGB", (64, 64)).save("plain.png")
    bad = bytearray(picture.read_bytes())
    bad[-40] ^= 1
    Path("changed.png").write_bytes(bad)
    words = ("timestamp", "backfill", "plain.png", "changed.png", "missing.png")
    done = run(*words, "--url", authority.url, "--json")
    answers = json.loads(done.stdout)
    assert done.exit_code == 1
    assert [bool(a.get("error")) for a in answers] == [True, True, True]
    assert not list(Path().glob("*-dated*"))


def test_an_authority_that_does_not_answer_writes_nothing(picture: Path) -> None:
    done = run("timestamp", "backfill", "a.png", "--url", "http://127.0.0.1:9/")
    assert done.exit_code == 1
    assert "127.0.0.1:9" in done.stderr
    assert not list(Path().glob("*-dated*"))
    assert "timestamp_url" in run("timestamp", "backfill", "a.png").stderr
