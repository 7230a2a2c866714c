"""The governed call through its public door: what comes out, what is written, what is not."""

import gc
import io
import logging
import re
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from small_parts import Bright, HmacSigner, LowBits, Noise, policy_of, sha256

from sdk.config import Config
from sdk.encode import decode, encode
from sdk.errors import BackendError, PolicyError, Refused, RequestError, VaultError
from sdk.finishing import draw
from sdk.inputs import InputImage
from sdk.observe import Narrator
from sdk.pipeline import Studio
from sdk.request import Request
from sdk.types import Capabilities

CANARY = "zyxwcanary"
PERSON = "customer-4711@example.org"
SECRET = Request(
    prompt=f"a {CANARY}prompt cat",
    negative_prompt=f"{CANARY}negative",
    purpose=f"{CANARY}purpose",
    loras=(f"{CANARY}lora.safetensors",),
    subject=PERSON,
    seed=1,
)


def test_one_call_goes_through_every_phase(house):
    released = house.studio().generate(Request(prompt="a cat", seed=3)).image
    sealed = released.sealed
    assert sealed.sha256 == sha256(released.data)
    assert sealed.seal.intact
    assert sealed.detection.payload == sealed.marked.payload
    assert len(sealed.marked.payload) == LowBits.payload_bytes
    assert HmacSigner().check(released.data).soft_binding_value == sealed.marked.payload
    assert (decode(released.data) == released.picture.pixels).all()
    assert released.request.seed == 3
    assert house.ledger.find(sha256=sealed.sha256)[0].index == released.leaf_index


def test_every_picture_carries_an_id_of_its_own(house):
    result = house.studio().generate(Request(prompt="a cat", count=5))
    assert len({image.sealed.marked.payload for image in result.images}) == 5


def test_a_request_without_numbers_is_completed_from_what_the_backend_can(house):
    request = house.studio().generate(Request(prompt="a cat")).image.request
    assert (request.width, request.height, request.steps) == (32, 32, 1)
    assert request.seed is not None


def test_what_the_backend_cannot_draw_is_refused_with_a_receipt(house):
    with pytest.raises(RequestError, match=r"asked for width 1024, found .* 16\.\.512") as caught:
        house.studio().generate(Request(prompt="a cat", width=1024))
    assert house.ledger.entry(caught.value.receipt).leaf["error"] == "RequestError"


def test_an_edit_is_claimed_as_one_with_its_parent(house):
    claims = []

    class Reads(HmacSigner):
        def seal(self, data, claim):
            claims.append(claim)
            return super().seal(data, claim)

    backend = Noise()
    backend.capabilities = Capabilities(
        width=32, height=32, multiple_of=1, min_side=16, tasks=frozenset({"image-to-image"})
    )
    house.add("backend", backend, "edits")
    house.add("signer", Reads(), "reads")
    data = encode(Noise()._draw(Request(prompt="x", seed=1, width=40, height=24)), "image/png")
    studio = house.studio(backend={"plugin": "edits"}, signer={"plugin": "reads"})
    result = studio.generate(Request(prompt="a cat", init_image=InputImage.decode(data)))
    assert (result.image.picture.width, result.image.picture.height) == (40, 24)
    assert claims[0].edited
    assert claims[0].parent == data


def test_refiners_change_the_picture_before_it_is_filtered_and_are_claimed(house):
    sizes, claims = [], []

    class Twice:
        action = "c2pa.resized"

        def refine(self, picture, request, watch):
            return picture.pixels.repeat(2, 0).repeat(2, 1)

    class Looks(Bright):
        def inspect(self, picture, request):
            sizes.append((picture.width, picture.height))
            return super().inspect(picture, request)

    class Reads(HmacSigner):
        def seal(self, data, claim):
            claims.append(claim)
            return super().seal(data, claim)

    house.add("refiner", Twice(), "twice")
    house.add("image_filter", Looks(), "looks")
    house.add("signer", Reads(), "reads")
    studio = house.studio(
        refiners=[{"plugin": "twice"}, {"plugin": "twice"}],
        image_filters=[{"plugin": "looks"}],
        signer={"plugin": "reads"},
    )
    studio.generate(Request(prompt="a cat"))
    assert sizes == [(128, 128)]
    assert claims[0].actions == ("c2pa.resized", "c2pa.resized")


