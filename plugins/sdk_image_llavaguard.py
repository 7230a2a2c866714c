"""Asks LlavaGuard about every picture, with weights and a policy text that you give.

    policy:  [[image_filters]]
             plugin = "llavaguard"
             timeout_s = 120.0
             [image_filters.settings]
             folder = "~/models/LlavaGuard-v1.2-0.5B-OV-hf"
             question = "llavaguard-policy.txt"      # the policy text of its model card, or yours

LlavaGuard (Helff et al., arXiv:2406.05113) answers `{"rating": "Unsafe", "category": "O3: …"}`.  It
is not left to write: the answer is begun, and the probability of its next words is read.
`unsafe` is that of "Unsafe" against "Safe"; the others are that times the share of their category
among O1 to O9 of its taxonomy.  Every category needs a rule.  Nothing is downloaded.  Needs the
extra `generate` (transformers).  Tested with tiny random weights of the real class; how good the
real ones are was not measured here.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from sdk_image_shieldgemma import DTYPES, digest_of, load

from sdk import Finding, ImageFilter, Picture, PluginError, Request, Settings, hookimpl

RATING = '{\n    "rating": "'
"""How its answers begin in training: `json.dumps(…, indent=4)` of rating, category and rationale
(ml-research/LlavaGuard at 840699c, llavaguard/taxonomy/assessment.py)."""
RATINGS = ("Safe", "Unsafe")
CATEGORY = RATING + 'Unsafe",\n    "category": "O'
TAXONOMY = (
    "hate", "violence", "sexual", "sexual", "illegal", "illegal", "self_harm", "violence",
    "disaster",
)  # fmt: skip
"""Our category for O1 … O9: hate; violence; sexual content; nudity; criminal planning; weapons or
substance abuse; self-harm; cruelty to animals; disasters (`categories_v3` in the same file)."""
DIGITS = "123456789"
CATEGORIES = ("unsafe", *dict.fromkeys(TAXONOMY))


class LlavaGuardFilter:
    """Measures `unsafe` and six categories with two forward passes.

    Args:
        folder: a LLaVA-OneVision model as `save_pretrained` leaves it, in safetensors.
        question: a text file with the safety policy that the model is asked about.
        device: a torch device, such as `cpu` or `cuda`.
        dtype: `float32`, `bfloat16` or `float16`.

    Raises:
        PluginError: a setting is wrong, transformers is not installed, or the folder holds no such
            model.
    """

    categories: Sequence[str] = CATEGORIES

    def __init__(
        self, *, folder: str = "", question: str = "", device: str = "cpu", dtype: str = "float32"
    ) -> None:
        place = Path(folder).expanduser() if folder and isinstance(folder, str) else None
        if place is None or not place.is_dir():
            raise PluginError(f"asked for LlavaGuard in {folder!r}, found no folder; give one")
        if dtype not in DTYPES:
            raise PluginError(f"asked for dtype {dtype!r}; give one of {', '.join(DTYPES)}")
        self._question = _text(question)
        self._sha256 = digest_of(place)
        self._model, self._processor = load(
            "LlavaOnevisionForConditionalGeneration", "LlavaGuard", place, device, dtype
        )
        self._ratings = self._firsts(RATINGS, RATING)
        self._digits = self._firsts(DIGITS, CATEGORY)
        self._turn = threading.Lock()

    def inspect(self, picture: Picture, request: Request) -> Sequence[Finding]:
        """Return how likely the answer is "Unsafe", over all and by category."""
        from PIL import Image

        image = Image.fromarray(picture.pixels)
        with self._turn:
            _, unsafe = self._shares(image, RATING, self._ratings)
            digits = self._shares(image, CATEGORY, self._digits)
        scores = dict.fromkeys(CATEGORIES, 0.0) | {"unsafe": unsafe}
        for category, share in zip(TAXONOMY, digits, strict=True):
            scores[category] += unsafe * share
        return [
            Finding(
                category=category,
                score=min(1.0, score),
                detector="LlavaGuard",
                weights_sha256=self._sha256,
            )
            for category, score in scores.items()
        ]

    def _shares(self, image: object, begun: str, tokens: Sequence[int]) -> list[float]:
        """The probabilities of some next tokens among themselves, after a begun answer."""
        import torch

        talk = [
            {
                "role": "user",
                "content": [{"type": "image"}, {"type": "text", "text": self._question}],
            }
        ]
        said = self._processor.apply_chat_template(talk, add_generation_prompt=True) + begun
        with torch.inference_mode():
            asked = self._processor(images=[image], text=[said], return_tensors="pt")
            asked = asked.to(self._model.device, self._model.dtype)
            logits = self._model(**asked).logits[0, -1, list(tokens)].float().cpu()
        shares = torch.softmax(logits, -1)
        if not torch.isfinite(shares).all():
            raise PluginError("asked LlavaGuard about a picture, found no finite probabilities")
        return [float(share) for share in shares]

    def _firsts(self, words: Sequence[str], begun: str) -> list[int]:
        """The first token of each word after a begun answer; they must differ.

        Raises:
            PluginError: the tokenizer cannot tell them apart.
        """
        encode = self._processor.tokenizer.encode
        before = encode(begun, add_special_tokens=False)
        after = [encode(begun + word, add_special_tokens=False) for word in words]
        whole = all(ids[: len(before)] == before and len(ids) > len(before) for ids in after)
        firsts = [ids[len(before)] for ids in after] if whole else []
        if len(set(firsts)) < len(words):
            raise PluginError(
                f"asked LlavaGuard's tokenizer for {', '.join(words)}, found that it cannot tell "
                "them apart; give the model's own tokenizer"
            )
        return firsts


def _text(question: object) -> str:
    if not isinstance(question, str) or not question:
        raise PluginError(
            "asked LlavaGuard about pictures, found no question; give a file with a safety policy, "
            "such as the text on the model's card"
        )
    try:
        text = Path(question).expanduser().read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise PluginError(f"asked for the question {question}, found {exc}; give a text") from exc
    if not text:
        raise PluginError(f"asked for the question {question}, found an empty file; give a text")
    return text


@hookimpl
def image_filter(settings: Settings) -> ImageFilter:
    """Make the filter; settings: `folder`, `question`, `device`, `dtype`."""
    return LlavaGuardFilter(**settings)  # type: ignore[arg-type]
