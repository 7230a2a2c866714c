"""The HTTP face, asked by the stock OpenAI client and by hand: real parts, no network."""

import base64
import io
import json
import threading
from pathlib import Path

import openai
import pytest
from PIL import Image
from starlette.testclient import TestClient

from sdk.config import Config, open_reviews
from sdk.errors import ConfigError, Refused, RequestError
from sdk.jumbf import active_label, manifest_store
from sdk.policy import parse
from sdk.registry import Registry
from sdk.server.app import make
from sdk.server.asked import read
from sdk.server.bindings import FINGERPRINT, Bindings
from sdk.server.desk import Busy, Desk
from sdk.server.detection import Witness
from sdk.server.house import MAX_BODY
from sdk.server.keys import Keys, Pace, new_key
from sdk.server.studios import open_studios

POLICY = """
name = "served"
[backend]
plugin = "noise"
[[prompt_filters]]
plugin = "lists"
[[image_filters]]
plugin = "blank"
[watermark]
plugin = "tile"
[signer]
plugin = "c2pa"
[record]
personal = "none"
[[rules]]
id = "image.blank"
stage = "image"
category = "blank"
block = 0.9
"""


def rules() -> str:
    bound = '[[rules]]\nid = "prompt.{0}"\nstage = "prompt"\ncategory = "{0}"\nblock = 0.5\n'
    return "".join(
        bound.format(name) for name in Registry().make("prompt_filter", "lists").categories
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    home = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SDK_HOME", str(home))
        config = Config(home=home)
        with (
            open_studios(parse(POLICY + rules()), config) as studios,
            Desk(studios, waiting=2, workers=1) as desk,
        ):
            mark = Registry().make("watermark", "tile")
            witness = Witness(
                ledger=studios.ledger, credentials=studios.credentials, detectors=[mark]
            )
            app = make(
                desk,
                studios,
                witness=witness,
                bindings=Bindings(studios.credentials, [mark]),
                checks_per_minute=0,
            )
            with TestClient(app, raise_server_exceptions=False) as http:
                yield http, desk, studios


@pytest.fixture(scope="module")
def http(served):
    return served[0]


@pytest.fixture(scope="module")
def client(http):
    return openai.OpenAI(
        base_url="http://testserver/v1", api_key="none", http_client=http, max_retries=0
    )


@pytest.fixture(scope="module")
def drawn(client):
    """One answer of the client, shared: drawing is the dear part."""
    return client.images.generate(prompt="a red apple", size="256x256", extra_body={"seed": 7})


def test_the_stock_client_gets_a_picture_with_its_papers(drawn):
    (picture,) = drawn.data
    with Image.open(io.BytesIO(base64.b64decode(picture.b64_json))) as image:
        assert image.format == "PNG"
        assert image.size == (256, 256)
    papers = picture.model_extra["provenance"]
    assert set(papers) == {"sha256", "manifest", "watermark", "receipt"}
    assert picture.model_extra["seed"] == 7
    assert drawn.size == "256x256"
    assert drawn.output_format == "png"


def test_what_it_drew_is_verified_by_the_same_server(http, client, drawn):
    data = base64.b64decode(drawn.data[0].b64_json)
    report = http.post("/v1/verify", content=data).json()
    assert report["axes"]["integrity"]["state"] == "intact"
    assert report["axes"]["ledger"]["state"] == "recorded"
    checked = client.content_provenance_checks.create(file=("a.png", data))
    (result,) = checked.results
    assert (result.outcome, result.validation_state) == ("detected", "valid")
    assert checked.model_extra["watermark"]["state"] == "matches"


def test_a_stripped_picture_is_recovered_and_never_called_trusted(http, client, drawn):
    with Image.open(io.BytesIO(base64.b64decode(drawn.data[0].b64_json))) as image:
        out = io.BytesIO()
        image.convert("RGB").save(out, "PNG")
    checked = client.content_provenance_checks.create(file=("a.png", out.getvalue()))
    assert checked.results[0].outcome == "detected"
    assert checked.results[0].validation_state == "valid"
    found = http.post("/matches/byContent", content=out.getvalue()).json()["matches"]
    assert found[0]["manifestId"] == drawn.data[0].model_extra["provenance"]["manifest"]
    assert found[0]["similarityScore"] == 100


def test_a_picture_of_nobody_is_not_said_to_be_human(client):
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(out, "PNG")
    (result,) = client.content_provenance_checks.create(file=("a.png", out.getvalue())).results
    assert (result.outcome, result.validation_state) == ("not_detected", "not_present")


def test_the_manifest_of_a_mark_is_served(http, drawn):
    papers = drawn.data[0].model_extra["provenance"]
    (mark,) = http.get("/services/supportedAlgorithms").json()["watermarks"]
    value = base64.b64encode(bytes.fromhex(papers["watermark"])).decode()
    for found in (
        http.get("/matches/byBinding", params={"alg": mark["alg"], "value": value}),
        http.post("/matches/byBinding", json={"alg": mark["alg"], "value": value}),
    ):
        assert found.json()["matches"] == [
            {"manifestId": papers["manifest"], "similarityScore": 100}
        ]
    stored = http.get(f"/manifests/{papers['manifest']}")
    assert stored.headers["content-type"] == "application/c2pa"
    data = base64.b64decode(drawn.data[0].b64_json)
    assert stored.content == manifest_store(data, "image/png")
    assert active_label(stored.content) == papers["manifest"]


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"alg": "x", "value": "AAAA"}, "algorithm"),
        ({"alg": FINGERPRINT, "value": "AAAA"}, "32"),
        ({"alg": FINGERPRINT, "value": "a b"}, "base64"),
        ({"alg": FINGERPRINT}, "value"),
        ({"alg": FINGERPRINT, "value": "AAAA", "maxResults": "0"}, "maxResults"),
    ],
)
def test_a_bad_binding_is_said(http, params, why):
    answer = http.get("/matches/byBinding", params=params)
    assert answer.status_code == 400
    assert why in answer.json()["error"]["message"]


