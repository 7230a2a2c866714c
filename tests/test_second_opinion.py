"""Two engines without a line of code in common agree on what is written here."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sample_claim import FULL as CLAIM

from sdk.contract import sample
from sdk.encode import SUFFIXES, encode
from sdk.errors import VerifyError
from sdk.registry import Registry
from sdk.report import Axis
from sdk.second_opinion import Opinion, compared, second_opinion
from sdk.verify import verify
from sdk.xmp import EDITED, GENERATED, xmp_packet

FILES = sorted(
    (Path(__file__).parents[2] / "shared/data/c2pa/public-testfiles/image/jpeg").glob("*.jp*g")
)
XMP = xmp_packet(digital_source_type=GENERATED, ai_system="starter")


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory):
    pytest.importorskip("encypher_c2pa", reason="the extra `engines` is not installed")
    return Registry().make("signer", "c2pa", {"home": str(tmp_path_factory.mktemp("home"))})


def versions(data: bytes, plain: bytes) -> dict[str, bytes]:
    at = data.rindex(plain[len(plain) // 2 : len(plain) // 2 + 24])
    return {
        "intact": data,
        "content-changed": data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :],
        "manifest-changed": data.replace(b"apple.png", b"Apple.png", 1),
    }


@pytest.mark.parametrize("media_type", SUFFIXES)
@pytest.mark.parametrize("edited", [False, True])
def test_both_engines_agree_on_every_file_that_is_written_here(
    tmp_path: Path, signer, media_type: str, edited: bool
) -> None:
    plain = encode(sample(96, 64), media_type, xmp=XMP)
    claim = replace(CLAIM, media_type=media_type)
    data = signer.seal(plain, claim)
    if edited:
        plain = encode(sample(96, 64, 1), media_type, xmp=XMP)
        claim = replace(claim, edited=True, digital_source_type=EDITED, title="child.png")
        data = signer.seal(plain, replace(claim, parent=data, parent_media_type=media_type))
    for state, version in versions(data, plain).items():
        (tmp_path / "x").write_bytes(version)
        report = verify(tmp_path / "x", second=True)
        if state == "manifest-changed" and edited:  # the ancestor's manifest was changed
            assert report.exit_code == 4
            continue
        assert report.axes["integrity"].state == state
        assert report.axes["integrity"].more["second_opinion"]["agrees"], report.axes["integrity"]


@pytest.mark.skipif(not FILES, reason="the public C2PA test files are not here")
def test_both_engines_agree_on_the_public_test_files(signer) -> None:
    differ = []
    for path in FILES:
        axes = verify(path, second=True).axes
        if not axes["integrity"].more["second_opinion"]["agrees"]:
            differ.append((path.name, axes["integrity"].reason))
    assert differ == []


def test_a_file_without_credentials_is_absent_for_both(tmp_path: Path, signer) -> None:
    (tmp_path / "x.png").write_bytes(encode(sample(8, 8), "image/png"))
    report = verify(tmp_path / "x.png", second=True)
    assert report.axes["integrity"].more["second_opinion"]["says"] == "absent"
    assert report.axes["integrity"].more["second_opinion"]["agrees"]
    assert report.exit_code == 3


def test_a_disagreement_is_said_in_capitals() -> None:
    opinion = Opinion(engine="other 1", says="changed")
    axis = compared(Axis(state="intact", reason="fine"), opinion)
    assert "DISAGREES" in axis.reason
    assert axis.state == "intact"


def test_an_engine_that_could_not_tell_does_not_disagree() -> None:
    opinion = Opinion(engine="other 1", says="failed", detail="no reader for this")
    axis = compared(Axis(state="intact", reason="fine"), opinion)
    assert axis.reason == "fine; other 1 could not tell (no reader for this)"
    assert axis.more["second_opinion"]["agrees"] is False


def test_a_file_of_no_known_kind_is_not_judged_by_its_name(tmp_path: Path, signer) -> None:
    (tmp_path / "words.jpg").write_bytes(b"words")
    report = verify(tmp_path / "words.jpg", second=True)
    assert report.axes["integrity"].more["second_opinion"]["says"] == "failed"
    assert "unknown kind of file" in report.axes["integrity"].reason


def test_without_the_extra_the_user_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "encypher_c2pa", None)
    with pytest.raises(VerifyError, match="extra 'engines'"):
        second_opinion("x", "image/png")


def test_an_engine_that_fails_has_failed_and_not_judged(monkeypatch, tmp_path: Path) -> None:
    engine = pytest.importorskip("encypher_c2pa", reason="the extra `engines` is not installed")

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(engine, "verify", broken)
    opinion = second_opinion(tmp_path / "x", "image/png")
    assert (opinion.says, opinion.detail) == ("failed", "RuntimeError: out of order")
