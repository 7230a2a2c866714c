"""Keys outside the process: a function, and a PKCS #11 token (SoftHSM)."""

import multiprocessing
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from sample_claim import CLAIM
from shell import run

from sdk.certs import new_chain
from sdk.contract import sample
from sdk.encode import encode
from sdk.errors import PluginError, SealError
from sdk.registry import Registry

PLAIN = encode(sample(64, 64), "image/png")
MODULES = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"]
MODULE = next((m for m in MODULES if os.path.exists(m)), "")
PIN = "5678"


def make(**settings: object):
    return Registry().make("signer", "c2pa", settings)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory):
    made = new_chain(organization="Lab AI", common_name="Lab")
    folder = tmp_path_factory.mktemp("chain")
    (folder / "chain.pem").write_bytes(made.chain_pem)
    (folder / "key.pem").write_bytes(made.key_pem)
    return folder, made


def test_a_function_signs_and_is_all_that_is_needed(chain) -> None:
    folder, made = chain
    key = load_pem_private_key(made.key_pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    asked: list[int] = []

    def sign(data: bytes) -> bytes:
        asked.append(len(data))
        return key.sign(data, ec.ECDSA(hashes.SHA256()))

    part = make(certificate=str(folder / "chain.pem"), sign=sign)
    assert part.check(part.seal(PLAIN, CLAIM)).intact
    assert len(asked) == 2  # the probe, and the picture


def test_what_the_function_raised_reaches_the_user(chain) -> None:
    folder, made = chain
    key = load_pem_private_key(made.key_pem, None)
    fails: list[str] = []

    def sign(data: bytes) -> bytes:
        if fails:
            raise ConnectionError(fails[0])
        return key.sign(data, ec.ECDSA(hashes.SHA256()))

    part = make(certificate=str(folder / "chain.pem"), sign=sign)
    fails.append("quota of key 7 exceeded")
    with pytest.raises(SealError, match="quota of key 7 exceeded"):
        part.seal(PLAIN, CLAIM)
    broken = replace(CLAIM, edited=True, parent=PLAIN[:40], parent_media_type="image/png")
    with pytest.raises(SealError) as caught:  # before the function was called
        part.seal(PLAIN, broken)
    assert "quota" not in str(caught.value)
    fails.clear()
    assert part.check(part.seal(PLAIN, CLAIM)).intact


def test_a_function_with_another_key_is_found_out_at_the_start(chain) -> None:
    folder, _ = chain
    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(PluginError, match="the key is its key"):
        make(
            certificate=str(folder / "chain.pem"),
            sign=lambda data: other.sign(data, ec.ECDSA(hashes.SHA256())),
        )


@pytest.mark.parametrize(
    "settings",
    [
        {"sign": bytes},
        {"pkcs11": {"module": "x"}},
        {"certificate": "x", "key": "y", "sign": bytes},
        {"certificate": "x"},
    ],
)
def test_half_a_credential_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(PluginError, match="give `certificate` with one of"):
        make(**settings)


needs_token = pytest.mark.skipif(
    not MODULE or not shutil.which("softhsm2-util"), reason="SoftHSM is not installed"
)


@pytest.fixture(scope="module")
def token(chain, tmp_path_factory: pytest.TempPathFactory):
    """A token that holds the chain's key, not extractable; the PEM file is gone."""
    pytest.importorskip("pkcs11", reason="the hsm extra is not installed")
    _, made = chain
    place = tmp_path_factory.mktemp("token")
    (place / "tokens").mkdir()
    (place / "conf").write_text(f"directories.tokendir = {place}/tokens\nlog.level = ERROR\n")
    (place / "key.pem").write_bytes(made.key_pem)
    (place / "pin").write_text(PIN + "\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(place / "conf")
    login = ["--pin", PIN, "--so-pin", "1234"]
    util = ["softhsm2-util"]
    for words in (
        [*util, "--init-token", "--free", "--label", "lab", *login],
        [
            *util,
            "--import",
            place / "key.pem",
            "--token",
            "lab",
            "--label",
            "signing",
            "--id",
            "01",
            *login[:2],
        ],
    ):
        subprocess.run(words, check=True, capture_output=True)
    (place / "key.pem").unlink()
    yield {
        "module": MODULE,
        "token": "lab",
        "key": "signing",
        "pin_file": str(place / "pin"),
    }
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


@needs_token
def test_a_token_signs_and_its_key_never_enters_the_process(chain, token) -> None:
    folder, _ = chain
    part = make(certificate=str(folder / "chain.pem"), pkcs11=token)
    assert part.credential.key == b""
    assert part.check(part.seal(PLAIN, CLAIM)).intact


def uri(token: dict[str, str]) -> str:
    """The token's key as RFC 7512 names it."""
    return (
        f"pkcs11:token={token['token']};object={token['key']}"
        f"?module-path={token['module']}&pin-source=file:{token['pin_file']}"
    )


@needs_token
def test_a_token_is_named_by_a_uri_and_signs_requests_and_results(
    chain, token, place: Path
) -> None:
    folder, made = chain
    part = make(certificate=str(folder / "chain.pem"), key=uri(token))
    assert part.check(part.seal(PLAIN, CLAIM)).intact
    words = ("--organization", "Lab", "--name", "Lab", "--country", "DE", "--key", uri(token))
    assert run("certs", "csr", "new", *words).exit_code == 0
    request = x509.load_pem_x509_csr((place / "new/request.pem").read_bytes())
    assert request.is_signature_valid
    assert request.public_key() == x509.load_pem_x509_certificate(made.chain_pem).public_key()
    (place / "x.png").write_bytes(PLAIN)
    (place / "root.pem").write_bytes(made.root_pem)
    signing = ("--certificate", str(folder / "chain.pem"), "--key", uri(token))
    assert run("verify", "x.png", "--signed-result", "x.jws", *signing).exit_code == 3
    assert run("verify-result", "x.jws", "--trust", "root.pem").exit_code == 0


@needs_token
def test_eight_threads_take_turns_at_the_token(chain, token) -> None:
    folder, _ = chain
    part = make(certificate=str(folder / "chain.pem"), pkcs11=token)
    with ThreadPoolExecutor(8) as pool:
        sealed = list(pool.map(lambda _: part.seal(PLAIN, CLAIM), range(40)))
    assert all(part.check(data).intact for data in sealed)


@needs_token
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"key": "ghost"}, "NoSuchKey"),
        ({"token": "ghost"}, "NoSuchToken"),
        ({"pin_file": "/nowhere"}, "nowhere"),
    ],
)
def test_what_the_token_says_reaches_the_user(chain, token, change, says: str) -> None:
    folder, _ = chain
    with pytest.raises(PluginError, match=says):
        make(certificate=str(folder / "chain.pem"), pkcs11=token | change)