def test_unknown_manifests_and_references_are_not_served(http):
    assert http.get("/manifests/urn:c2pa:none").status_code == 404
    assert http.post("/matches/byReference", json={}).status_code == 501
    assert http.post("/v1/images/variations").status_code == 410


def test_a_refusal_says_stage_and_category_and_not_the_prompt(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(prompt="hardcore porn of qwertz")
    assert caught.value.code == "moderation_blocked"
    assert caught.value.type == "image_generation_user_error"
    details = caught.value.body["moderation_details"]
    assert details["moderation_stage"] == "input"
    assert "sexual" in details["categories"]
    assert len(caught.value.body["receipt"]) == 64
    assert "qwertz" not in json.dumps(caught.value.body)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"prompt": ""}, "prompt"),
        ({"n": 11}, "n"),
        ({"n": True}, "n"),
        ({"size": "big"}, "size"),
        ({"size": "9999x9999"}, "width"),
        ({"output_format": "gif"}, "output_format"),
        ({"background": "transparent"}, "background"),
        ({"moderation": "low"}, "moderation"),
        ({"partial_images": 2}, "partial_images"),
        ({"response_format": "url"}, "response_format"),
        ({"seed": "x"}, "seed"),
        ({"prompt": 7}, "prompt"),
        ({"magic": 1}, "magic"),
    ],
)
def test_what_cannot_be_honoured_is_an_error_that_names_it(http, fields, word):
    answer = http.post("/v1/images/generations", json={"prompt": "a cup", **fields})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert word in answer.json()["error"]["message"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"", b"[" * 100_000])
def test_a_body_that_is_no_object_is_said(http, body):
    assert http.post("/v1/images/generations", content=body).status_code == 400


def test_another_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.images.generate(prompt="a cup", model="gpt-image-1")
    assert caught.value.code == "model_not_found"
    (model,) = client.models.list().data
    assert model.id == "noise"


def test_a_stream_holds_finished_pictures_only(client):
    events = list(client.images.generate(prompt="a cup", size="256x256", stream=True))
    assert [event.type for event in events] == ["image_generation.completed"]
    assert base64.b64decode(events[0].b64_json).startswith(b"\x89PNG")


def test_a_refused_stream_ends_in_an_error(http):
    body = {"prompt": "hardcore porn", "stream": True}
    answer = http.post("/v1/images/generations", json=body)
    assert "event: error" in answer.text
    assert "moderation_blocked" in answer.text
    assert "b64_json" not in answer.text


def test_several_pictures_in_another_format_on_the_same_parts(client, served):
    drawn = client.images.generate(prompt="a cup", size="256x256", n=2, output_format="webp")
    assert [base64.b64decode(p.b64_json)[8:12] for p in drawn.data] == [b"WEBP", b"WEBP"]
    studios = served[2]
    one, other = studios.studio("image/png"), studios.studio("image/webp")
    assert one._parts.backend.part is other._parts.backend.part


def test_a_job_is_followed_and_its_result_is_its_owner_s(http):
    body = {"prompt": "a cup", "size": "256x256"}
    answer = http.post("/v1/images/generations?background=true", json=body)
    assert answer.status_code == 202
    place = answer.headers["location"]
    for _ in range(600):
        job = http.get(place).json()
        if job["status"] not in ("queued", "running"):
            break
        threading.Event().wait(0.05)
    assert job["status"] == "done"
    assert job["result"]["data"][0]["provenance"]["receipt"]
    assert http.get("/v1/jobs/0").status_code == 404


