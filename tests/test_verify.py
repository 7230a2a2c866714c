"""`verify` through its public door: every axis, every exit code, hostile files."""

import json
import os
import subprocess
import sys
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import numpy as np
import pytest
from sample_claim import FULL

import sdk
from sdk.certs import NewChain, new_chain
from sdk.contract import sample
from sdk.encode import SUFFIXES, encode
from sdk.errors import LedgerError, VerifyError
from sdk.registry import Registry
from sdk.render import render_text
from sdk.report import AXES, Report, harmless
from sdk.trust import Trust, TrustList
from sdk.types import Detection, Model, Presence
from sdk.verify import verify
from sdk.xmp import EDITED, GENERATED, AigcLabel, xmp_packet

SCHEMA = json.loads((Path(sdk.__file__).parent / "schemas" / "verify-1.json").read_text())
DATA = Path(__file__).parents[1].parent / "shared" / "data" / "c2pa"
CLAIM = replace(FULL, model=Model(name="starter", version="1.2"))


@pytest.fixture(scope="module")
def chain() -> NewChain:
    return new_chain(organization="Lab AI", common_name="Lab Image SDK")


def make_signer(chain: NewChain, folder: Path, **settings: str):
    for name, pem in [("chain", chain.chain_pem), ("key", chain.key_pem)]:
        (folder / name).write_bytes(pem)
        (folder / name).chmod(0o600)
    paths = {"certificate": str(folder / "chain"), "key": str(folder / "key")}
    return Registry().make("signer", "c2pa", paths | settings)


@pytest.fixture(scope="module")
def signer(chain: NewChain, tmp_path_factory: pytest.TempPathFactory):
    return make_signer(chain, tmp_path_factory.mktemp("signer"))


@pytest.fixture(scope="module")
def trust(chain: NewChain) -> Trust:
    return Trust(signers=TrustList(name="lab.pem", pem=chain.root_pem, count=1))


@pytest.fixture(scope="module")
def sealed(signer) -> bytes:
    return signer.seal(encode(sample(128, 96), "image/png"), CLAIM)


def judge(tmp_path: Path, data: bytes, **options) -> Report:
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    report = verify(path, **options)
    jsonschema.validate(report.to_json(), SCHEMA)
    assert list(report.axes) == list(AXES)
    spoken = report.headline + render_text(report)
    assert "human" not in spoken
    assert "fake" not in spoken
    return report


def states(report: Report) -> dict[str, str]:
    return {name: axis.state for name, axis in report.axes.items()}


def test_a_trusted_intact_picture_exits_0_and_says_who_and_what(tmp_path, sealed, trust) -> None:
    report = judge(tmp_path, sealed, trust=trust)
    assert report.exit_code == 0
    assert report.headline == (
        "AI-generated (starter), unchanged since it was signed by Lab AI / Lab Image SDK (trusted)"
    )
    assert states(report) == {
        "provenance": "embedded",
        "integrity": "intact",
        "content_match": "not-needed",
        "signer": "trusted",
        "time": "none",
        "chain": "single",
        "identity": "absent",
        "ai": "generated",
        "watermark": "unchecked",
        "ledger": "unchecked",
        "policy": "none",
    }


def test_without_a_trust_list_nobody_vouches_and_the_exit_is_5(tmp_path, sealed) -> None:
    report = judge(tmp_path, sealed)
    assert report.exit_code == 5
    assert report.axes["signer"].state == "unchecked"
    assert "no trust list" in report.headline
    assert report.axes["integrity"].state == "intact"


def test_a_signer_outside_the_list_is_untrusted_and_not_changed(tmp_path, sealed) -> None:
    other = new_chain(organization="Other", common_name="Other")
    trust = Trust(signers=TrustList(name="other.pem", pem=other.root_pem, count=1))
    report = judge(tmp_path, sealed, trust=trust)
    assert (report.exit_code, report.axes["signer"].state) == (5, "untrusted")
    assert report.axes["integrity"].state == "intact"


