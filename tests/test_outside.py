"""Keys that lie elsewhere: in AWS KMS (moto, on loopback), and what their URIs may say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sample_claim import CLAIM
from shell import run

from sdk.contract import sample
from sdk.encode import encode
from sdk.errors import PluginError, SealError
from sdk.keys import SigningCredential
from sdk.kms import KmsKey
from sdk.outside import is_outside, open_key
from sdk.registry import Registry
from sdk.trust import Trust, TrustList
from sdk.verify import verify

pytest.importorskip("boto3", reason="the kms extra is not installed")
pytest.importorskip("moto.server", reason="moto's server is not installed")
from local_kms import Kms, Refusing, sign_elliptic, sign_rsa

PLAIN = encode(sample(64, 64), "image/png")
SPECS = {"ECC_NIST_P256": "es256", "ECC_NIST_P384": "es384", "RSA_2048": "ps256"}


@pytest.fixture(autouse=True)
def _identity(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("moto.kms.utils.ECDSAPrivateKey.sign", sign_elliptic)
    monkeypatch.setattr("moto.kms.utils.RSAPrivateKey.sign", sign_rsa)


@pytest.fixture(scope="module")
def kms() -> Iterator[Kms]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        made = Kms()
    yield made
    made.close()


def certify(folder: Path, uri: str) -> Path:
    names = ("--organization", "Lab AI", "--name", "Lab SDK")
    done = run("certs", "init", str(folder), *names, "--key", uri)
    assert done.exit_code == 0, done.stderr
    return folder / "chain.pem"


def make(chain: Path, uri: str):
    return Registry().make("signer", "c2pa", {"certificate": str(chain), "key": uri})


@pytest.mark.parametrize("spec", SPECS)
def test_a_picture_is_signed_by_a_key_that_never_leaves_the_service(
    place: Path, kms: Kms, spec: str
) -> None:
    uri = kms.uri(kms.key(spec))
    chain = certify(place / "own", uri)
    part = make(chain, uri)
    assert (part.credential.alg, part.credential.key) == (SPECS[spec], b"")
    assert not (place / "own/key.pem").exists()
    (place / "x.png").write_bytes(part.seal(PLAIN, CLAIM))
    report = verify(place / "x.png", trust=Trust(signers=TrustList.open(place / "own/root.pem")))
    assert (report.exit_code, report.axes["signer"].state) == (0, "trusted")


def test_a_key_is_found_by_alias_and_by_arn(place: Path, kms: Kms) -> None:
    key = kms.key("ECC_NIST_P256")
    kms.client.create_alias(AliasName="alias/signing", TargetKeyId=key)
    arn = kms.client.describe_key(KeyId=key)["KeyMetadata"]["Arn"]
    chain = certify(place / "own", kms.uri("alias/signing"))
    part = make(chain, f"awskms://{kms.place}/{arn}")  # the region is that of the ARN
    assert part.check(part.seal(PLAIN, CLAIM)).intact


def test_threads_share_the_service(place: Path, kms: Kms) -> None:
    uri = kms.uri(kms.key("ECC_NIST_P256"))
    part = make(certify(place / "own", uri), uri)
    with ThreadPoolExecutor(4) as pool:
        sealed = list(pool.map(lambda _: part.seal(PLAIN, CLAIM), range(8)))
    assert all(part.check(data).intact for data in sealed)


@pytest.mark.parametrize("spec", SPECS)
def test_a_request_is_signed_by_the_key_it_is_for(place: Path, kms: Kms, spec: str) -> None:
    key = kms.key(spec)
    words = ("--organization", "Lab AI", "--name", "Lab SDK", "--country", "DE")
    done = run("certs", "csr", "new", *words, "--key", kms.uri(key), "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["files"] == ["request.pem"]
    request = x509.load_pem_x509_csr(Path("new/request.pem").read_bytes())
    assert request.is_signature_valid
    shown = kms.client.get_public_key(KeyId=key)["PublicKey"]
    kind = rsa.RSAPublicKey if spec == "RSA_2048" else ec.EllipticCurvePublicKey
    assert isinstance(request.public_key(), kind)
    assert open_key(kms.uri(key)).public_key() == request.public_key()
    assert shown


@pytest.mark.parametrize("spec", ["ECC_NIST_P384", "RSA_2048"])
def test_a_detection_result_is_signed_by_the_service(place: Path, kms: Kms, spec: str) -> None:
    """It is longer than what KMS hashes itself, so it goes there as a digest."""
    uri = kms.uri(kms.key(spec))
    chain = certify(place / "own", uri)
    (place / "x.png").write_bytes(PLAIN)
    signing = ("--certificate", str(chain), "--key", uri)
    done = run("verify", "x.png", "--signed-result", "x.jws", *signing)
    assert done.exit_code == 3, done.stderr
    checked = run("verify-result", "x.jws", "--file", "x.png", "--trust", "own/root.pem")
    assert checked.exit_code == 0, checked.stdout


def test_another_key_than_the_certificates_is_found_out(place: Path, kms: Kms) -> None:
    chain = certify(place / "own", kms.uri(kms.key("ECC_NIST_P256")))
    other = kms.uri(kms.key("ECC_NIST_P256"))
    with pytest.raises(PluginError, match="by another key"):
        make(chain, other)
    with pytest.raises(SealError, match="by another key"):
        SigningCredential.open(chain, other).sign(b"x")


def test_what_the_service_says_of_a_key_reaches_the_user(place: Path, kms: Kms) -> None:
    key = kms.key("ECC_NIST_P256")
    chain = certify(place / "own", kms.uri(key))
    part = make(chain, kms.uri(key))
    with pytest.raises(PluginError, match=r"NotFoundException.*check the key.s id"):
        make(chain, kms.uri("alias/ghost"))
    with pytest.raises(PluginError, match=r"ECDSA_SHA_256.*SIGN_VERIFY"):
        make(chain, kms.uri(kms.key("RSA_2048")))
    with pytest.raises(PluginError, match="SIGN_VERIFY"):
        make(chain, kms.uri(kms.key("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")))
    assert part.check(part.seal(PLAIN, CLAIM)).intact


@pytest.mark.parametrize(
    ("code", "do", "attempts"),
    [
        ("AccessDeniedException", "allow this identity kms:Sign", 1),
        ("ThrottlingException", "raised", 4),
        ("DisabledException", "enable the key", 1),  # moto signs with a disabled key
        ("KMSInvalidStateException", "look at its state", 1),
        ("UnrecognizedClientException", "check credentials", 1),
    ],
)
def test_a_refusal_says_who_refused_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, code: str, do: str, attempts: int
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)  # between attempts
    service = Refusing(code, "User: a\x1b[31mb is not who they say")
    try:
        with pytest.raises(SealError) as caught:
            open_key(f"awskms://{service.place}/alias/a?region=eu-central-1").sign(b"x", "es256")
    finally:
        service.close()
    said = str(caught.value)
    assert said.startswith("asked AWS KMS key alias/a to sign with es256, found ")
    assert f"{code}: User: a" in said
    assert do in said
    assert "\x1b" not in said
    assert service.asked == attempts


def test_a_service_that_does_not_answer_and_a_missing_region_are_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(SealError, match=r"127\.0\.0\.1:9/.*check credentials, region and network"):
        open_key("awskms://127.0.0.1:9/alias/a?region=eu-central-1").public_key()
    with pytest.raises(SealError, match="region"):
        open_key("awskms:///alias/a").sign(b"x", "es256")


@pytest.mark.parametrize(
    "uri",
    [
        "awskms://",
        "awskms:///",
        "awskms:///a?regoin=x",
        "awskms://[::1/a",
        "awskms://user:secret@host/a",
        "pkcs11:",
        "pkcs11:token=a;object=b?module-path=c",
        "pkcs11:token=a;object=b?module-path=c&pin-source=file:d&pin-value=1",
        "gcpkms://x",
        "key.pem",
    ],
)
def test_a_uri_that_names_no_key_is_refused(uri: str) -> None:
    with pytest.raises(SealError, match="; give ") as caught:
        open_key(uri)
    assert "secret" not in str(caught.value)


def test_a_key_of_a_kind_that_c2pa_does_not_know_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KmsKey, "_ask", lambda *_: {"PublicKey": b"no key"})
    with pytest.raises(SealError, match="give one on P-256"):
        open_key("awskms:///alias/a").public_key()


def test_a_path_is_no_uri() -> None:
    assert not is_outside(Path("awskms:/x"))
    assert not is_outside("keys/pkcs11.pem")
    assert is_outside("pkcs11:token=a")


def test_an_algorithm_that_the_service_has_not_is_said() -> None:
    with pytest.raises(SealError, match="ps256"):
        open_key("awskms:///alias/a").sign(b"x", "ed25519")
