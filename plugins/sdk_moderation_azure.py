"""Asks Azure AI Content Safety about prompts and pictures.  They leave your machine.

    policy:  [[prompt_filters]]
             plugin = "azure-content-safety"
             settings = { endpoint = "https://NAME.cognitiveservices.azure.com" }

Both hooks; the key comes from the environment variable that `key_env` names.  A severity of 0..7
(texts) or 0, 2, 4, 6 (pictures) becomes a share of the highest one: 4 of 7 is 0.57.  It is no
probability.  API: text:analyze and image:analyze, version 2024-09-01 (Azure AI Content Safety
REST reference).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from sdk_moderation_openai import as_jpeg, checked_url, post_json, secret

from sdk import Finding, ImageFilter, PluginError, PromptFilter, Settings, hookimpl

VERSION = "2024-09-01"
CATEGORIES: Mapping[str, str] = {
    "sexual": "Sexual",
    "violence": "Violence",
    "hate": "Hate",
    "self_harm": "SelfHarm",
}
MOST_CHARACTERS = 10_000
"""Of one call; a longer text is sent in pieces."""
TEXT_LEVELS, PICTURE_LEVELS = 7, 6


class AzureContentSafety:
    """Measures prompts, or with `pictures` pictures.

    Args:
        endpoint: of your resource.
        key_env: environment variable with its key.
        timeout_s: seconds to wait for one call.

    Raises:
        PluginError: a setting is wrong, or there is no key.
    """

    def __init__(
        self,
        *,
        endpoint: str = "",
        key_env: str = "AZURE_CONTENT_SAFETY_KEY",
        timeout_s: float = 10.0,
        pictures: bool = False,
    ) -> None:
        self.categories: Sequence[str] = tuple(CATEGORIES)
        kind = "image" if pictures else "text"
        base = checked_url(endpoint).rstrip("/")
        self._url = f"{base}/contentsafety/{kind}:analyze?api-version={VERSION}"
        self._headers = {"Ocp-Apim-Subscription-Key": secret(key_env)}
        self._timeout, self._pictures = float(timeout_s), pictures

    def inspect(self, *asked: Any) -> Sequence[Finding]:
        """Return one finding for each category: the highest over all texts, or the picture."""
        if self._pictures:
            content = base64.b64encode(as_jpeg(asked[0])).decode("ascii")
            bodies: list[dict[str, Any]] = [{"image": {"content": content}}]
            levels, output = PICTURE_LEVELS, "FourSeverityLevels"
        else:
            pieces = [
                text[i : i + MOST_CHARACTERS]
                for text in asked[0].texts
                for i in range(0, len(text), MOST_CHARACTERS)
            ]
            bodies = [{"text": piece} for piece in pieces]
            levels, output = TEXT_LEVELS, "EightSeverityLevels"
        answers = [self._ask(body | {"outputType": output}, levels) for body in bodies]
        return [
            Finding(
                category=ours,
                score=max(answer[ours] for answer in answers) / levels,
                detector=f"azure content safety {VERSION}",
                note="severity as a share of the highest",
            )
            for ours in self.categories
        ]

    def _ask(self, body: Mapping[str, Any], levels: int) -> dict[str, int]:
        whole = {**body, "categories": list(CATEGORIES.values())}
        answer = post_json(self._url, whole, self._headers, self._timeout)
        rows = answer.get("categoriesAnalysis")
        found = {
            row.get("category"): row.get("severity")
            for row in (rows if isinstance(rows, list) else [])
            if isinstance(row, dict)
        }
        return {ours: _severity(found.get(theirs), levels) for ours, theirs in CATEGORIES.items()}


def _severity(value: object, levels: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= levels:
        raise PluginError(f"asked Azure for a severity 0..{levels}, found another answer")
    return value


@hookimpl
def prompt_filter(settings: Settings) -> PromptFilter:
    """Make the prompt filter; settings: `endpoint`, `key_env`, `timeout_s`."""
    return AzureContentSafety(**settings)  # type: ignore[arg-type]


@hookimpl
def image_filter(settings: Settings) -> ImageFilter:
    """Make the image filter; the same settings."""
    return AzureContentSafety(**settings, pictures=True)  # type: ignore[arg-type]