def test_the_same_idempotency_key_is_drawn_once(http):
    body = {"prompt": "a cup", "size": "256x256"}
    headers = {"Idempotency-Key": "k1"}
    one, other = (
        http.post("/v1/images/generations", json=body, headers=headers).json() for _ in range(2)
    )
    assert one["data"][0]["provenance"] == other["data"][0]["provenance"]
    clash = http.post(
        "/v1/images/generations", json={"prompt": "a mug", "size": "256x256"}, headers=headers
    )
    assert clash.status_code == 400


def test_health_readiness_and_numbers(http, drawn):
    assert http.get("/health").json()["status"] == "ok"
    assert http.get("/ready").json() == {"ready": True}
    text = http.get("/metrics").text
    assert 'sdk_calls_total{outcome="released",route="images"}' in text
    assert "red apple" not in text


def test_too_much_is_not_read(http):
    answer = http.post("/v1/verify", content=b"x" * (MAX_BODY + 1))
    assert answer.status_code == 413


def test_what_a_person_must_see_waits_in_the_queue_of_this_machine(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("SDK_HOME", str(tmp_path))
    config = Config(home=tmp_path)
    policy = parse((POLICY + rules()).replace("block = 0.5", "review = 0.5"))
    with open_studios(policy, config) as studios, pytest.raises(Refused, match="prompt"):
        studios.studio("image/png").generate(request_of("hardcore porn"))
    with open_reviews(config) as reviews:
        assert len(reviews.items()) == 1


class Slow:
    """Studios whose picture takes until it is told to go on, or is cancelled."""

    def __init__(self):
        self.begun, self.go_on = threading.Event(), threading.Event()

    def studio(self, media_type):
        return self

    def generate(self, request, watch):
        self.begun.set()
        while not self.go_on.wait(0.005):
            watch.step(1, 2)
        raise RequestError("asked to draw, found a test; stop")


def request_of(prompt="a cup"):
    return read({"prompt": prompt}, model="m", media_type="image/png").request


def test_a_full_queue_says_when_to_come_back():
    slow = Slow()
    with Desk(slow, waiting=1, workers=1) as desk:
        desk.submit(request_of(), "image/png")
        assert slow.begun.wait(10)
        waiting = desk.submit(request_of(), "image/png")
        assert desk.position(waiting) == 1
        with pytest.raises(Busy) as caught:
            desk.submit(request_of(), "image/png")
        assert caught.value.retry_after_s >= 1


def test_a_cancelled_ticket_stops_at_the_next_step_and_forgets_its_prompt():
    slow = Slow()
    with Desk(slow, waiting=2, workers=1) as desk:
        running = desk.submit(request_of("secret words"), "image/png", owner="a")
        assert slow.begun.wait(10)
        waiting = desk.submit(request_of(), "image/png", owner="a")
        for ticket in (waiting, running):
            ticket.cancel()
            assert type(ticket.outcome.exception(10)).__name__ == "Cancelled"
            assert ticket.state == "cancelled"
        assert "secret" not in running.request.prompt
        assert desk.find(running.id, "b") is None
        assert desk.find(running.id, "a") is running


def test_keys_are_digests_and_wrong_ones_do_not_draw(tmp_path: Path, served):
    _, desk, studios = served
    file = tmp_path / "keys"
    key = new_key(file, "shop")
    assert key not in file.read_text()
    keys = Keys.open(file)
    app = make(
        desk,
        studios,
        witness=Witness(),
        bindings=Bindings(studios.credentials, []),
        keys=keys,
        checks_per_minute=1,
    )
    http = TestClient(app)
    for header in ({}, {"Authorization": "Bearer no"}, {"Authorization": f"Basic {key}"}):
        answer = http.post("/v1/images/generations", json={"prompt": "a"}, headers=header)
        assert answer.status_code == 401
    right = {"Authorization": f"Bearer {key}"}
    assert http.get("/v1/models", headers=right).status_code == 200
    first, second = (http.post("/v1/verify", content=b"x") for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 429)
    assert int(second.headers["retry-after"]) > 0
    assert http.post("/v1/verify", content=b"x", headers=right).status_code == 200
    with pytest.raises(ConfigError, match="has one"):
        new_key(file, "shop")
    file.write_text("shop nonsense\n")
    with pytest.raises(ConfigError, match="line 1"):
        Keys.open(file)


def test_no_limit_is_no_wait():
    assert [Pace(0).wait_s("a") for _ in range(3)] == [0, 0, 0]


def test_the_api_s_mask_is_redrawn_where_it_is_transparent():
    out = io.BytesIO()
    mask = Image.new("RGBA", (32, 32), (10, 20, 30, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 16, 32))
    mask.save(out, "PNG")
    plain = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(plain, "PNG")
    asked = read(
        {"prompt": "a cup", "strength": "0.5"},
        model="m",
        media_type="image/png",
        image=plain.getvalue(),
        mask=out.getvalue(),
    )
    assert asked.request.mask.pixels[0, 0].tolist() == [255, 255, 255]
    assert asked.request.mask.pixels[0, 31].tolist() == [0, 0, 0]
    assert asked.request.strength == 0.5
