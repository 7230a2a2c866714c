"""The signer: every field of a claim is in the manifest, and nothing can be changed unseen."""

import base64
import io
import json
import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sample_claim import FULL

from sdk.certs import new_chain
from sdk.contract import check_signer, sample
from sdk.encode import SUFFIXES, decode, encode
from sdk.errors import PluginError, SealError
from sdk.manifests import State, as_object, read_manifests
from sdk.registry import Registry
from sdk.types import Claim
from sdk.xmp import EDITED, GENERATED, xmp_packet

XMP = xmp_packet(digital_source_type=GENERATED, ai_system="starter", ai_system_version="1")
PROMPT = "a very secret prompt"
ALG = "io.github.responsible-generation-sdk.tile.1"
CLAIM = replace(
    FULL,
    model=replace(FULL.model, version="1.2", source="hub/starter"),
    soft_binding_alg=ALG,
    soft_binding_value=bytes(range(8)),
    actions=("c2pa.resized",),
    evidence={"policy": "cd" * 32, "controls": ["clip"], "verdicts": {"sexual": 0.25}},
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def part(home: Path):
    return Registry().make("signer", "c2pa", {"home": str(home)})


def picture(media_type: str = "image/png", seed: int = 0) -> bytes:
    return encode(sample(96, 64, seed), media_type, xmp=XMP)


def edited(parent: bytes, media_type: str = "image/png") -> Claim:
    return replace(
        CLAIM,
        edited=True,
        digital_source_type=EDITED,
        parent=parent,
        parent_media_type=media_type,
    )


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_the_signer_keeps_the_contract(home: Path) -> None:
    check_signer("c2pa", {"home": str(home)}, CLAIM)


@pytest.mark.parametrize("media_type", SUFFIXES)
def test_every_format_is_signed_verified_and_keeps_pixels_and_metadata(part, media_type) -> None:
    plain = picture(media_type)
    sealed = part.seal(plain, replace(CLAIM, media_type=media_type))
    seal = part.check(sealed)
    assert seal.intact
    assert seal.manifest.startswith("urn:c2pa:")
    assert seal.soft_binding_value == CLAIM.soft_binding_value
    assert np.array_equal(decode(sealed), decode(plain))
    assert XMP in sealed


@pytest.mark.parametrize("media_type", SUFFIXES)
def test_a_changed_bit_of_the_picture_is_seen_in_every_format(part, media_type) -> None:
    plain = picture(media_type)
    sealed = part.seal(plain, replace(CLAIM, media_type=media_type))
    at = sealed.rindex(plain[len(plain) // 2 : len(plain) // 2 + 24])
    assert not part.check(flip(sealed, at)).intact


def test_the_manifest_says_everything_the_claim_says(part) -> None:
    store = read_manifests(part.seal(picture(), CLAIM), "image/png")
    assert store is not None
    manifest = store.manifest
    assert manifest["title"] == "apple.png"
    generator = manifest["claim_generator_info"][0]
    assert (generator["name"], generator["version"]) == ("Test SDK", "0.1.0")
    actions = store.assertions("c2pa.actions")[0]
    assert actions["allActionsIncluded"] is True
    created, resized, marked = actions["actions"]
    assert created["action"] == "c2pa.created"
    assert created["digitalSourceType"] == GENERATED
    assert created["when"] == "2026-11-23T00:00:00Z"
    assert created["softwareAgent"] == {"name": "starter", "version": "1.2"}
    assert resized["action"] == "c2pa.resized"
    assert resized["digitalSourceType"].endswith("/algorithmicallyEnhanced")
    assert marked["action"] == "c2pa.watermarked.bound"
    value = base64.b64encode(CLAIM.soft_binding_value).decode()
    assert store.assertions("c2pa.soft-binding") == (
        {"alg": ALG, "blocks": [{"scope": {}, "value": value}]},
    )
    entries = store.assertions("cawg.training-mining")[0]["entries"]
    assert {e["use"] for e in entries.values()} == {"notAllowed"}
    evidence = store.assertions("io.github.responsible-generation-sdk.evidence")
    assert evidence == (CLAIM.evidence,)
    (model,) = manifest["ingredients"]
    assert (model["title"], model["relationship"]) == ("starter", "inputTo")
    assert sorted(as_object(model["metadata"]).values()) == sorted(
        ["1.2", "ab" * 32, "Apache-2.0", "hub/starter"]
    )
    assert all(a["created"] for a in manifest["assertions"])


def test_training_may_be_allowed(home: Path) -> None:
    part = Registry().make("signer", "c2pa", {"home": str(home), "training_mining": "allowed"})
    store = read_manifests(part.seal(picture(), CLAIM), "image/png")
    entries = store.assertions("cawg.training-mining")[0]["entries"]
    assert {e["use"] for e in entries.values()} == {"allowed"}


def test_no_prompt_and_no_path_is_in_the_file(part, home: Path) -> None:
    sealed = part.seal(picture(), CLAIM)
    names = (PROMPT, str(home), str(Path.home()), os.uname().nodename)
    for text in (name for name in names if len(name) > 6):  # "vm" is in any random bytes
        assert text.encode() not in sealed


def test_a_picture_has_no_thumbnail_and_little_overhead(part) -> None:
    plain = picture()
    assert len(part.seal(plain, CLAIM)) - len(plain) < 6_000


def test_an_input_picture_becomes_the_parent(part) -> None:
    first = part.seal(picture(), CLAIM)
    second = part.seal(picture(seed=1), edited(first))
    store = read_manifests(second, "image/png")
    assert store is not None
    assert len(store.manifests) == 2
    opened, redrawn, *_ = store.assertions("c2pa.actions")[0]["actions"]
    assert opened["action"] == "c2pa.opened"
    assert "digitalSourceType" not in opened
    assert redrawn["action"] == "c2pa.edited"
    assert redrawn["digitalSourceType"] == EDITED
    relations = {i["relationship"] for i in store.manifest["ingredients"]}
    assert relations == {"parentOf", "inputTo"}
    assert part.check(second).intact


def test_a_chain_of_five_keeps_every_ancestor(part) -> None:
    data = part.seal(picture(), CLAIM)
    for seed in range(1, 5):
        data = part.seal(picture(seed=seed), edited(data))
    store = read_manifests(data, "image/png")
    assert len(store.manifests) == 5
    assert not store.broken


def test_an_input_without_credentials_is_a_parent_too(part) -> None:
    sealed = part.seal(picture(seed=1), edited(picture()))
    store = read_manifests(sealed, "image/png")
    assert "parentOf" in {i["relationship"] for i in store.manifest["ingredients"]}


def test_a_sketch_is_an_input_and_the_picture_is_still_created(part) -> None:
    claim = replace(CLAIM, parent=picture(), parent_media_type="image/png")
    store = read_manifests(part.seal(picture(seed=1), claim), "image/png")
    assert store.assertions("c2pa.actions")[0]["actions"][0]["action"] == "c2pa.created"
    assert {i["relationship"] for i in store.manifest["ingredients"]} == {"inputTo"}


def tampered(part) -> dict[str, bytes]:
    sealed = part.seal(picture(), CLAIM)
    pixels = flip(sealed, len(sealed) - 40)
    claim = flip(sealed, sealed.index(b"apple.png"))
    grandchild = C2PA_RECORDS(part).seal(picture(seed=1), edited(pixels))
    return {"pixels": pixels, "claim": claim, "grandparent": grandchild}


def C2PA_RECORDS(part):
    from sdk_signer_c2pa import C2PASigner

    made = C2PASigner.__new__(C2PASigner)
    made.__dict__.update(part.__dict__)
    made._records_tampered = True
    return made


@pytest.mark.parametrize("what", ["pixels", "claim", "grandparent"])
def test_a_tampered_input_picture_is_refused(part, what: str) -> None:
    with pytest.raises(SealError, match="do not verify"):
        part.seal(picture(seed=2), edited(tampered(part)[what]))


def test_a_tampered_input_picture_is_recorded_where_the_policy_says_so(part, home: Path) -> None:
    settings = {"home": str(home), "tampered_parent": "record"}
    recording = Registry().make("signer", "c2pa", settings)
    sealed = recording.seal(picture(seed=2), edited(tampered(part)["pixels"]))
    assert recording.check(sealed).intact
    assert "assertion.dataHash.mismatch" in recording.check(sealed).note
    store = read_manifests(sealed, "image/png")
    assert [s.recorded for s in store.broken] == [True]


def test_a_signed_file_is_not_signed_over(part) -> None:
    sealed = part.seal(picture(), CLAIM)
    with pytest.raises(SealError, match="would be lost"):
        part.seal(sealed, CLAIM)


@pytest.mark.parametrize(
    "wrong",
    [
        {"media_type": "image/jpeg"},
        {"media_type": "image/gif"},
        {"edited": True},
        {"digital_source_type": ""},
        {"digital_source_type": "trainedAlgorithmicMedia"},
        {"created_at": "yesterday"},
        {"created_at": "2026-11-23T00:00:00+02:00"},
        {"soft_binding_value": b""},
        {"soft_binding_alg": ""},
        {"actions": ("resized",)},
        {"actions": ("",)},
        {"evidence": {"x": object()}},
        {"parent": b"no picture", "parent_media_type": "image/png", "edited": True},
        {"parent": b"\x89PNG\r\n\x1a\n", "parent_media_type": "image/jpeg", "edited": True},
    ],
)
def test_a_claim_that_cannot_be_signed_is_a_seal_error(part, wrong: dict[str, object]) -> None:
    with pytest.raises(SealError, match="asked to sign"):
        part.seal(picture(), replace(CLAIM, **wrong))


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"text", b"\xff\xd8\xff\xe0"])
def test_what_is_no_picture_is_a_seal_error(part, data: bytes) -> None:
    with pytest.raises(SealError):
        part.seal(data, CLAIM)
    with pytest.raises(SealError):
        part.check(data)


def test_an_unsigned_or_stripped_file_has_no_seal(part) -> None:
    with pytest.raises(SealError, match="found none"):
        part.check(picture())


def test_a_development_signature_is_never_trusted(part) -> None:
    seal = part.check(part.seal(picture(), CLAIM))
    assert not seal.trusted
    assert "UNTRUSTED" in seal.note
    assert "UNTRUSTED" in seal.issuer


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("own")
    chain = new_chain(organization="Lab AI", common_name="Lab Image SDK")
    for name, pem in [
        ("root", chain.root_pem),
        ("certificate", chain.chain_pem),
        ("key", chain.key_pem),
    ]:
        (folder / name).write_bytes(pem)
        (folder / name).chmod(0o600)
    return {n: str(folder / n) for n in ("certificate", "key")} | {"trust": str(folder / "root")}


def test_an_own_chain_is_trusted_under_its_own_root_only(own: dict[str, str]) -> None:
    sealed = Registry().make("signer", "c2pa", own).seal(picture(), CLAIM)
    seal = Registry().make("signer", "c2pa", own).check(sealed)
    assert seal.trusted
    assert seal.issuer == "Lab AI"
    without = {k: v for k, v in own.items() if k != "trust"}
    assert not Registry().make("signer", "c2pa", without).check(sealed).trusted


@pytest.mark.parametrize("alg", ["es256", "es384", "es512", "ps256", "ed25519"])
def test_every_algorithm_signs(alg: str, tmp_path: Path) -> None:
    chain = new_chain(organization="Lab", common_name="Lab", alg=alg)
    (tmp_path / "c").write_bytes(chain.chain_pem)
    (tmp_path / "k").write_bytes(chain.key_pem)
    (tmp_path / "k").chmod(0o600)
    settings = {"certificate": str(tmp_path / "c"), "key": str(tmp_path / "k")}
    part = Registry().make("signer", "c2pa", settings)
    assert part.credential.alg == alg
    assert part.check(part.seal(picture(), CLAIM)).intact


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"certificate": "/nowhere"}, "only a part"),
        ({"key": "/nowhere"}, "only a part"),
        ({"certificate": "/nowhere", "key": "/nowhere"}, "nowhere"),
        ({"trust": "/nowhere"}, "nowhere"),
        ({"training_mining": "maybe"}, "maybe"),
        ({"tampered_parent": "ignore"}, "ignore"),
        ({"certficate": "x"}, "certficate"),
        ({"home": "/proc/nowhere"}, "nowhere"),
    ],
)
def test_a_wrong_setting_is_said_when_the_part_is_made(
    home: Path, settings: dict[str, str], says: str
) -> None:
    with pytest.raises(PluginError, match=says):
        Registry().make("signer", "c2pa", {"home": str(home)} | settings)


