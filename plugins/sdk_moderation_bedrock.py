"""Asks an AWS Bedrock guardrail about prompts and pictures.  They leave your machine.

    policy:  [[prompt_filters]]
             plugin = "bedrock-guardrail"
             settings = { guardrail = "gr-1234", version = "1", region = "eu-central-1" }

Both hooks; credentials are those that boto3 finds.  Needs the extra `bedrock`.  A content
filter's confidence NONE, LOW, MEDIUM or HIGH becomes 0, 0.3, 0.6 or 0.9, no probability; other
filters (prompt attacks), and whatever else the guardrail intervenes for (topics, words, personal
data), are the category `guardrail`.  A category that no content filter answers for is an error.
API: ApplyGuardrail (Amazon Bedrock runtime API reference).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sdk_moderation_openai import as_jpeg, checked_url

from sdk import Finding, ImageFilter, PluginError, PromptFilter, Settings, hookimpl

CATEGORIES: Mapping[str, str] = {
    "SEXUAL": "sexual",
    "VIOLENCE": "violence",
    "HATE": "hate",
    "INSULTS": "hate",
    "MISCONDUCT": "illegal",
}
SCORES: Mapping[str, float] = {"NONE": 0.0, "LOW": 0.3, "MEDIUM": 0.6, "HIGH": 0.9}


class BedrockGuardrail:
    """Measures prompts, or with `pictures` pictures.

    Args:
        guardrail: id or ARN.
        version: of the guardrail, or DRAFT.
        region: AWS region; empty is boto3's own choice.
        endpoint: another URL, for a private endpoint.
        timeout_s: seconds to wait for one call.

    Raises:
        PluginError: a setting is wrong, or boto3 is not installed.
    """

    def __init__(
        self,
        *,
        guardrail: str = "",
        version: str = "DRAFT",
        region: str = "",
        endpoint: str = "",
        timeout_s: float = 10.0,
        pictures: bool = False,
    ) -> None:
        if not isinstance(guardrail, str) or not guardrail:
            raise PluginError("asked for a Bedrock guardrail, found none named; give its id")
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError
        except ImportError as exc:
            raise PluginError(
                "asked for a Bedrock guardrail, found no boto3; "
                "run: pip install 'responsible-generation-sdk[bedrock]'"
            ) from exc
        once = {"total_max_attempts": 1}
        waits = Config(read_timeout=timeout_s, connect_timeout=timeout_s, retries=once)
        try:
            self._client: Any = boto3.client(
                "bedrock-runtime",
                region_name=region or None,
                endpoint_url=checked_url(endpoint) if endpoint else None,
                config=waits,
            )
        except (BotoCoreError, ValueError) as exc:
            raise PluginError(f"asked for a Bedrock guardrail, found {exc}; name a region") from exc
        self.categories: Sequence[str] = (*dict.fromkeys(CATEGORIES.values()), "guardrail")
        self._named = {"guardrailIdentifier": guardrail, "guardrailVersion": version}
        self._pictures = pictures

    def inspect(self, *asked: Any) -> Sequence[Finding]:
        """Return one finding for each category, over all texts or the picture."""
        if self._pictures:
            source = {"bytes": as_jpeg(asked[0])}
            content: list[dict[str, Any]] = [{"image": {"format": "jpeg", "source": source}}]
        else:
            content = [{"text": {"text": text}} for text in asked[0].texts]
        try:
            answer = self._client.apply_guardrail(
                **self._named,
                source="OUTPUT" if self._pictures else "INPUT",
                content=content,
                outputScope="FULL",  # otherwise only what the guardrail's own strength stops
            )
        except Exception as exc:  # noqa: BLE001 - botocore raises any kind, and quotes what was sent
            raise PluginError(f"asked a guardrail, found {type(exc).__name__}") from None
        _check_coverage(answer, "images" if self._pictures else "textCharacters")
        scores = _scores(answer)
        if silent := [name for name in self.categories if name not in scores]:
            kinds = ", ".join(kind for kind, ours in CATEGORIES.items() if ours in silent)
            raise PluginError(
                f"asked a guardrail about {', '.join(silent)}, found no content filter answering; "
                f"switch on one of {kinds} in the guardrail for each, or take it out of the policy"
            )
        return [
            Finding(category=name, score=scores[name], detector="bedrock guardrail")
            for name in self.categories
        ]


def _check_coverage(answer: Mapping[str, Any], kind: str) -> None:
    """Refuse an answer about less than was sent: a guardrail for texts lets every picture pass."""
    coverage = (answer.get("guardrailCoverage") or {}).get(kind)
    if coverage is None:
        raise PluginError(f"asked a guardrail, found no coverage of {kind} in its answer")
    guarded, total = coverage.get("guarded"), coverage.get("total")
    if not isinstance(guarded, int) or not isinstance(total, int) or not 0 < total <= guarded:
        raise PluginError(
            f"asked a guardrail about {total} {kind}, found {guarded} of them guarded; give it "
            "content filters for them, or take it out of the policy"
        )


def _scores(answer: Mapping[str, Any]) -> dict[str, float]:
    action = answer.get("action")
    if action not in ("NONE", "GUARDRAIL_INTERVENED"):
        raise PluginError("asked a guardrail, found an answer without an action")
    scores: dict[str, float] = {"guardrail": float(action == "GUARDRAIL_INTERVENED")}
    for assessment in answer.get("assessments") or ():
        for filter_ in (assessment.get("contentPolicy") or {}).get("filters") or ():
            ours = CATEGORIES.get(filter_.get("type", ""), "guardrail")
            score = SCORES.get(filter_.get("confidence", ""))
            if score is None:
                raise PluginError("asked a guardrail, found a confidence of another kind")
            scores[ours] = max(score, scores.get(ours, 0.0))
    return scores


@hookimpl
def prompt_filter(settings: Settings) -> PromptFilter:
    """Make the prompt filter; settings: `guardrail`, `version`, `region`, `endpoint`."""
    return BedrockGuardrail(**settings)  # type: ignore[arg-type]


@hookimpl
def image_filter(settings: Settings) -> ImageFilter:
    """Make the image filter; the same settings."""
    return BedrockGuardrail(**settings, pictures=True)  # type: ignore[arg-type]
