"""Signatures over folders: what they see, and whom one believes."""

import base64
import json

import pytest

from sdk.attest import SIGNATURE, check_folder, is_development, sign_folder
from sdk.certs import new_chain
from sdk.errors import SealError, VerifyError
from sdk.keys import SigningCredential


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "model"
    (made / "unet").mkdir(parents=True)
    (made / "unet" / "weights.safetensors").write_bytes(b"weights")
    (made / "model-card.json").write_text("{}")
    return made


def credential(alg="es256"):
    chain = new_chain(organization="Lab", common_name="Lab models", alg=alg)
    return SigningCredential.make(chain.chain_pem, chain.key_pem), chain.root_pem


@pytest.mark.parametrize("alg", ["es256", "es384", "ps256", "ed25519"])
def test_what_is_signed_checks_out(folder, alg):
    signer, root = credential(alg)
    sign_folder(folder, signer)
    found = check_folder(folder, root)
    assert found.intact, found.problems
    assert found.files == 2
    assert "Lab models" in found.signer
    assert found.trusted is (alg != "ed25519")  # cryptography validates no chains of Ed25519


def test_a_root_of_somebody_else_trusts_nobody(folder):
    sign_folder(folder, credential()[0])
    other = credential()[1]
    assert not check_folder(folder, other).trusted
    assert not check_folder(folder).trusted


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda f: (f / "model-card.json").write_text("{ }"), "model-card.json was changed"),
        (lambda f: (f / "model-card.json").unlink(), "model-card.json is missing"),
        (lambda f: (f / "more.pt").write_text("x"), "more.pt was not signed"),
        (lambda f: (f / ".hidden").write_text("x"), ".hidden was not signed"),
    ],
)
def test_every_change_of_a_file_is_seen(folder, change, problem):
    sign_folder(folder, credential()[0])
    change(folder)
    assert check_folder(folder).problems == (problem,)


def forge(folder, **changes):
    """Change the signed payload and keep everything else of the bundle."""
    path = folder / SIGNATURE
    bundle = json.loads(path.read_text())
    payload = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    payload.update(changes)
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()
    path.write_text(json.dumps(bundle))


def test_a_payload_that_was_not_signed_counts_for_nothing(folder):
    sign_folder(folder, credential()[0])
    forge(folder, predicate={"resources": []})
    found = check_folder(folder)
    assert not found.intact
    assert found.signer == ""


def test_a_certificate_that_was_exchanged_is_seen(folder):
    sign_folder(folder, credential()[0])
    mine = (folder / SIGNATURE).read_text()
    sign_folder(folder, credential()[0])
    theirs = json.loads((folder / SIGNATURE).read_text())
    theirs["verificationMaterial"] = json.loads(mine)["verificationMaterial"]
    (folder / SIGNATURE).write_text(json.dumps(theirs))
    assert not check_folder(folder).intact


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"verificationMaterial": 3}', "\xff"])
def test_rubbish_is_an_error_and_no_verdict(folder, text):
    (folder / SIGNATURE).write_text(text, encoding="latin-1")
    with pytest.raises(VerifyError, match="get the folder again"):
        check_folder(folder)


def test_no_signature_is_an_error(folder):
    with pytest.raises(VerifyError, match="found no model"):
        check_folder(folder)


def test_links_and_empty_folders_are_not_signed(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SealError, match="found no file"):
        sign_folder(tmp_path / "empty", credential()[0])
    (folder / "link").symlink_to("model-card.json")
    with pytest.raises(SealError, match="found the link link"):
        sign_folder(folder, credential()[0])


def test_a_development_certificate_is_named_as_one(folder, tmp_path):
    sign_folder(folder, SigningCredential.development(tmp_path / "home"))
    assert is_development(check_folder(folder))


@pytest.mark.slow
def test_the_reference_implementation_agrees(folder, tmp_path):
    """pip install model-signing pyopenssl: the OpenSSF's own verifier."""
    verifying = pytest.importorskip("model_signing.verifying", reason="pip install model-signing")
    signer, root = credential()
    sign_folder(folder, signer)
    (tmp_path / "root.pem").write_bytes(root)
    config = verifying.Config().use_certificate_verifier(certificate_chains=[tmp_path / "root.pem"])
    config.verify(folder, folder / SIGNATURE)
    (folder / "model-card.json").write_text("{ }")
    with pytest.raises(ValueError):
        config.verify(folder, folder / SIGNATURE)