def _sign_in_child(part, queue) -> None:
    queue.put(part.check(part.seal(picture(), CLAIM)).intact)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_worker_signs_with_a_context_of_its_own(part) -> None:
    part.seal(picture(), CLAIM)  # the parent's context exists before the fork
    fork = multiprocessing.get_context("fork")
    queue = fork.Queue()
    workers = [fork.Process(target=_sign_in_child, args=(part, queue)) for _ in range(2)]
    for worker in workers:
        worker.start()
    assert [queue.get(timeout=30) for _ in workers] == [True, True]
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
    assert part.check(part.seal(picture(), CLAIM)).intact


def test_eight_threads_share_one_signer(part) -> None:
    def one(seed: int) -> bool:
        return bool(part.check(part.seal(picture(seed=seed), CLAIM)).intact)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(80)))


def test_every_byte_of_the_manifest_matters_or_is_padding(part) -> None:
    """One flip in each 16 bytes; the exhaustive test is in test_verify_flips (slow)."""
    sealed = part.seal(picture(), CLAIM)
    original = read_manifests(sealed, "image/png").manifests
    start = sealed.index(b"caBX") + 4
    length = int.from_bytes(sealed[start - 8 : start - 4])
    for at in range(start, start + length, 16):
        changed = flip(sealed, at)
        try:
            intact = part.check(changed).intact
        except SealError:
            continue
        if intact:
            assert read_manifests(changed, "image/png").manifests == original, f"byte {at}"


def test_the_evidence_survives_as_json(part) -> None:
    evidence = {"n": None, "t": True, "i": 2**40, "f": 0.1, "l": [1, [2]], "s": "‮<b>\x1b[31m"}
    sealed = part.seal(picture(), replace(CLAIM, evidence=evidence))
    store = read_manifests(sealed, "image/png")
    (found,) = store.assertions("io.github.responsible-generation-sdk.evidence")
    assert json.loads(json.dumps(found)) == evidence


def test_a_manifest_of_another_picture_is_not_intact(part) -> None:
    one, other = part.seal(picture(), CLAIM), part.seal(picture(seed=1), CLAIM)
    start = one.index(b"caBX") - 4
    length = int.from_bytes(one[start : start + 4]) + 12
    stolen = one[start : start + length]
    forged = other[:start] + stolen + other[start + length :]
    assert not part.check(forged).intact
    assert read_manifests(forged, "image/png").state is State.INVALID


def test_reading_takes_a_stream_as_well(part) -> None:
    store = read_manifests(io.BytesIO(part.seal(picture(), CLAIM)), "image/png")
    assert store is not None
    assert store.state is State.VALID
