"""A signed detection result: what it states, and that nobody can change or borrow it."""

from __future__ import annotations

import base64
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from local_tsa import Authority
from shell import run

import sdk
from sdk.batch.asked import Asked
from sdk.batch.examiner import Examiner
from sdk.certs import new_chain
from sdk.contract import sample
from sdk.detection.jws import Changed, checked, signature_of, signed, stamped
from sdk.encode import encode
from sdk.errors import SealError, VerifyError
from sdk.keys import SigningCredential

SCHEMA = json.loads(
    (Path(sdk.__file__).parent / "schemas" / "detection-result-1.json").read_text("utf-8")
)
STATEMENT = {"schema": "x", "content": {"sha256": "ab" * 32}}


@pytest.fixture(scope="module")
def chain():
    return new_chain(organization="Lab AI", common_name="Detector", days=2)


@pytest.fixture(scope="module")
def document(chain) -> dict:
    return signed(STATEMENT, SigningCredential.make(chain.chain_pem, chain.key_pem))


def roots(chain) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(chain.root_pem)


@pytest.mark.parametrize("alg", ["es256", "es384", "es512", "ps256", "ed25519"])
def test_every_algorithm_signs_and_is_checked(alg: str) -> None:
    own = new_chain(organization="Lab", common_name="Lab", days=2, alg=alg)
    made = signed(STATEMENT, SigningCredential.make(own.chain_pem, own.key_pem))
    found = checked(json.dumps(made))
    assert found.statement == STATEMENT
    assert found.leads_to(roots(own))
    assert found.valid_at(datetime.now(UTC))
    assert not found.valid_at(datetime.now(UTC) + timedelta(days=3))
    signature = signature_of(made)
    for at in (0, len(signature) // 2, len(signature) - 1):
        bad = signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :]
        text = base64.urlsafe_b64encode(bad).rstrip(b"=").decode()
        with pytest.raises(Changed):
            checked(json.dumps({**made, "signature": text}))


@pytest.mark.parametrize("part", ["protected", "payload", "signature"])
def test_no_part_can_be_changed(document: dict, part: str) -> None:
    text = document[part]
    for at in range(0, len(text), 97):
        swapped = "A" if text[at] != "A" else "B"
        changed = {**document, part: text[:at] + swapped + text[at + 1 :]}
        with pytest.raises(VerifyError):
            checked(json.dumps(changed))


def header(document: dict, **changes: object) -> dict:
    found = json.loads(base64.urlsafe_b64decode(document["protected"] + "=="))
    text = json.dumps({**found, **changes}).encode()
    return {**document, "protected": base64.urlsafe_b64encode(text).rstrip(b"=").decode()}


@pytest.mark.parametrize(
    "changes",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "ES384"},
        {"typ": "JWT"},
        {"crit": ["x"]},
        {"x5c": []},
        {"x5c": ["!"]},
        {"x5c": 5},
    ],
)
def test_another_header_makes_it_no_result(document: dict, changes: dict) -> None:
    with pytest.raises(VerifyError):
        checked(json.dumps(header(document, **changes)))


def test_only_a_chain_that_leads_to_a_root_is_trusted(chain, document) -> None:
    other = new_chain(organization="Other", common_name="Other", days=2)
    found = checked(json.dumps(document))
    assert found.leads_to(roots(chain))
    assert not found.leads_to(roots(other))
    assert not found.leads_to([])
    leaf = x509.load_pem_x509_certificates(other.chain_pem)[0]
    assert not found.leads_to([leaf]), "a leaf issues nothing"


def test_a_key_that_lies_elsewhere_signs_and_another_key_does_not(chain) -> None:
    own = SigningCredential.make(chain.chain_pem, chain.key_pem)
    elsewhere = SigningCredential.outside(chain.chain_pem, own.sign)
    assert checked(json.dumps(signed(STATEMENT, elsewhere))).statement == STATEMENT
    other = new_chain(organization="Lab", common_name="Other")
    wrong = SigningCredential.make(other.chain_pem, other.key_pem)
    with pytest.raises(SealError, match="by another key"):
        signed(STATEMENT, SigningCredential.outside(chain.chain_pem, wrong.sign))


@given(st.text(max_size=80) | st.dictionaries(st.text(max_size=9), st.integers()).map(json.dumps))
def test_any_other_text_is_our_error(text: str) -> None:
    with pytest.raises(VerifyError, match="signed result"):
        checked(text)


def test_a_statement_says_what_looked_and_fits_the_published_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "x.png").write_bytes(encode(sample(64, 64), "image/png"))
    with Examiner.open(Asked(rules=("ai=generated",))) as examiner:
        outcome = examiner.examine(str(tmp_path / "x.png"))
        statement = examiner.statement(outcome.report)
    jsonschema.validate(statement, SCHEMA)
    techniques = {entry["technique"]: entry for entry in statement["techniques"]}
    assert techniques["watermark"]["result"] == "absent"
    assert techniques["watermark"]["sha256"]
    assert techniques["signed manifest (C2PA)"]["version"].startswith("0.")
    assert statement["verdict"]["exit_code"] == 6
    assert "x.png" not in json.dumps(statement), "no file name is in it"


