"""Asks OpenAI's moderation endpoint about prompts and pictures.  They leave your machine.

    policy:  [[prompt_filters]]
             plugin = "openai-moderation"

Both hooks; the key comes from the environment variable that `key_env` names.  Every text of the
request, or the picture as JPEG, is sent to `url`; nothing is sent unless a policy names this
plugin.  No answer, a slow answer, or one of another shape is an error, and an error refuses.
API: POST /v1/moderations, model omni-moderation-latest (OpenAI API reference, "Moderations").
"""

from __future__ import annotations

import base64
import io
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from sdk import (
    Finding,
    ImageFilter,
    Picture,
    PluginError,
    PromptFilter,
    Settings,
    hookimpl,
)

URL = "https://api.openai.com/v1/moderations"
CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "sexual": ("sexual",),
    "sexual_minors": ("sexual/minors",),
    "violence": ("violence", "violence/graphic"),
    "hate": ("hate", "hate/threatening", "harassment", "harassment/threatening"),
    "self_harm": ("self-harm", "self-harm/intent", "self-harm/instructions"),
    "illegal": ("illicit", "illicit/violent"),
}
"""Ours → theirs; the highest counts."""
SEES = ("sexual", "violence", "self_harm")
"""What the model measures in pictures; for the rest it answers 0 there."""
MOST_BYTES = 4 * 1024 * 1024
SHORTEST_SIDE, LONGEST_SIDE = 50, 2048
"""Pixels that Azure takes; the others take more."""


class OpenAIModeration:
    """Measures prompts, or with `pictures` pictures.

    Args:
        url: of the endpoint, or of a gateway that speaks the same.
        model: that measures.
        key_env: environment variable with the key.
        timeout_s: seconds to wait; more than the policy's `timeout_s` means nothing.

    Raises:
        PluginError: a setting is wrong, or there is no key.
    """

    def __init__(
        self,
        *,
        url: str = URL,
        model: str = "omni-moderation-latest",
        key_env: str = "OPENAI_API_KEY",
        timeout_s: float = 10.0,
        pictures: bool = False,
    ) -> None:
        self.categories: Sequence[str] = SEES if pictures else tuple(CATEGORIES)
        self._url, self._model, self._timeout = checked_url(url), str(model), float(timeout_s)
        self._headers = {"Authorization": f"Bearer {secret(key_env)}"}
        self._pictures = pictures

    def inspect(self, *asked: Any) -> Sequence[Finding]:
        """Return one finding for each category: the highest over all texts, or the picture."""
        if self._pictures:
            found = self._ask([{"type": "image_url", "image_url": {"url": _data_url(asked[0])}}], 1)
        else:
            texts = list(asked[0].texts)
            found = self._ask(texts, len(texts))
        return [self._finding(category, found) for category in self.categories]

    def _ask(self, given: list[Any], results: int) -> list[Mapping[str, object]]:
        body = {"model": self._model, "input": given}
        answer = post_json(self._url, body, self._headers, self._timeout)
        rows = answer.get("results")
        if not isinstance(rows, list) or len(rows) != results:
            raise PluginError("asked for moderation, found an answer without one result a text")
        return [row["category_scores"] for row in rows if _has_scores(row)] or _broken()

    def _finding(self, category: str, found: Sequence[Mapping[str, object]]) -> Finding:
        theirs = CATEGORIES[category]
        scores = [share(scores.get(name)) for scores in found for name in theirs]
        return Finding(
            category=category,
            score=max(scores),
            detector=f"openai {self._model}",
            note=f"highest of {', '.join(theirs)}",
        )


def _has_scores(row: object) -> bool:
    return isinstance(row, dict) and isinstance(row.get("category_scores"), dict)


def _broken() -> list[Mapping[str, object]]:
    raise PluginError("asked for moderation, found no category_scores in the answer")


def _data_url(picture: Picture) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(as_jpeg(picture)).decode('ascii')}"


def checked_url(url: object) -> str:
    """Return a URL that hides nothing on its way: HTTPS, or HTTP to this very machine.

    Raises:
        PluginError: it is neither.
    """
    from urllib.parse import urlsplit

    parts = urlsplit(url if isinstance(url, str) else "")
    near = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not parts.hostname or parts.scheme not in ("https", "http") or parts.username:
        raise PluginError(f"asked for url {url!r}; give https://…")
    if parts.scheme == "http" and not near:
        raise PluginError(f"asked for url {url!r}, found no TLS; give https://…")
    return str(url)


def secret(variable: object) -> str:
    """Return the key in an environment variable; a policy never holds it.

    Raises:
        PluginError: it is not set.
    """
    found = os.environ.get(variable, "") if isinstance(variable, str) else ""
    if not found.strip():
        raise PluginError(f"asked for the key in {variable}, found it not set; export it")
    return found.strip()


def post_json(
    url: str, body: Mapping[str, object], headers: Mapping[str, str], timeout_s: float
) -> Mapping[str, Any]:
    """Send a JSON object and return the one that came back.

    Raises:
        PluginError: no answer in time, an HTTP error, a redirect, or no JSON object; never with
            the body, which holds a prompt.
    """
    asked = urllib.request.Request(  # noqa: S310 - checked_url saw it
        url,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **headers},
        method="POST",
    )
    try:
        with _OPENER.open(asked, timeout=timeout_s) as response:
            answer = json.loads(response.read(MOST_BYTES))
    except urllib.error.HTTPError as exc:
        exc.close()
        raise PluginError(f"asked a service to moderate, found HTTP {exc.code}") from None
    except (OSError, ValueError, RecursionError) as exc:
        raise PluginError(f"asked a service to moderate, found {type(exc).__name__}") from None
    if not isinstance(answer, dict):
        raise PluginError("asked a service to moderate, found no JSON object")
    return answer


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry prompt and key to another host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def share(score: object) -> float:
    """Return a score 0..1.

    Raises:
        PluginError: it is missing or something else.
    """
    if isinstance(score, bool) or not isinstance(score, (int, float)) or not 0 <= score <= 1:
        raise PluginError("asked a service to moderate, found a score that is not within 0..1")
    return float(score)


def as_jpeg(picture: Picture) -> bytes:
    """The picture as JPEG, at most 2048 pixels a side and 4 MiB: what such services take."""
    from PIL import Image

    image = Image.fromarray(picture.pixels)
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    if min(image.size) < SHORTEST_SIDE:
        larger = (max(image.width, SHORTEST_SIDE), max(image.height, SHORTEST_SIDE))
        image = image.resize(larger)
    for quality in (90, 75, 50):
        with io.BytesIO() as file:
            image.save(file, "JPEG", quality=quality)
            if file.tell() <= MOST_BYTES:
                return file.getvalue()
    raise PluginError("asked to send a picture, found over 4 MiB of JPEG; draw smaller")


@hookimpl
def prompt_filter(settings: Settings) -> PromptFilter:
    """Make the prompt filter; settings: `url`, `model`, `key_env`, `timeout_s`."""
    return OpenAIModeration(**settings)  # type: ignore[arg-type]


@hookimpl
def image_filter(settings: Settings) -> ImageFilter:
    """Make the image filter; the same settings."""
    return OpenAIModeration(**settings, pictures=True)  # type: ignore[arg-type]
