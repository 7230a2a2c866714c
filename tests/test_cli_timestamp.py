"""`sdk timestamp backfill` from the shell."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from local_tsa import Authority
from PIL import Image
from shell import POLICY, run
from strippers import STRIPPERS

from sdk.backfill import Backfill
from sdk.config import open_credentials, open_ledger
from sdk.doctor import examine
from sdk.errors import VerifyError


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
    with Image.open("a.png") as image:
        image.save("bare.png")  # the pixels of both; the copy with a time-stamp is found
    report = json.loads(run("verify", "bare.png", *trust, "--json").stdout)
    assert report["axes"]["content_match"]["state"] == "pixels"
    assert report["axes"]["time"]["state"] == "trusted"
    Path("stripped").write_bytes(STRIPPERS["image/png"]["manifest"](before))
    assert run("restore", "stripped", "-o", "again.png").exit_code == 0
    assert Path("again.png").read_bytes() == Path("a-dated.png").read_bytes()
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


def best_effort(place: Path, url: str, *more: str) -> None:
    settings = ", ".join([f'timestamp_url = "{url}"', 'timestamp = "best-effort"', *more])
    text = POLICY.replace(
        'signer = { plugin = "c2pa" }',
        f'signer = {{ plugin = "c2pa", settings = {{ {settings} }} }}',
    )
    (place / "noise.toml").write_text(text)


def draw(name: str) -> None:
    done = run("generate", "a red apple", "-o", name, "--seed", "7", "--size", "256x256")
    assert done.exit_code == 0, done.stderr


def listed() -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(run("timestamp", "waiting", "--json").stdout)
    return found


NOBODY = "http://127.0.0.1:9/"


def test_what_best_effort_signed_without_a_stamp_waits_and_is_dated_later(
    place: Path, authority: Authority
) -> None:
    assert listed() == []
    best_effort(place, NOBODY)
    for name in ("a.png", "b.png"):
        draw(name)
    assert [one["file"] for one in listed()] == [str(place / "a.png"), str(place / "b.png")]
    assert [one["sha256"] for one in listed()] == [digest("a.png"), digest("b.png")]
    (waits,) = [check for check in examine() if check.name == "time-stamps"]
    assert waits.found.startswith("2 wait, the oldest since 2")
    away = run("timestamp", "backfill")
    assert (away.exit_code, "0 dated, 2 remain" in away.stdout) == (1, True)
    best_effort(place, authority.url)
    draw("c.png")  # the authority is back: dated at once
    assert len(listed()) == 2
    (place / "b.png").rename(place / "moved.png")
    done = run("timestamp", "backfill")
    assert done.exit_code == 1
    assert "1 dated, 1 remain" in done.stdout
    assert "b.png" in done.stderr
    assert run("timestamp", "backfill", "moved.png").exit_code == 0
    assert listed() == []
    assert "0 dated, 0 remain" in run("timestamp", "backfill").stdout
    Path("tsa.pem").write_bytes(authority.root_pem)
    trust = ("--trust", "home/c2pa-development/root.pem", "--tsa-trust", "tsa.pem")
    for name in ("a-dated.png", "moved-dated.png", "c.png"):
        report = json.loads(run("verify", name, *trust, "--json").stdout)
        assert (report["exit_code"], report["axes"]["time"]["state"]) == (0, "trusted")
        assert report["axes"]["ledger"]["state"] == "recorded"


def test_a_run_that_was_killed_is_gone_on_with(
    place: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    best_effort(place, NOBODY)
    draw("a.png")
    best_effort(place, authority.url)
    with monkeypatch.context() as patch:
        patch.setattr("sdk.undated.Queue.done", killed)
        assert run("timestamp", "backfill").exit_code != 0
    written = (place / "a-dated.png").read_bytes()
    assert len(listed()) == 1
    before = authority.asked
    done = run("timestamp", "backfill", "--json")
    assert (json.loads(done.stdout)["dated"], listed()) == (1, [])
    assert (place / "a-dated.png").read_bytes() == written
    assert authority.asked == before


def killed(*_: object) -> None:
    raise KeyboardInterrupt


class Never:
    def timestamp(self, data: bytes, /) -> bytes:
        raise VerifyError("it has expired")


def test_a_run_ends_early_when_the_authority_is_away_and_files_may_be_forgotten(
    place: Path,
) -> None:
    best_effort(place, NOBODY)
    for number in range(4):
        draw(f"{number}.png")
    done = json.loads(run("timestamp", "backfill", "--json").stdout)
    assert (len(done["files"]), done["dated"], done["remain"]) == (3, 0, 4)
    with open_credentials() as repository, open_ledger() as ledger:
        outcomes = list(Backfill(Never(), repository, ledger).work())
    assert [o.problem for o in outcomes] == ["it has expired"] * 4  # none bars the way of the next
    digests = [one["sha256"] for one in listed()]
    assert run("timestamp", "forget", *digests[:3]).exit_code == 0
    assert [one["sha256"] for one in listed()] == digests[3:]
    assert "does not wait" in run("timestamp", "forget", "0" * 64).stderr
    Path("3.png").write_bytes(b"another file")
    assert "another file of that name" in run("timestamp", "backfill").stderr


def digest(name: str) -> str:
    return hashlib.sha256(Path(name).read_bytes()).hexdigest()