# From the shell.


@pytest.fixture
def own(place: Path) -> list[str]:
    Path("a.png").write_bytes(encode(sample(64, 64), "image/png"))
    assert run("certs", "init", "own", "--organization", "Lab", "--name", "Lab").exit_code == 0
    return ["--certificate", "own/chain.pem", "--key", "own/key.pem"]


def test_a_result_is_written_signed_and_checked_offline(own: list[str]) -> None:
    assert run("verify", "a.png", "--signed-result", "r.json", *own).exit_code == 3
    done = run("verify-result", "r.json", "--trust", "own/root.pem", "--file", "a.png")
    assert done.exit_code == 0, done.stderr
    assert "Signed by CN=Lab,O=Lab (trusted)" in done.stdout
    assert "No Content Credentials" in done.stdout
    assert run("verify-result", "r.json").exit_code == 5
    Path("b.png").write_bytes(encode(sample(64, 64, 1), "image/png"))
    other = run("verify-result", "r.json", "--trust", "own/root.pem", "--file", "b.png")
    assert (other.exit_code, "another file" in other.stdout) == (4, True)
    late = run("verify-result", "r.json", "--trust", "own/root.pem", "--at", "2099-01-01T00:00:00Z")
    assert (late.exit_code, "was not valid" in late.stdout) == (5, True)
    answer = json.loads(run("verify-result", "r.json", "--json").stdout)
    assert answer["statement"]["verdict"]["exit_code"] == 3
    document = json.loads(Path("r.json").read_text())
    payload = base64.urlsafe_b64decode(document["payload"] + "==")
    forged = payload.replace(b'"exit_code":3', b'"exit_code":0')
    document["payload"] = base64.urlsafe_b64encode(forged).rstrip(b"=").decode()
    Path("r.json").write_text(json.dumps(document))
    assert run("verify-result", "r.json", "--trust", "own/root.pem").exit_code == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.png", "--signed-result", "a.png"], "name a new file"),
        (["a.png", "--signed-result", "r.json", "--key", "own/key.pem"], "half a credential"),
        (["a.png", "a.png", "--signed-result", "r.json"], "several files"),
    ],
)
def test_who_asks_wrongly_for_a_result_is_told(own: list[str], words: list, said: str) -> None:
    done = run("verify", *words)
    assert done.exit_code in (1, 2)
    assert said in done.stderr
    assert not Path("r.json").exists()


def test_without_a_certificate_the_result_says_untrusted_development(own: list[str]) -> None:
    done = run("verify", "a.png", "--signed-result", "r.json", "--no-pixels")
    assert "UNTRUSTED development certificate" in done.stderr
    assert "UNTRUSTED development" in run("verify-result", "r.json").stdout


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_time_stamp_keeps_a_result_past_its_certificate(own: list[str], place: Path) -> None:
    pytest.importorskip("rfc3161_client", reason="the extra `timestamp` is not installed")
    (place / "tsa").mkdir()
    authority = Authority(place / "tsa")
    config = (place / "tsa" / "tsa.cnf").read_text()  # openssl does not sort a set of certificates
    (place / "tsa" / "tsa.cnf").write_text(config.replace("certs =", "#"))
    try:
        words = ["--signed-result", "r.json", "--timestamp-url", authority.url, "--no-pixels"]
        done = run("verify", "a.png", *words, *own)
        assert done.exit_code == 3, done.stderr
    finally:
        authority.close()
    Path("tsa.pem").write_bytes(authority.root_pem)
    asked = ["verify-result", "r.json", "--trust", "own/root.pem", "--at", "2099-01-01T00:00:00Z"]
    assert run(*asked).exit_code == 5
    done = run(*asked, "--tsa-trust", "tsa.pem")
    assert done.exit_code == 0, done.stdout
    assert "time-stamp  20" in done.stdout
    foreign = run(*asked, "--tsa-trust", "own/root.pem")
    assert (foreign.exit_code, "not trusted" in foreign.stdout) == (5, True)
    document = json.loads(Path("r.json").read_text())
    moved = stamped(document, base64.b64decode(document["header"]["sigTst"])[:-9])
    Path("r.json").write_text(json.dumps(moved))
    assert run(*asked, "--tsa-trust", "tsa.pem").exit_code == 5


def test_an_authority_that_is_not_there_gives_no_result(own: list[str]) -> None:
    pytest.importorskip("rfc3161_client", reason="the extra `timestamp` is not installed")
    for url, said in (("http://127.0.0.1:9/", "try again"), ("file:///etc/passwd", "give http")):
        words = ["--signed-result", "r.json", "--timestamp-url", url, "--no-pixels"]
        done = run("verify", "a.png", *words, *own)
        assert done.exit_code == 1
        assert said in done.stderr
        assert not Path("r.json").exists()
