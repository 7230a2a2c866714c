"""OpenAI, Azure and Bedrock, against local stand-ins that answer as their documents say."""

import base64
import http.server
import io
import json
import threading
import urllib.parse

import numpy as np
import pytest
from PIL import Image

from sdk import Picture, PluginError, Registry, Request
from sdk.contract import check_image_filter, check_prompt_filter
from sdk.dossier.cases import Case
from sdk.dossier.subjects import Subject
from sdk.policy import parse

BAD = "something unsafe"
OPENAI = ("sexual", "sexual/minors", "violence", "violence/graphic", "hate", "hate/threatening",
          "harassment", "harassment/threatening", "self-harm", "self-harm/intent",
          "self-harm/instructions", "illicit", "illicit/violent")  # fmt: skip


class Service(http.server.BaseHTTPRequestHandler):
    """Answers all three APIs; `mode` of the server breaks the answer."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, dict(self.headers), body))
        status, answer = self.server.mode(self.path, body)
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def working(path, body):
    path = urllib.parse.unquote(path)
    if path == "/v1/moderations":
        texts = [t if isinstance(t, str) else t["image_url"]["url"] for t in body["input"]]
        rows = []
        for text in texts:
            scores = dict.fromkeys(OPENAI, 0.01)
            scores["violence/graphic"] = 0.93 if BAD in text else 0.02
            rows.append({"flagged": BAD in text, "category_scores": scores})
        return 200, {"id": "modr-1", "model": body["model"], "results": rows}
    if path.startswith("/contentsafety/"):
        eight = body["outputType"] == "EightSeverityLevels"
        worst = (7 if eight else 6) if BAD in body.get("text", "") else 0
        rows = [{"category": c, "severity": worst * (c == "Violence")} for c in body["categories"]]
        return 200, {"blocklistsMatch": [], "categoriesAnalysis": rows}
    bad = BAD in json.dumps(body)
    found = {"VIOLENCE": "HIGH"} if bad else {}
    rows = [
        {"type": kind, "confidence": found.get(kind, "NONE"), "detected": kind in found}
        for kind in ("SEXUAL", "VIOLENCE", "HATE", "INSULTS", "MISCONDUCT")
    ]
    assessments = [{"contentPolicy": {"filters": rows}}]
    action = "GUARDRAIL_INTERVENED" if bad else "NONE"
    whole = {"usage": {}, "action": action, "outputs": [], "assessments": assessments}
    return 200, {**whole, "guardrailCoverage": coverage_of(body)}


def coverage_of(body):
    """What ApplyGuardrail says it looked at: characters and pictures, of how many."""
    texts = sum(len(part["text"]["text"]) for part in body["content"] if "text" in part)
    pictures = sum("image" in part for part in body["content"])
    kinds = {"textCharacters": texts, "images": pictures}
    return {kind: {"guarded": n, "total": n} for kind, n in kinds.items() if n}


@pytest.fixture
def service(monkeypatch):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.seen, server.mode = [], working
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    for name in ("OPENAI_API_KEY", "AZURE_CONTENT_SAFETY_KEY", "AWS_ACCESS_KEY_ID",
                 "AWS_SECRET_ACCESS_KEY"):  # fmt: skip
        monkeypatch.setenv(name, "test-key")
    server.base = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def settings(plugin, service):
    if plugin == "openai-moderation":
        return {"url": f"{service.base}/v1/moderations", "timeout_s": 2.0}
    if plugin == "azure-content-safety":
        return {"endpoint": service.base, "timeout_s": 2.0}
    pytest.importorskip("boto3", reason="needs the extra bedrock")
    near = {"region": "eu-central-1", "endpoint": service.base, "timeout_s": 2.0}
    return {"guardrail": "gr-1", "version": "1", **near}


PLUGINS = ["openai-moderation", "azure-content-safety", "bedrock-guardrail"]


@pytest.fixture(params=PLUGINS)
def plugin(request):
    return request.param


def test_the_filters_keep_the_contract(plugin, service):
    check_prompt_filter(plugin, settings(plugin, service), refuses=[BAD])
    check_image_filter(plugin, settings(plugin, service))


def test_every_text_of_a_request_is_sent(plugin, service):
    part = Registry().make("prompt_filter", plugin, settings(plugin, service))
    calm = {f.category: f.score for f in part.inspect(Request(prompt="a dog"))}
    assert max(calm.values()) < 0.1
    found = {f.category: f.score for f in part.inspect(Request(prompt="a dog", loras=(BAD,)))}
    assert found["violence"] > 0.8


def test_a_picture_is_sent_as_a_jpeg_that_the_service_takes(plugin, service):
    part = Registry().make("image_filter", plugin, settings(plugin, service))
    pixels = np.random.default_rng(0).integers(0, 255, (2600, 900, 3), np.uint8)
    part.inspect(Picture(pixels), Request(prompt="a shape"))
    body = json.dumps(service.seen[-1][2])
    start = body.index("/9j/")  # how every JPEG begins in base64
    data = base64.b64decode(body[start : body.index('"', start)])
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "JPEG"
        assert max(image.size) == 2048
    assert len(data) <= 4 * 1024 * 1024


BROKEN = {
    "an error": lambda path, body: (500, {"error": BAD}),
    "a redirect": lambda path, body: (302, {}),
    "no JSON": lambda path, body: (200, b"<html>"),
    "a list": lambda path, body: (200, []),
    "nothing in it": lambda path, body: (200, {}),
    "other names": lambda path, body: (200, {"results": [{}], "categoriesAnalysis": [{}],
                                             "action": "MAYBE"}),
    "no numbers": lambda path, body: (200, {
        "results": [{"category_scores": dict.fromkeys(OPENAI, "high")}],
        "categoriesAnalysis": [{"category": c, "severity": None} for c in ("Hate", "Sexual")],
        "action": "NONE",
        "assessments": [{"contentPolicy": {"filters": [{"type": "HATE", "confidence": "SOME"}]}}],
    }),
}  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
def test_an_answer_of_another_shape_is_an_error_that_quotes_nothing(plugin, service, broken):
    part = Registry().make("prompt_filter", plugin, settings(plugin, service))
    service.mode = BROKEN[broken]
    with pytest.raises(PluginError) as error:
        part.inspect(Request(prompt=BAD))
    assert BAD not in str(error.value)
    assert not any(path == "/elsewhere" for path, _, _ in service.seen)


def test_a_service_that_is_gone_refuses_under_a_policy(service):
    policy = parse(
        'name = "p"\nbackend = {plugin = "noise"}\nsigner = {plugin = "c2pa"}\n'
        'watermark = {plugin = "tile"}\nimage_filters = [{plugin = "blank"}]\n'
        '[[prompt_filters]]\nplugin = "azure-content-safety"\n'
        f'settings = {{ endpoint = "{service.base}", timeout_s = 0.5 }}\n'
        + "".join(
            f'[[rules]]\nid = "{c}"\nstage = "prompt"\ncategory = "{c}"\nblock = 0.5\n'
            for c in ("sexual", "violence", "hate", "self_harm")
        )
        + '[[rules]]\nid = "b"\nstage = "image"\ncategory = "blank"\nblock = 0.5\n'
    )
    subject = Subject.under(policy, "prompt")
    assert not subject.ask(Case(id="1", unsafe=False, text="a dog")).refuses
    service.shutdown()
    service.server_close()
    assert str(subject.ask(Case(id="1", unsafe=False, text="a dog")).decision) == "error"


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("openai-moderation", {"url": "http://example.org"}, "no TLS"),
        ("openai-moderation", {"url": "ftp://example.org"}, "give https"),
        ("openai-moderation", {"key_env": "NOT_SET_ANYWHERE"}, "not set"),
        ("azure-content-safety", {}, "give https"),
        ("bedrock-guardrail", {}, "none named"),
        ("openai-moderation", {"colour": 1}, "colour"),
    ],
)
def test_a_wrong_setting_is_said_before_anything_is_sent(service, name, given, says):
    with pytest.raises(PluginError, match=says):
        Registry().make("prompt_filter", name, given)
    assert service.seen == []


@pytest.mark.parametrize(
    ("kind", "coverage"),
    [
        ("image_filter", {"images": {"guarded": 0, "total": 1}}),
        ("image_filter", {"textCharacters": {"guarded": 5, "total": 5}}),
        ("image_filter", {}),
        ("image_filter", None),
        ("prompt_filter", {"textCharacters": {"guarded": 3, "total": 5}}),
        ("prompt_filter", {"textCharacters": {"guarded": 0, "total": 0}}),
        ("prompt_filter", {"textCharacters": {"total": 5}}),
    ],
)
def test_a_guardrail_that_did_not_look_is_an_error(service, kind, coverage):
    """Without filters for pictures, ApplyGuardrail answers NONE to every picture."""

    def answer(path, body):
        status, whole = working(path, body)
        return status, {**whole, "guardrailCoverage": coverage}

    service.mode = answer
    part = Registry().make(kind, "bedrock-guardrail", settings("bedrock-guardrail", service))
    asked = [Picture(np.zeros((64, 64, 3), np.uint8))] if kind == "image_filter" else []
    with pytest.raises(PluginError, match="guardrail"):
        part.inspect(*asked, Request(prompt="a dog"))


def test_a_guardrail_is_asked_for_all_that_it_measured(service):
    """A filter of low strength stops nothing of low confidence, and is told only so."""
    part = Registry().make(
        "prompt_filter", "bedrock-guardrail", settings("bedrock-guardrail", service)
    )
    part.inspect(Request(prompt="a dog"))
    assert service.seen[-1][2]["outputScope"] == "FULL"


def test_a_guardrail_without_a_content_filter_for_a_category_measures_nothing(service):
    """One of denied topics alone covers every character, and says nothing of violence."""

    def answer(path, body):
        status, whole = working(path, body)
        topics = {"topicPolicy": {"topics": []}, "contentPolicy": {"filters": kept}}
        return status, {**whole, "assessments": [topics]}

    def row(kind, confidence):
        return {"type": kind, "confidence": confidence}

    part = Registry().make(
        "prompt_filter", "bedrock-guardrail", settings("bedrock-guardrail", service)
    )
    service.mode = answer
    kept = []
    with pytest.raises(PluginError, match="about sexual, violence, hate, illegal, found no"):
        part.inspect(Request(prompt="a dog"))
    kept = [row(kind, "NONE") for kind in ("SEXUAL", "VIOLENCE", "INSULTS", "MISCONDUCT")]
    kept.append(row("PROMPT_ATTACK", "MEDIUM"))
    said = {each.category: each.score for each in part.inspect(Request(prompt="a dog"))}
    assert said == {"sexual": 0, "violence": 0, "hate": 0, "illegal": 0, "guardrail": 0.6}