@needs_token
def test_a_wrong_pin_is_said(chain, token, tmp_path: Path) -> None:
    folder, _ = chain
    (tmp_path / "pin").write_text("0000")
    settings = token | {"pin_file": str(tmp_path / "pin")}
    code = (
        "from sdk import Registry\n"
        f"settings = {{'certificate': {str(folder / 'chain.pem')!r}, 'pkcs11': {settings!r}}}\n"
        "Registry().make('signer', 'c2pa', settings)\n"
    )  # a process of its own: a login counts for the whole process
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "PinIncorrect" in done.stderr


def test_a_setting_of_the_token_that_is_missing_or_unknown_is_said(chain) -> None:
    folder, _ = chain
    with pytest.raises(PluginError, match="pin_file"):
        make(certificate=str(folder / "chain.pem"), pkcs11={"module": "x"})


def _sign_in_child(part, queue) -> None:
    queue.put(part.check(part.seal(PLAIN, CLAIM)).intact)


@needs_token
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_worker_logs_in_by_itself(chain, token) -> None:
    folder, _ = chain
    part = make(certificate=str(folder / "chain.pem"), pkcs11=token)
    part.seal(PLAIN, CLAIM)
    fork = multiprocessing.get_context("fork")
    queue = fork.Queue()
    worker = fork.Process(target=_sign_in_child, args=(part, queue))
    worker.start()
    assert queue.get(timeout=30)
    worker.join(30)
    assert worker.exitcode == 0
    assert part.check(part.seal(PLAIN, CLAIM)).intact