def everything_said(house, capsys, caplog):
    files = [p.read_bytes() for p in house.home.rglob("*") if p.is_file()]
    out = capsys.readouterr()
    return b"\0".join([*files, out.out.encode(), out.err.encode(), caplog.text.encode()])


@pytest.mark.parametrize("keep", ["none", "commit", "vault"])
def test_no_word_of_a_request_is_written_anywhere(house, capsys, caplog, keep):
    """Every byte of every file below the home: ledger, vault, keys, pictures; and the logs."""

    class Complains:
        def saw(self, event):
            raise ValueError(repr(event))

    class Blows(Noise):
        def render(self, requests, watch):
            raise RuntimeError(f"token of {requests[0]!r}: {requests[0].prompt}")

    house.add("observer", Complains(), "complains")
    house.add("backend", Blows(), "blows")
    vault = None if keep == "none" else house.vault(keep)
    same = {"record": {"personal": keep}, "observers": [{"plugin": "complains"}], "vault": vault}
    said = []
    with caplog.at_level(logging.DEBUG):
        result = house.studio(**same).generate(SECRET, to=house.home / "cat.png")
        for changes in ({"backend": {"plugin": "blows"}}, {"rules": STRICT}):
            with pytest.raises((BackendError, Refused)) as caught:
                house.studio(**same, **changes).generate(SECRET)
            said.append(str(caught.value))
    said += [repr(result), repr(SECRET), str(result.image.findings)]
    written = everything_said(house, capsys, caplog) + "\n".join(said).encode()
    for text in (*SECRET.texts, PERSON, CANARY):
        assert text.encode() not in written
    assert house.size == 3


STRICT = [
    {"id": "p", "stage": "prompt", "category": "bad", "block": 0.0, "reason": "no"},
    {"id": "i", "stage": "image", "category": "white", "block": 0.9},
]


def test_a_commitment_opens_with_the_request_and_nothing_else(house):
    from sdk import leaf

    vault = house.vault("commit")
    studio = house.studio(record={"personal": "commit"}, vault=vault)
    studio.generate(SECRET)
    commitment = house.leaves()[0]["commitment"]
    assert vault.matches(commitment, leaf.personal(SECRET))
    assert not vault.matches(commitment, leaf.personal(Request(prompt="a cat")))
    erased = vault.erase(PERSON, house.ledger)
    assert erased.commitments == 1
    with pytest.raises(VaultError):
        vault.matches(commitment, leaf.personal(SECRET))
    assert house.ledger.verify().ok


def test_a_call_without_a_subject_is_a_subject_of_its_own(house):
    vault = house.vault("commit")
    studio = house.studio(record={"personal": "commit"}, vault=vault)
    call = studio.generate(Request(prompt="a cat")).call
    assert vault.erase(f"call:{call}", house.ledger).commitments == 1


def test_a_backend_that_changes_its_mind_does_not_change_the_receipt(house):
    class Shifty(Noise):
        def render(self, requests, watch):
            self.model = None
            return super().render(requests, watch)

    house.add("backend", Shifty(), "shifty")
    house.studio(backend={"plugin": "shifty"}).generate(Request(prompt="a cat"))
    assert house.leaves()[0]["model"]["name"] == "tiny"


