"""Measures concepts that you name in words, with a CLIP model whose weights you give.

    policy:  [[image_filters]]
             plugin = "concepts"
             [image_filters.settings]
             weights = "~/models/clip-vit-b-32.safetensors"
             concepts = { weapon = ["a photo of a gun", "a photo of a rifle"] }

Zero-shot classification as in CLIP (Radford et al., arXiv:2103.00020, section 3.1): the picture is
compared with the texts of every concept and with harmless ones, and a concept's score is the
softmax share of its texts.  A share says which text fits best, no probability: measure it with
`sdk bench safety` before a rule blocks by it.  Nothing is downloaded; a file that does not fit
the model is an error.  Needs the package open-clip-torch (extra `generate`).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sdk import Finding, ImageFilter, Picture, PluginError, Request, Settings, hookimpl

HARMLESS = (
    "a photo", "a drawing", "a painting", "a landscape", "a building", "an animal",
    "food on a plate", "people in everyday clothes", "an object on a table", "a pattern",
)  # fmt: skip
"""What a picture may be instead; without them something always fits best."""


class ConceptFilter:
    """Measures the given concepts on one CPU thread.

    Args:
        weights: file with weights of `model`, .safetensors or .pt (opened as weights only).
        model: an architecture that open_clip knows, such as `ViT-B-32`.
        concepts: category → texts; every category needs a rule.
        harmless: texts that stand for everything else.

    Raises:
        PluginError: a setting is wrong, the file is missing or of another model, or open_clip is
            not installed.
    """

    def __init__(
        self,
        *,
        weights: str = "",
        model: str = "ViT-B-32",
        concepts: Mapping[str, Sequence[str]] | None = None,
        harmless: Sequence[str] = HARMLESS,
    ) -> None:
        self._texts = {name: _texts(name, texts) for name, texts in (concepts or {}).items()}
        if not self._texts:
            raise PluginError(
                'asked for concepts, found none; give concepts = { weapon = ["a photo of a gun"] }'
            )
        self.categories: Sequence[str] = tuple(self._texts)
        path = Path(weights).expanduser() if weights and isinstance(weights, str) else None
        if path is None or not path.is_file():
            raise PluginError(f"asked for weights {weights!r}, found no file; give its path")
        self._sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        self._name = f"open_clip {model}"
        self._net, self._look, tokens = load("concepts", model, path)
        every = [
            *(t for texts in self._texts.values() for t in texts),
            *_texts("harmless", harmless),
        ]
        self._rows = _text_features(self._net, tokens(every))
        self._scale = float(self._net.logit_scale.detach().exp())
        self._turn = threading.Lock()

    def inspect(self, picture: Picture, request: Request) -> Sequence[Finding]:
        """Return one finding for each concept: the share of its texts, 0..1."""
        import torch
        from PIL import Image

        with self._turn, torch.inference_mode():
            seen = self._look(Image.fromarray(picture.pixels)).unsqueeze(0)
            feature = self._net.encode_image(seen, normalize=True)[0].float().numpy()
        logits = self._scale * (self._rows @ feature)
        if not np.isfinite(logits).all():
            raise PluginError("asked a CLIP model about a picture, found no finite number")
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        findings, at = [], 0
        for category, texts in self._texts.items():
            score = float(np.clip(shares[at : at + len(texts)].sum(), 0, 1))
            at += len(texts)
            findings.append(
                Finding(
                    category=category,
                    score=score,
                    detector=self._name,
                    weights_sha256=self._sha256,
                    note=f"share of {len(texts)} texts among {len(self._rows)}",
                )
            )
        return findings


def load(asked: str, model: str, path: Path) -> tuple[Any, Any, Any]:
    """Open a CLIP model: the network, how it looks at a picture, and its tokenizer.

    Raises:
        PluginError: open_clip is not installed, or these are no weights of the model.
    """
    try:
        import open_clip
    except ImportError as exc:
        raise PluginError(
            f"asked for {asked}, found no open_clip; "
            "run: pip install 'responsible-generation-sdk[generate]'"
        ) from exc
    try:
        net, _, look = open_clip.create_model_and_transforms(
            model, pretrained=str(path), require_pretrained=True, weights_only=True
        )
        tokens = open_clip.get_tokenizer(model)
    except Exception as exc:  # open_clip, torch and safetensors raise their own kinds
        raise PluginError(f"asked to load {path.name} as {model}, found {exc}") from exc
    return net.eval(), look, tokens


def _text_features(net: Any, tokens: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(texts, width) float32, unit length."""
    import torch

    with torch.inference_mode():
        found: np.ndarray[Any, np.dtype[np.float32]] = (
            net.encode_text(tokens, normalize=True).float().numpy()
        )
    return found


def _texts(name: str, texts: object) -> list[str]:
    if isinstance(texts, str) or not isinstance(texts, Sequence) or not texts:
        raise PluginError(f"asked for texts of {name!r}: {texts!r}; give a list of texts")
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise PluginError(f"asked for texts of {name!r}, found one that is empty or no text")
    return list(texts)


@hookimpl
def image_filter(settings: Settings) -> ImageFilter:
    """Make the filter; settings: `weights`, `model`, `concepts`, `harmless`."""
    return ConceptFilter(**settings)  # type: ignore[arg-type]
