"""Whose name is on a file: CAWG identities, judged by a list of their own."""

from __future__ import annotations

import ctypes
import io
import json
from pathlib import Path

import c2pa
import pytest
from c2pa import c2pa as binding
from shell import run

from sdk.axes_identity import UNTRUSTED
from sdk.certs import NewChain, new_chain
from sdk.contract import sample
from sdk.encode import encode
from sdk.explain import table
from sdk.trust import Trust, TrustList
from sdk.verify import verify

SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"


def named(signer: NewChain, person: NewChain) -> bytes:
    """Sign a PNG with an identity; the Python binding offers no call for it, its library does."""
    pair = [
        c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", who.chain_pem, who.key_pem, None))
        for who in (signer, person)
    ]
    create = binding._lib.c2pa_identity_signer_create
    create.restype = ctypes.POINTER(binding.C2paSigner)
    texts = ctypes.POINTER(ctypes.c_char_p)
    create.argtypes = [ctypes.c_void_p, ctypes.c_void_p, texts, texts]
    refs = (ctypes.c_char_p * 2)(b"c2pa.actions.v2", None)
    roles = (ctypes.c_char_p * 2)(b"cawg.creator", None)
    handle = create(pair[0]._handle, pair[1]._handle, refs, roles)
    for consumed in pair:
        consumed._teardown(free_handle=False)
    both = c2pa.Signer._wrap_native_handle(handle)
    action = {"action": "c2pa.created", "digitalSourceType": SOURCE}
    actions = {"label": "c2pa.actions.v2", "created": True, "data": {"actions": [action]}}
    manifest = {
        "claim_generator_info": [{"name": "other", "version": "1"}],
        "assertions": [actions],
    }
    plain = {"version": 1, "builder": {"thumbnail": {"enabled": False}}}
    out, picture = io.BytesIO(), io.BytesIO(encode(sample(32, 24), "image/png"))
    builder = c2pa.Builder(json.dumps(manifest), context=c2pa.Context.from_dict(plain))
    builder.sign(both, "image/png", picture, out)
    return out.getvalue()


@pytest.fixture(scope="module")
def lab() -> NewChain:
    return new_chain(organization="Lab AI", common_name="Lab SDK")


@pytest.fixture(scope="module")
def anna() -> NewChain:
    return new_chain(organization="Anna Press", common_name="Anna")


@pytest.fixture
def path(tmp_path: Path, lab: NewChain, anna: NewChain) -> Path:
    (tmp_path / "x.png").write_bytes(named(lab, anna))
    return tmp_path / "x.png"


def listed(chain: NewChain) -> TrustList:
    return TrustList(name="list.pem", pem=chain.root_pem, count=1)


def test_an_identity_nobody_was_asked_about_is_unchecked_and_no_change(path, lab) -> None:
    report = verify(path, trust=Trust(signers=listed(lab)))
    axis = report.axes["identity"]
    assert (report.exit_code, axis.state) == (0, "unchecked")
    assert axis.more["names"] == ["Anna Press / Anna"]
    assert axis.more["roles"] == ["cawg.creator"]


def test_an_identity_is_trusted_by_its_own_list_alone(path, lab, anna) -> None:
    report = verify(path, trust=Trust(signers=listed(lab), identities=listed(anna)))
    assert report.axes["identity"].state == "trusted"
    assert (report.exit_code, report.axes["signer"].state) == (0, "trusted")
    other = verify(path, trust=Trust(signers=listed(lab), identities=listed(lab)))
    assert (other.exit_code, other.axes["identity"].state) == (0, "untrusted")


def test_a_root_for_identities_vouches_for_no_signer_and_the_other_way(path, lab, anna) -> None:
    report = verify(path, trust=Trust(signers=listed(anna), identities=listed(lab)))
    assert report.axes["signer"].state == "untrusted"
    assert report.axes["identity"].state == "untrusted"
    assert verify(path, trust=Trust(identities=listed(lab))).axes["signer"].state == "unchecked"
    signers = verify(path, trust=Trust(signers=listed(anna)))
    assert signers.axes["identity"].state == "unchecked"


def test_an_identity_whose_signature_does_not_fit_is_invalid(path, lab, anna) -> None:
    """c2pa-rs sees the changed assertion first; then nothing of the manifest counts."""
    data = path.read_bytes()
    at = data.index(b"cawg.creator")
    path.write_bytes(data[:at] + b"cawg.creatoR" + data[at + 12 :])
    report = verify(path, trust=Trust(signers=listed(lab), identities=listed(anna)))
    assert report.exit_code == 4
    assert report.axes["integrity"].state == "manifest-changed"
    assert report.axes["identity"].state != "trusted"


def test_what_only_says_that_nobody_vouches_is_explained(path) -> None:
    assert table().keys() >= UNTRUSTED


def test_the_command_takes_the_list(place: Path, lab, anna) -> None:
    Path("x.png").write_bytes(named(lab, anna))
    Path("lab.pem").write_bytes(lab.root_pem)
    Path("anna.pem").write_bytes(anna.root_pem)
    words = ["verify", "x.png", "--no-pixels", "--trust", "lab.pem", "--cawg-trust", "anna.pem"]
    done = run(*words)
    assert done.exit_code == 0, done.stdout
    assert "Anna Press / Anna is vouched for by anna.pem" in done.stdout
    assert "cawg.x509.credential.trusted" in run(*words, "--format", "crjson").stdout
    swapped = [*words[:3], "--trust", "anna.pem", "--cawg-trust", "lab.pem"]
    assert '"signingCredential.trusted"' not in run(*swapped, "--format", "crjson").stdout