def test_a_lossy_format_keeps_the_pixels_that_were_signed(house):
    """A signer of JPEG that encodes again is seen, although JPEG never equals the drawing."""

    class Appends(HmacSigner):
        media_types = frozenset({"image/jpeg"})

        def seal(self, data, claim):
            return data + claim.soft_binding_value

        def check(self, data):
            from sdk.types import Seal

            return Seal(
                intact=True, manifest="urn:x", issuer="tests", trusted=False,
                soft_binding_value=b"",
            )  # fmt: skip

    class Again(Appends):
        def seal(self, data, claim):
            from PIL import Image

            out = io.BytesIO()
            with Image.open(io.BytesIO(data)) as image:
                image.save(out, "JPEG", quality=60)
            return out.getvalue()

    house.add("signer", Appends(), "appends")
    house.add("signer", Again(), "again")
    changes = {
        "watermark": None,
        "unsafe_without": ["watermark"],
        "output": {"media_type": "image/jpeg"},
    }
    released = house.studio(signer={"plugin": "appends"}, **changes).generate(SECRET).image
    assert released.data[:3] == b"\xff\xd8\xff"
    with pytest.raises(Exception, match="found other pixels in the signed file"):
        house.studio(signer={"plugin": "again"}, **changes).generate(SECRET)


def test_the_documentation_lists_every_field_of_an_entry(house):
    text = (Path(__file__).parents[1] / "docs" / "ledger.md").read_text("utf-8")
    table = text.split("| Field | What it is |")[1].split("\n\n")[0]
    listed = {
        name
        for row in table.splitlines()
        for name in re.findall(r"`(\w+)`", row[:60].split(" | ")[0])
    }
    studio = house.studio()
    studio.generate(Request(prompt="a cat"))
    with pytest.raises(Refused):
        studio.generate(Request(prompt="a bomb"))
    assert {key for leaf in house.leaves() for key in leaf} == listed


def test_a_policy_edited_behind_the_studios_back_changes_nothing(house):
    """Settings are a dictionary; the receipt's digest must be of what was built."""
    policy = policy_of(prompt_filters=[{"plugin": "words", "settings": {"words": ["bomb"]}}])
    wanted = policy_of(**{"prompt_filters": [{"plugin": "words", "settings": {"words": ["bomb"]}}]})
    studio = Studio(policy, house.ledger, registry=house.registry)
    policy.prompt_filters[0].settings["words"].append("cat")
    studio.generate(Request(prompt="a cat"))
    assert house.leaves()[0]["policy"]["digest"] == wanted.digest


def test_a_studio_that_opened_its_ledger_closes_it(tmp_path, house):
    config = Config(home=tmp_path / "home")
    policy = policy_of(
        backend={"plugin": "noise"},
        prompt_filters=None,
        image_filters=None,
        auditors=None,
        watermark=None,
        signer=None,
        unsafe_without=["prompt_filters", "image_filters", "watermark", "signer"],
        record={"personal": "commit"},
    )
    with Studio.open(policy, config=config) as studio:
        assert studio.generate(Request(prompt="a cat")).image.receipt
    with pytest.raises(Exception, match=r"closed|Cannot operate"):
        studio.generate(Request(prompt="a cat"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del studio
        gc.collect()


def test_a_studio_that_cannot_be_built_leaves_nothing_open(tmp_path, monkeypatch):
    closed = []
    from sdk.ledger import Ledger

    close = Ledger.close
    monkeypatch.setattr(Ledger, "close", lambda self: closed.append(1) or close(self))
    config = Config(home=tmp_path / "home")
    with pytest.raises(PolicyError, match="no plugin 'words'"):
        Studio.open(policy_of(), config=config)
    assert closed == [1]


def test_a_refiner_that_changed_nothing_is_not_claimed_in_the_manifest(house):
    class Refiner:
        action = "c2pa.resized"

        def __init__(self, grow):
            self._grow = grow

        def refine(self, picture, request, watch):
            return picture.pixels.repeat(2, 0).repeat(2, 1) if self._grow else picture.pixels

    actions = {}
    for grow in (False, True):
        studio = house.studio()
        parts = studio._parts
        named = replace(parts.backend, part=Refiner(grow))
        request = Request(prompt="x", seed=1, width=256, height=256, steps=1, guidance_scale=0.0)
        watch = Narrator(()).watch(["call"], None)
        ((_, actions[grow]),) = draw(replace(parts, refiners=(named,)), [request], watch)
    assert actions == {False: (), True: ("c2pa.resized",)}