def test_a_root_for_time_stamps_vouches_for_no_signer(tmp_path, sealed, chain) -> None:
    tsa = TrustList(name="tsa.pem", pem=chain.root_pem, count=1)
    assert judge(tmp_path, sealed, trust=Trust(tsas=tsa)).axes["signer"].state == "unchecked"
    other = new_chain(organization="Other", common_name="Other")
    signers = TrustList(name="other.pem", pem=other.root_pem, count=1)
    report = judge(tmp_path, sealed, trust=Trust(signers=signers, tsas=tsa))
    assert report.axes["signer"].state == "untrusted"


@pytest.mark.parametrize("media_type", SUFFIXES)
def test_every_format_is_judged(tmp_path, signer, trust, media_type: str) -> None:
    plain = encode(sample(96, 64), media_type)
    data = signer.seal(plain, replace(CLAIM, media_type=media_type))
    report = judge(tmp_path, data, trust=trust)
    assert (report.exit_code, report.media_type) == (0, media_type)
    at = data.rindex(plain[len(plain) // 2 : len(plain) // 2 + 24])
    changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    report = judge(tmp_path, changed, trust=trust)
    assert (report.exit_code, report.axes["integrity"].state) == (4, "content-changed")


def test_a_changed_manifest_is_named_as_such(tmp_path, sealed, trust) -> None:
    at = sealed.index(b"apple.png")
    report = judge(tmp_path, sealed[:at] + b"X" + sealed[at + 1 :], trust=trust)
    assert (report.exit_code, report.axes["integrity"].state) == (4, "manifest-changed")
    assert "nothing it says counts" in report.headline


def test_appended_bytes_are_a_change(tmp_path, sealed, trust) -> None:
    assert judge(tmp_path, sealed + b"x", trust=trust).exit_code == 4


def test_a_picture_without_credentials_exits_3_and_claims_nothing(tmp_path) -> None:
    report = judge(tmp_path, encode(sample(32, 32), "image/png"))
    assert report.exit_code == 3
    assert "says nothing about how it was made" in report.headline
    assert report.axes["integrity"].state == "unchecked"


@pytest.mark.parametrize("data", [b"text", b"\x00" * 100, b"\x89PNG\r\n\x1a\n", b"<svg></svg>"])
def test_what_is_no_picture_has_no_provenance(tmp_path, data: bytes) -> None:
    assert judge(tmp_path, data).exit_code in (3, 4)


def test_an_ancestor_that_was_changed_makes_the_chain_changed(
    tmp_path, chain, sealed, trust
) -> None:
    recording = make_signer(chain, tmp_path, tampered_parent="record")
    bad = sealed[:-40] + bytes([sealed[-40] ^ 1]) + sealed[-39:]
    claim = replace(CLAIM, edited=True, digital_source_type=EDITED, parent_media_type="image/png")
    child = recording.seal(encode(sample(64, 64, 1), "image/png"), replace(claim, parent=bad))
    grandchild = recording.seal(
        encode(sample(64, 64, 2), "image/png"), replace(claim, parent=child)
    )
    for data in (child, grandchild):
        report = judge(tmp_path, data, trust=trust)
        assert report.axes["integrity"].state == "intact"
        assert (report.exit_code, report.axes["chain"].state) == (4, "changed")
        assert "made from a changed file" in report.headline
        assert "'input', a file it was made from, did not verify" in report.axes["chain"].reason
        assert report.axes["chain"].more["weakest"]


def test_an_intact_chain_is_counted_and_ai_is_found_in_an_ancestor(
    tmp_path, signer, sealed, trust
) -> None:
    plain = SOURCE + "digitalCreation"
    edit = replace(
        CLAIM,
        edited=True,
        digital_source_type=plain,
        parent=sealed,
        parent_media_type="image/png",
    )
    data = signer.seal(encode(sample(64, 64, 1), "image/png"), edit)
    report = judge(tmp_path, data, trust=trust)
    assert (report.exit_code, report.axes["chain"].state) == (0, "intact")
    assert report.axes["chain"].more["ancestors"] == 1
    assert report.axes["ai"].state == "generated"
    assert "ancestor" in report.axes["ai"].reason
    assert "weakest" not in report.axes["chain"].more


def test_an_ancestor_signed_by_nobody_on_the_list_is_the_weakest_link(
    tmp_path, chain, sealed, signer, trust
) -> None:
    (tmp_path / "other").mkdir()
    stranger = new_chain(organization="Other AI", common_name="Other")
    parent = make_signer(stranger, tmp_path / "other").seal(
        encode(sample(64, 64, 3), "image/png"), replace(CLAIM, title="drawn elsewhere")
    )
    edit = replace(
        CLAIM,
        edited=True,
        digital_source_type=EDITED,
        parent=parent,
        parent_media_type="image/png",
    )
    data = signer.seal(encode(sample(64, 64, 1), "image/png"), edit)
    report = judge(tmp_path, data, trust=trust)
    assert (report.exit_code, report.axes["chain"].state) == (0, "intact")
    assert "weakest is 'input', whose signer is not on the list" in report.axes["chain"].reason


SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def test_edited_with_ai_is_not_called_generated(tmp_path, signer, trust) -> None:
    claim = replace(
        CLAIM,
        edited=True,
        digital_source_type=EDITED,
        parent=encode(sample(64, 64), "image/png"),
        parent_media_type="image/png",
    )
    report = judge(
        tmp_path, signer.seal(encode(sample(64, 64, 1), "image/png"), claim), trust=trust
    )
    assert report.axes["ai"].state == "edited-with-AI"
    assert report.headline.startswith("Edited with AI")


def test_validity_is_judged_at_the_time_asked_for(tmp_path, sealed, trust) -> None:
    later = datetime.now(UTC) + timedelta(days=400)
    report = judge(tmp_path, sealed, trust=trust, at=later)
    assert (report.exit_code, report.axes["signer"].state) == (5, "expired")
    assert report.axes["integrity"].state == "intact"
    before = datetime.now(UTC) - timedelta(days=400)
    early = judge(tmp_path, sealed, trust=trust, at=before)
    assert early.axes["signer"].state == "expired"
    assert "is valid only from" in early.axes["signer"].reason
    assert "certificate not valid yet" in early.headline
    naive = datetime.now(UTC).replace(tzinfo=None)
    assert judge(tmp_path, sealed, trust=trust, at=naive).exit_code == 0


def test_a_list_past_its_next_update_says_so(tmp_path, sealed, chain) -> None:
    old = TrustList(
        name="old.pem", pem=chain.root_pem, count=1, next_update=datetime(2020, 1, 1, tzinfo=UTC)
    )
    report = judge(tmp_path, sealed, trust=Trust(signers=old))
    assert "past its next update" in report.axes["signer"].reason


class Mark:
    algorithm = "test.mark"

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def detect(self, pixels: object) -> object:
        assert isinstance(pixels, np.ndarray)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def seen(payload: bytes) -> Detection:
    return Detection(presence=Presence.PRESENT, payload=payload, log10_p=-20.0)


@pytest.mark.parametrize(
    ("answer", "state", "code"),
    [
        (seen(b"12345678"), "matches", 0),
        (seen(b"87654321"), "CONFLICT", 4),
        (Detection(presence=Presence.ABSENT), "absent", 0),
        (Detection(presence=Presence.INCONCLUSIVE), "inconclusive", 0),
        (RuntimeError("broken"), "unchecked", 0),
        (None, "unchecked", 0),
    ],
)
def test_the_mark_is_compared_with_the_manifest(
    tmp_path, sealed, trust, answer: object, state: str, code: int
) -> None:
    report = judge(tmp_path, sealed, trust=trust, detectors=[Mark(answer)])
    assert (report.axes["watermark"].state, report.exit_code) == (state, code)


def test_a_mark_without_a_manifest_is_unbound(tmp_path) -> None:
    plain = encode(sample(64, 64), "image/png")
    report = judge(tmp_path, plain, detectors=[Mark(seen(b"12345678"))])
    assert (report.axes["watermark"].state, report.exit_code) == ("present-unbound", 3)
    assert "watermark" in report.headline


def test_a_mark_of_another_algorithm_is_unbound(tmp_path, sealed) -> None:
    other = Mark(seen(b"12345678"))
    other.algorithm = "other.mark"
    assert judge(tmp_path, sealed, detectors=[other]).axes["watermark"].state == "present-unbound"


class Book:
    def __init__(self, entries: list[object] | None) -> None:
        self._entries = entries
        self.asked: list[str] = []

    def find(self, *, sha256: str) -> list[object]:
        self.asked.append(sha256)
        if self._entries is None:
            raise LedgerError("locked")
        return self._entries


def test_the_ledger_is_asked_for_these_bytes(tmp_path, sealed) -> None:
    book = Book([SimpleNamespace(index=7, leaf_hash="ab" * 32)])
    report = judge(tmp_path, sealed, ledger=book)
    assert report.axes["ledger"].state == "recorded"
    assert book.asked == [report.sha256]
    assert judge(tmp_path, sealed, ledger=Book([])).axes["ledger"].state == "not-recorded"
    assert judge(tmp_path, sealed, ledger=Book(None)).axes["ledger"].state == "unchecked"


def test_rules_decide_the_last_axis(tmp_path, sealed, trust) -> None:
    met = judge(tmp_path, sealed, trust=trust, rules=["signer=trusted", "ai=generated|claimed"])
    assert (met.exit_code, met.axes["policy"].state) == (0, "met")
    failed = judge(tmp_path, sealed, trust=trust, rules=["ledger=recorded"])
    assert (failed.exit_code, failed.axes["policy"].state) == (6, "failed")
    for rule in ("", "x=y", "policy=met", "signer", "signer="):
        with pytest.raises(VerifyError, match="AXIS=STATE"):
            verify(tmp_path / "picture.png", rules=[rule])


def test_unsigned_metadata_is_reported_as_unsigned(tmp_path) -> None:
    label = AigcLabel(content_producer="001", produce_id="x")
    packet = xmp_packet(digital_source_type=GENERATED, ai_system="m<1>", aigc=label)
    report = judge(tmp_path, encode(sample(32, 32), "image/png", xmp=packet))
    assert (report.exit_code, report.axes["ai"].state) == (3, "claimed")
    assert {c["kind"] for c in report.claims} == {"iptc", "aigc"}
    assert "unsigned" in report.headline
    assert all(c["signed"] is False for c in report.claims)
    assert "<1>" not in json.dumps(report.to_json())


@pytest.mark.parametrize("key", [b"parameters", b"workflow", b"invokeai_metadata"])
def test_traces_of_other_programs_are_reported_without_the_prompt(tmp_path, key: bytes) -> None:
    body = key + b"\x00a secret prompt, Steps: 20"
    chunk = len(body).to_bytes(4) + b"tEXt" + body + zlib.crc32(b"tEXt" + body).to_bytes(4)
    data = encode(sample(32, 32), "image/png")
    report = judge(tmp_path, data[:33] + chunk + data[33:])
    assert report.axes["ai"].state == "claimed"
    assert "secret" not in json.dumps(report.to_json()) + render_text(report)


def test_hostile_texts_are_made_harmless(tmp_path, chain, trust) -> None:
    nasty = "a\x1b[31m\u202egnp\x00<script>\n\u2066\x9b"
    signer = make_signer(chain, tmp_path)
    model = Model(name=nasty, version="1")
    data = signer.seal(
        encode(sample(32, 32), "image/png"), replace(CLAIM, model=model, title=nasty)
    )
    report = judge(tmp_path, data, trust=trust)
    shown = render_text(report)
    assert not {"\x1b", "\u202e", "\x00", "<", "\u2066", "\x9b"} & set(shown)
    assert "<" not in json.dumps(report.to_json())


def test_harmless_cuts_and_escapes() -> None:
    assert harmless("x" * 1000, 10) == "x" * 10 + "…"
    assert harmless("a\u200b\ud800b") == "a\\u{200B}\\u{D800}b"
    assert harmless("Ünïcode 模型 تفاحة & Co") == "Ünïcode 模型 تفاحة & Co"


# What cannot be read at all, and what tries to hurt.


@pytest.mark.parametrize("kind", ["missing", "folder", "fifo", "loop", "empty", "nul", "device"])
def test_what_cannot_be_read_is_our_error_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "empty":
        path.touch()
    given = {"nul": "a\x00b", "device": "/dev/zero"}.get(kind, str(path))
    with pytest.raises(VerifyError, match="asked to verify"):
        verify(given)


def test_a_link_to_a_picture_is_followed(tmp_path, sealed, trust) -> None:
    (tmp_path / "real.png").write_bytes(sealed)
    (tmp_path / "link").symlink_to(tmp_path / "real.png")
    assert verify(tmp_path / "link", trust=trust).exit_code == 0


def test_a_wrong_extension_changes_nothing(tmp_path, sealed, trust) -> None:
    (tmp_path / "x.jpg").write_bytes(sealed)
    assert verify(tmp_path / "x.jpg", trust=trust).exit_code == 0


def test_every_truncation_gets_a_verdict_that_is_not_intact(tmp_path, sealed, trust) -> None:
    for keep in [*range(1, 60), *range(60, len(sealed), 211)]:
        report = judge(tmp_path, sealed[:keep], trust=trust)
        assert report.exit_code in (3, 4), keep


HUGE = [
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR" + b"\xff" * 17 + b"\xff\xff\xff\xffcaBX" + b"x" * 99,
    b"\x89PNG\r\n\x1a\n\x7f\xff\xff\xffcaBX" + b"x" * 99,
    b"\xff\xd8\xff\xeb\xff\xffJP\x00\x01\x00\x00\x00\x01\xff\xff\xff\xffjumb" + b"x" * 99,
    b"RIFF\xff\xff\xff\xffWEBPC2PA\xff\xff\xff\xff" + b"x" * 99,
    b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1\xff\xff\xff\xffuuid" + b"x" * 99,
    b"\x00\x00\x00\x10ftypmp42\x00\x00\x00\x00\x00\x00\x00\x01uuid\x7f" + b"\xff" * 99,
    b"II*\x00\xff\xff\xff\x7f" + b"\xff" * 99,
    b"II*\x00\x08\x00\x00\x00\xff\xff" + b"\xcd\x41\x07\x00\xff\xff\xff\xff\x08\x00\x00\x00" * 9,
]


linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")


@linux
@pytest.mark.parametrize("data", HUGE)
def test_a_file_that_claims_4_gb_is_judged_in_little_memory(tmp_path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
        "from sdk.verify import verify\n"
        f"report = verify({str(tmp_path / 'x')!r})\n"
        "assert report.exit_code in (3, 4), report\n"
        "peak = [x for x in open('/proc/self/status') if x.startswith('VmHWM')][0]\n"
        "assert int(peak.split()[1]) < 200 * 1024, peak\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()


@linux
def test_verifying_imports_neither_torch_nor_numpy(tmp_path, sealed) -> None:
    (tmp_path / "x.png").write_bytes(sealed)
    code = (
        "import sdk.verify, sys\n"
        f"sdk.verify.verify({str(tmp_path / 'x.png')!r})\n"
        "heavy = {'torch', 'numpy', 'PIL', 'typer', 'rich', 'pydantic', 'diffusers'}\n"
        "peak = [x for x in open('/proc/self/status') if x.startswith('VmHWM')][0]\n"
        "kilobytes = int(peak.split()[1])\n"
        "print(sorted(heavy & set(sys.modules)), kilobytes // 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    heavy, megabytes = done.stdout.rsplit(maxsplit=1)
    assert heavy == "[]", done.stderr
    assert int(megabytes) < 100


# The public test files: a verdict for each, and the one that their names promise.

FILES = sorted((DATA / "public-testfiles" / "image" / "jpeg").glob("*.jp*g"))
needs_data = pytest.mark.skipif(not FILES, reason="the public C2PA test files are not here")


def promised(name: str) -> set[int]:
    if name.startswith(("adobe-20220124-A.", "adobe-20220124-I.")):
        return {3}
    return {4} if "-E-" in name or "CIE-" in name or "-X" in name else {4, 5}


@needs_data
def test_the_public_test_files_get_the_verdict_that_their_names_promise() -> None:
    trust = Trust(
        signers=TrustList.open(DATA / "trust" / "C2PA-TRUST-LIST.pem"),
        tsas=TrustList.open(DATA / "trust" / "C2PA-TSA-TRUST-LIST.json"),
    )
    assert trust.signers.issued.year == 2026
    for path in FILES:
        report = verify(path, trust=trust)
        jsonschema.validate(report.to_json(), SCHEMA)
        assert report.exit_code in promised(path.name), (path.name, report.headline)


@needs_data
def test_a_time_stamp_of_the_old_kind_is_not_called_trusted() -> None:
    path = next(path for path in FILES if path.name.endswith("-CA.jpg"))
    assert verify(path).axes["time"].state == "untrusted"
