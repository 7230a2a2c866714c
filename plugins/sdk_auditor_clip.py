"""Estimates perceived attributes with a CLIP model whose weights, words and errors you give.

    [[auditors]]
    plugin = "clip"
    [auditors.settings]
    weights = "~/models/clip-vit-b-32.safetensors"
    sha256 = "…"                               # of that file: another one is refused
    licence = "MIT"
    domain = "photographs of one adult, validated on 600 of ours"
    [auditors.settings.attributes.perceived_gender]
    woman = ["a photo of a woman"]
    man = ["a photo of a man"]
    none = ["a photo without any person"]
    [auditors.settings.confusion.perceived_gender]        # from pictures that people labelled
    labels = ["woman", "man"]
    counts = [[290, 10], [12, 288]]                       # counts[truth][answer]
    measured_on = "600 photographs, three raters each, June 2026"

Zero-shot classification with an ensemble of texts (Radford et al., arXiv:2103.00020, sections 3.1.2
and 3.1.4): the texts of a value are averaged as unit vectors, and a softmax over the values at the
model's own temperature gives the shares.  Where the best value leads the next by less than
`margin` the picture is an abstention.  CLIP answers about anything, and cannot see that a picture
is outside `domain`: that is for you to know.  Without `confusion` a report takes the answers at
their word, and says so.  There is no estimator of race here, and none can be configured.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sdk_image_concepts import load

from sdk import (
    Auditor,
    Confusion,
    DataError,
    Estimate,
    Finding,
    Picture,
    Pixels,
    PluginError,
    Request,
    Sampler,
    Settings,
    findings_of,
    hookimpl,
)

_NOT_OURS = re.compile(r"rac(e|ial)|ethni|nationalit|religio|sexual|disab", re.I)
"""Of a name: special categories (Article 9 GDPR) that no picture tells."""
_NAME = re.compile(r"perceived_[a-z_]{1,60}")
Table = Mapping[str, Mapping[str, Any]]


class Clip:
    """Measures on one CPU thread; safe to share between threads.

    Raises:
        PluginError: a setting is missing or wrong, the file is another than `sha256` says or of
            another model, or open_clip is not installed.
    """

    id = "clip"
    version = "1"

    def __init__(
        self,
        *,
        weights: str = "",
        sha256: str = "",
        licence: str = "",
        domain: str = "",
        attributes: Table | None = None,
        confusion: Table | None = None,
        model: str = "ViT-B-32",
        margin: float = 0.2,
        sample_rate: float = 1.0,
        budget_ms: float = 0.0,
    ) -> None:
        if not all(isinstance(t, str) and t.strip() for t in (licence, domain)):
            raise PluginError(
                "asked for an estimator by CLIP without licence or domain; say under which licence "
                "the weights are, and on which pictures the answers were checked"
            )
        if not isinstance(margin, (int, float)) or not 0 <= margin < 1:
            raise PluginError(f"asked for margin {margin!r}; give a share from 0 to below 1")
        self.licence, self.domain, self._margin = licence, domain, float(margin)
        texts = _texts_of(attributes or {})
        self.attributes: Mapping[str, tuple[str, ...]] = {
            name: tuple(values) for name, values in texts.items()
        }
        self.confusion: Mapping[str, Confusion] = _confusions(confusion or {}, self.attributes)
        self._sampler = Sampler(sample_rate, budget_ms)
        path = _checked(weights, sha256)
        self.weights_sha256 = sha256.lower()
        self._net, self._look, tokens = load("an estimator by CLIP", model, path)
        self._rows = {
            name: np.stack([_mean_of(self._net, tokens(said)) for said in values.values()])
            for name, values in texts.items()
        }
        self._scale = float(self._net.logit_scale.detach().exp())
        self._turn = threading.Lock()

    def audit(self, picture: Picture, request: Request) -> list[Finding]:
        """Return a finding for each attribute that is answered; none for a picture not sampled."""
        if not self._sampler.wants(picture):
            return []
        with self._sampler.timed():
            return findings_of(self, self.estimate(picture.pixels))

    def estimate(self, pixels: Pixels, /) -> list[Estimate]:
        """Measure (H, W, 3) uint8 RGB: every attribute, each answered or abstained."""
        import torch
        from PIL import Image

        with self._turn, torch.inference_mode():
            seen = self._look(Image.fromarray(pixels)).unsqueeze(0)
            feature = self._net.encode_image(seen, normalize=True)[0].float().numpy()
        return [self._answer(name, self._scale * (r @ feature)) for name, r in self._rows.items()]

    def _answer(self, name: str, logits: np.ndarray[Any, np.dtype[np.float32]]) -> Estimate:
        if not np.isfinite(logits).all():
            raise PluginError("asked a CLIP model about a picture, found no finite number")
        powers = np.exp((logits - logits.max()).astype(float))
        shares = powers / powers.sum()
        second, best = np.sort(shares)[-2:]
        if best - second < self._margin:
            why = f"the best value leads by {best - second:.2f}, below {self._margin:g}"
            return Estimate(attribute=name, abstained=why)
        named = zip(self.attributes[name], map(float, shares), strict=True)
        return Estimate(attribute=name, probabilities=dict(named))


def _texts_of(given: Table) -> dict[str, dict[str, list[str]]]:
    if not isinstance(given, Mapping) or not given:
        raise PluginError(
            "asked for an estimator by CLIP, found no attributes; give attributes."
            'perceived_gender = { woman = ["a photo of a woman"], man = ["a photo of a man"] }'
        )
    for name, values in given.items():
        if not _NAME.fullmatch(name) or _NOT_OURS.search(name):
            raise PluginError(
                f"asked to estimate {name!r}; attributes are perceived presentation "
                "(perceived_gender, perceived_age_group …), and race, faith, health and the like "
                "are not estimated from pictures"
            )
        if not isinstance(values, Mapping) or len(values) < 2:
            raise PluginError(f"asked for {name} with fewer than two values; give texts for two")
        for value, texts in values.items():
            some = isinstance(texts, Sequence) and not isinstance(texts, str) and len(texts) > 0
            if not some or not all(isinstance(text, str) and text.strip() for text in texts):
                raise PluginError(f"asked for {name} {value!r}: {texts!r}; give a list of texts")
    return {name: {v: list(texts) for v, texts in values.items()} for name, values in given.items()}


def _confusions(given: Table, known: Mapping[str, tuple[str, ...]]) -> dict[str, Confusion]:
    found = {}
    for name, table in given.items():
        try:
            found[name] = Confusion(
                labels=tuple(table["labels"]),
                counts=tuple(tuple(map(int, row)) for row in table["counts"]),
                abstained=tuple(map(int, table.get("abstained", ()))),
                measured_on=str(table["measured_on"]),
            )
        except (DataError, KeyError, TypeError, ValueError, AttributeError) as exc:
            raise PluginError(
                f"asked for the confusion matrix of {name}, found {type(exc).__name__}: {exc}; "
                "give labels, counts[truth][answer] and measured_on"
            ) from exc
        if name not in known or set(found[name].labels) - set(known[name]):
            raise PluginError(
                f"asked for the confusion matrix of {name}, found labels of other values; the "
                f"attributes here are {', '.join(known)}"
            )
    return found


def _checked(weights: object, sha256: object) -> Path:
    path = Path(weights).expanduser() if isinstance(weights, str) and weights else None
    if path is None or not path.is_file():
        raise PluginError(f"asked for weights {weights!r}, found no file; give its path")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if not isinstance(sha256, str) or sha256.lower() != found:
        raise PluginError(
            f"asked for weights with SHA-256 {sha256!r}, found {path.name} with {found}; an audit "
            "names the very weights that answered: give the file you checked, or its digest"
        )
    return path


def _mean_of(net: Any, tokens: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(width,) float32: the mean of unit vectors, of unit length again."""
    import torch

    with torch.inference_mode():
        mean = net.encode_text(tokens, normalize=True).float().numpy().mean(0)
    found: np.ndarray[Any, np.dtype[np.float32]] = mean / np.linalg.norm(mean)
    return found


@hookimpl
def auditor(settings: Settings) -> Auditor:
    """Make the estimator; the settings are the constructor's arguments."""
    return Clip(**settings)  # type: ignore[arg-type]
