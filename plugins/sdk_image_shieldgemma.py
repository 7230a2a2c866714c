"""Asks ShieldGemma 2 about every picture, with weights that you give.

    policy:  [[image_filters]]
             plugin = "shieldgemma"
             timeout_s = 120.0
             [image_filters.settings]
             folder = "~/models/shieldgemma-2-4b-it"

ShieldGemma 2 (Google, 4B parameters; Gemma's terms of use, not an open-source licence) answers for
each of three policies whether the picture violates it.  The score is its probability of "Yes"
against "No", for `sexual`, `violence` and `dangerous`; every category needs a rule.  Nothing is
downloaded.  Needs the extra `generate` (transformers).  Tested with tiny random weights of the
real class; how good the real ones are was not measured here: `sdk bench safety --pictures`.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sdk import Finding, ImageFilter, Picture, PluginError, Request, Settings, hookimpl

CATEGORIES = ("sexual", "violence", "dangerous")
"""Keys of the model's own policies."""
DTYPES = ("float32", "bfloat16", "float16")


class ShieldGemmaFilter:
    """Measures three categories with one forward pass over three questions.

    Args:
        folder: the model as `save_pretrained` leaves it: safetensors, config and processor.
        device: a torch device, such as `cpu` or `cuda`.
        dtype: one of DTYPES.

    Raises:
        PluginError: a setting is wrong, transformers is not installed, or the folder holds no
            ShieldGemma 2 in safetensors.
    """

    categories: Sequence[str] = CATEGORIES

    def __init__(self, *, folder: str = "", device: str = "cpu", dtype: str = "float32") -> None:
        place = Path(folder).expanduser() if folder and isinstance(folder, str) else None
        if place is None or not place.is_dir():
            raise PluginError(
                f"asked for ShieldGemma in {folder!r}, found no folder; give its path"
            )
        if dtype not in DTYPES:
            raise PluginError(f"asked for dtype {dtype!r}; give one of {', '.join(DTYPES)}")
        self._sha256 = digest_of(place)
        self._model, self._processor = load(
            "ShieldGemma2ForImageClassification", "ShieldGemma 2", place, device, dtype
        )
        self._turn = threading.Lock()

    def inspect(self, picture: Picture, request: Request) -> Sequence[Finding]:
        """Return the probability that each policy is violated."""
        import torch
        from PIL import Image

        image = Image.fromarray(picture.pixels)
        with self._turn, torch.inference_mode():
            asked = self._processor(
                images=[image], policies=list(CATEGORIES), return_tensors="pt"
            ).to(self._model.device, self._model.dtype)
            yes = self._model(**asked).probabilities[:, 0].float().cpu()
        if yes.shape != (len(CATEGORIES),) or not torch.isfinite(yes).all():
            raise PluginError("asked ShieldGemma about a picture, found no finite probabilities")
        return [
            Finding(
                category=category,
                score=min(1.0, max(0.0, float(score))),
                detector="ShieldGemma 2",
                weights_sha256=self._sha256,
            )
            for category, score in zip(CATEGORIES, yes, strict=True)
        ]


def digest_of(folder: Path) -> str:
    """SHA-256 over name and SHA-256 of every weights file, in order of name.

    Raises:
        PluginError: there is none.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise PluginError(
            f"asked for weights in {folder.name}, found no .safetensors; copy the model again"
        )
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            whole.update(
                f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode()
            )
    return whole.hexdigest()


def load(kind: str, name: str, folder: Path, device: str, dtype: str) -> tuple[Any, Any]:
    """Open a model of a class of transformers, and its processor; nothing is downloaded.

    Raises:
        PluginError: transformers is not installed, or the folder holds no whole model of it.
    """
    try:
        import torch
        import transformers
        from transformers.utils import logging
    except ImportError as exc:
        raise PluginError(
            f"asked for {name}, found no {exc.name}; "
            "run: pip install 'responsible-generation-sdk[generate]'"
        ) from exc
    logging.disable_progress_bar()
    try:
        model, said = getattr(transformers, kind).from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            dtype=getattr(torch, dtype),
            output_loading_info=True,
        )
        processor = transformers.AutoProcessor.from_pretrained(folder, local_files_only=True)
        if said["missing_keys"]:
            raise PluginError(
                f"asked to load {folder.name}, found weights without "
                f"{min(said['missing_keys'])}; they would be random: give the whole model"
            )
        return model.to(device).eval(), processor
    except PluginError:
        raise
    except Exception as exc:  # transformers, torch and safetensors raise their own kinds
        raise PluginError(
            f"asked to load {folder.name} as {name}, found {type(exc).__name__}: {exc}"
        ) from exc


@hookimpl
def image_filter(settings: Settings) -> ImageFilter:
    """Make the filter; settings: `folder`, `device`, `dtype`."""
    return ShieldGemmaFilter(**settings)  # type: ignore[arg-type]
