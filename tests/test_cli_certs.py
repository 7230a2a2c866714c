"""`sdk certs` from the shell."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from cryptography import x509
from shell import run

from sdk.certs import C2PA_CLAIM_SIGNING
from sdk.keys import SigningCredential


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


def test_a_request_asks_for_the_profile_of_the_programme(place: Path) -> None:
    words = ("--organization", "Lab AI", "--name", "Lab SDK", "--country", "DE")
    assert run("certs", "csr", "new", *words).exit_code == 0
    request = x509.load_pem_x509_csr(Path("new/request.pem").read_bytes())
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=Lab SDK,O=Lab AI,C=DE"
    usages = request.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert C2PA_CLAIM_SIGNING in usages


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("certs", "init", "x", "--organization", "", "--name", "Lab"), "names"),
        (("certs", "init", "x", "--organization", "L", "--name", "L", "--alg", "rsa"), "es256"),
        (("certs", "csr", "x", "--organization", "L", "--name", "L", "--country", "X1Y"), "two"),
        (("certs", "doctor", "nowhere.pem"), "nowhere"),
        (("certs", "doctor", "."), "directory"),
    ],
)
def test_what_cannot_be_done_is_said(place: Path, words: tuple[str, ...], says: str) -> None:
    done = run(*words)
    assert done.exit_code == 1
    assert says in done.stderr.lower()
