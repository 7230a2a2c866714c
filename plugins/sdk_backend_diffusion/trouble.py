"""Turns what diffusers, transformers, safetensors and torch raise into errors of ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sdk import BackendError, SDKError

LOWER_PRECISION = (
    "the weights probably overflow in this dtype: set dtype = float32 (or bfloat16), "
    "or use a VAE made for float16"
)
_DRAWING = "try other steps, size or scheduler; if all fail, the model and diffusers do not fit"
_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc")


def explain(
    exc: Exception,
    asked: str,
    folder: Path | None = None,
    texts: Sequence[str] = (),
    advice: str = "",
) -> SDKError:
    """Return the error to raise for `exc`; errors of ours come back as they are.

    `texts` (prompts) and the path of `folder` never appear in the message.
    """
    if isinstance(exc, SDKError):
        return exc
    message = " ".join(str(exc).split())
    if isinstance(exc, MemoryError) or any(sign in message.lower() for sign in _MEMORY):
        return BackendError(
            f"asked to {asked}, found too little memory; lower the size or max_batch, use "
            "dtype = float16 on an accelerator, or a smaller model"
        )
    if folder is not None:
        message = message.replace(str(folder), folder.name)
    for text in sorted(texts, key=len, reverse=True):
        message = message.replace(text, "…") if len(text) > 2 else message
    advice = advice or (_DRAWING if folder is None else _advice(exc, message))
    return BackendError(f"asked to {asked}, found {type(exc).__name__}: {message[:300]}; {advice}")


def _advice(exc: Exception, message: str) -> str:
    kind = type(exc).__name__
    if kind == "SafetensorError" or "safetensors" in message or isinstance(exc, OSError):
        return "a file is missing or damaged: copy the model again"
    if isinstance(exc, ImportError):
        return "install what it names"
    if "size mismatch" in message or "shape" in message:
        return "weights and config do not belong together: copy the model again"
    return "check the folder against the pipeline's documentation"
