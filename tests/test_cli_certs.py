"""`sdk certs` from the shell."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from cryptography import x509
from shell import run

from sdk.certs import C2PA_CLAIM_SIGNING, EMAIL
from sdk.keys import SigningCredential

CSR = ("certs", "csr", "x", "--organization", "L", "--name", "L")


def test_init_makes_a_chain_that_signs_and_that_the_doctor_likes(place: Path) -> None:
    done = run("certs", "init", "own", "--organization", "Lab AI", "--name", "Lab SDK")
    assert done.exit_code == 0
    credential = SigningCredential.open("own/chain.pem", "own/key.pem")
    assert credential.subject == "CN=Lab SDK,O=Lab AI"
    if os.name == "posix":
        assert stat.S_IMODE(Path("own/key.pem").stat().st_mode) == 0o600
    checked = run("certs", "doctor", "own/chain.pem")
    assert checked.exit_code == 0
    assert "accepts" in checked.stdout


def test_init_never_overwrites(place: Path) -> None:
    words = ("certs", "init", "own", "--organization", "Lab", "--name", "Lab")
    assert run(*words).exit_code == 0
    before = Path("own/key.pem").read_bytes()
    done = run(*words)
    assert done.exit_code == 1
    assert "never overwritten" in done.stderr
    assert Path("own/key.pem").read_bytes() == before


def test_the_doctor_names_what_is_wrong_and_exits_with_6(place: Path) -> None:
    run("certs", "init", "own", "--organization", "Lab", "--name", "Lab")
    chain = Path("own/root.pem")  # a CA is no signer
    done = run("certs", "doctor", str(chain), "--json")
    answer = json.loads(done.stdout)
    assert done.exit_code == 6
    assert not answer["usable"]
    assert "basicConstraints" in {c["part"] for c in answer["complaints"]}
    assert "wrong" in run("certs", "doctor", str(chain)).stdout


@pytest.mark.parametrize("level", [1, 2])
def test_a_request_asks_for_the_profile_of_the_programme(place: Path, level: int) -> None:
    """Certificate Policy 0.2 of the conformance programme, profile of the claim signing leaf."""
    record = "0f8fad5b-d9cb-469f-a165-70867728950e"
    words = ("--organization", "Lab AI", "--name", "Lab SDK", "--country", "DE")
    more = ("--level", str(level), "--record", record)
    assert run("certs", "csr", "new", *words, *more).exit_code == 0
    request = x509.load_pem_x509_csr(Path("new/request.pem").read_bytes())
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=Lab SDK,O=Lab AI,C=DE"
    asked = {extension.oid.dotted_string: extension for extension in request.extensions}
    usage = asked["2.5.29.15"]
    assert (usage.critical, usage.value.digital_signature) == (True, True)
    assert usage.value.content_commitment
    assert (asked["2.5.29.19"].critical, asked["2.5.29.19"].value.ca) == (True, False)
    assert set(asked["2.5.29.37"].value) == {C2PA_CLAIM_SIGNING, EMAIL}
    policies = [policy.policy_identifier.dotted_string for policy in asked["2.5.29.32"].value]
    assert policies == ["1.3.6.1.4.1.62558.1.1"]
    assert asked["1.3.6.1.4.1.62558.4"].value.value == b"\x0c\x24" + record.encode()
    own = asked["1.3.6.1.4.1.62558.3"]
    last = bytes([10 * level])
    assert (own.critical, own.value.value) == (
        False,
        bytes.fromhex("060a2b0601040183e85e03") + last,
    )


def test_a_request_without_a_record_says_so(place: Path) -> None:
    words = ("--organization", "Lab AI", "--name", "Lab SDK", "--country", "DE")
    done = run("certs", "csr", "new", *words)
    assert (done.exit_code, "--record" in done.stderr) == (0, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("certs", "init", "x", "--organization", "", "--name", "Lab"), "names"),
        (("certs", "init", "x", "--organization", "L", "--name", "L", "--alg", "rsa"), "es256"),
        ((*CSR, "--country", "X1Y"), "two"),
        ((*CSR, "--country", "DE", "--level", "3"), "level 3"),
        ((*CSR, "--country", "DE", "--record", "12"), "uuid"),
        (("certs", "csr", "x", "--organization", "Ü", "--name", "L", "--country", "DE"), "ascii"),
        (("certs", "doctor", "nowhere.pem"), "nowhere"),
        (("certs", "doctor", "."), "directory"),
    ],
)
def test_what_cannot_be_done_is_said(place: Path, words: tuple[str, ...], says: str) -> None:
    done = run(*words)
    assert done.exit_code == 1
    assert says in done.stderr.lower()
