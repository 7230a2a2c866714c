"""What clients are told: results and errors in the shapes that the OpenAI client reads.

Errors: `{"error": {"message", "type", "param", "code"}}` with status 400 to 503; extra keys reach
the caller in `error.body` (openai 3.54).  A refusal has the code `moderation_blocked`, the stage,
the categories and the id of its receipt; it never quotes the prompt.
"""

from __future__ import annotations

import base64
import time

from sdk.errors import Cancelled, Refused, RequestError, SDKError
from sdk.phases import Released, Result
from sdk.server.desk import Busy
from sdk.types import JSON

STAGES = {"prompt": "input", "image": "output", "audit": "output"}
"""Our stage → the API's `moderation_stage`."""


def answer_of(error: BaseException) -> tuple[int, dict[str, JSON], dict[str, str]]:
    """Return status, body and headers for an error; a bug says nothing about our insides."""
    if isinstance(error, Refused):
        return 400, _refused(error), {}
    if isinstance(error, Busy):
        body = problem(str(error), "rate_limit_error", "queue_full")
        return 429, body, {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, Cancelled):
        return 409, _with(error, problem(str(error), "conflict_error", "cancelled")), {}
    if isinstance(error, RequestError):
        return 400, _with(error, problem(str(error), "invalid_request_error", None)), {}
    kind = type(error).__name__ if isinstance(error, SDKError) else "InternalError"
    text = f"nothing was released ({kind}); the server's log says why"
    return 500, _with(error, problem(text, "server_error", kind)), {}


def problem(message: str, kind: str, code: str | None, param: str | None = None) -> dict[str, JSON]:
    """An error object of the OpenAI API."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def result_of(result: Result, media_type: str, created: float) -> dict[str, JSON]:
    """The answer to a drawing call; `provenance` and `refusals` are ours."""
    first = result.image.picture
    return {
        "created": int(created),
        "background": "opaque",
        "output_format": media_type.removeprefix("image/"),
        "quality": "auto",
        "size": f"{first.width}x{first.height}",
        "data": [picture_of(image) for image in result.images],
        "refusals": [
            {"index": index, **_inner(answer_of(error)[1])} for index, error in result.refusals
        ],
    }


def picture_of(image: Released) -> dict[str, JSON]:
    """One picture with its papers."""
    sealed = image.sealed
    return {
        "b64_json": base64.b64encode(image.data).decode("ascii"),
        "seed": image.request.seed,
        "provenance": {
            "sha256": sealed.sha256,
            "manifest": sealed.seal.manifest,
            "watermark": sealed.marked.payload.hex(),
            "receipt": image.receipt,
        },
        "warnings": [
            {"category": v.category, "reason": v.reason, "rule": v.rule}
            for v in image.verdicts
            if str(v.decision) == "warn"
        ],
    }


def event(kind: str, body: dict[str, JSON]) -> dict[str, JSON]:
    """One server-sent event of a streamed drawing."""
    return {"type": kind, "created_at": int(time.time()), **body}


def _refused(error: Refused) -> dict[str, JSON]:
    no = [v for v in error.verdicts if not v.allows]
    body = problem(str(error), "image_generation_user_error", "moderation_blocked")
    inner = _inner(body)
    inner["moderation_details"] = {
        "moderation_stage": STAGES.get(error.stage, "unknown"),
        "categories": [*sorted({v.category for v in no if v.category})],
    }
    inner["rules"] = [*sorted({v.rule for v in no if v.rule})]
    return _with(error, body)


def _inner(body: dict[str, JSON]) -> dict[str, JSON]:
    inner = body["error"]
    assert isinstance(inner, dict)
    return inner


def _with(error: BaseException, body: dict[str, JSON]) -> dict[str, JSON]:
    receipt = getattr(error, "receipt", None)
    if receipt:
        _inner(body)["receipt"] = receipt
    return body
