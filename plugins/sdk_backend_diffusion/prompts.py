"""Whether a model can read all of a prompt, and tokenizers that threads can share."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from sdk import RequestError

from .ability import parameters

_ENCODES = ("__call__", "tokenize", "encode", "_encode_plus", "_batch_encode_plus")
_UNBOUNDED = 100_000
"""transformers gives 10**30 as the limit of a tokenizer that knows none."""


def make_shareable(pipe: Any) -> None:
    """Let threads share the pipeline's tokenizers.

    A fast tokenizer keeps padding and truncation as state, and pipelines use it three times for
    each prompt (`tokenize` for textual inversion, padded, unpadded).  Without turns about one of
    150 pictures that four threads drew at once was another picture, and some failed.
    """
    for part in tokenizers(pipe):
        part.__class__ = _in_turns(type(part))


def tokenizers(pipe: Any) -> list[Any]:
    """Return the text tokenizers of a pipeline."""
    return [part for part in pipe.components.values() if hasattr(part, "model_max_length")]


def check_length(pipe: Any, prompt: str, field: str) -> None:
    """Refuse a prompt that no text encoder of the pipeline reads to its end.

    diffusers draws what fits and says so in a log.  A picture of half of what was asked is not
    what was asked.

    Raises:
        RequestError: too many tokens; the message says how many are too many.
    """
    lengths = [(_count(part, prompt), _limit(pipe, part)) for part in tokenizers(pipe)]
    if not lengths or any(count <= limit for count, limit in lengths):
        return
    count, limit = max(lengths, key=lambda pair: pair[1])
    raise RequestError(
        f"asked for a {field} of {count} tokens, found a text encoder that reads {limit}; "
        "shorten it, or set truncate_prompts = true to draw what fits"
    )


def _count(tokenizer: Any, prompt: str) -> int:
    return len(tokenizer(prompt, truncation=False, padding=False, verbose=False).input_ids)


def _limit(pipe: Any, tokenizer: Any) -> int:
    """A tokenizer's own limit; T5 pipelines set theirs by `max_sequence_length`."""
    own = int(min(tokenizer.model_max_length, _UNBOUNDED))
    given = parameters(type(pipe)).get("max_sequence_length")
    if given is None or not isinstance(given.default, int) or "CLIP" in type(tokenizer).__name__:
        return own
    return min(own, given.default)


def _in_turns(cls: type) -> type:
    """A subclass of a tokenizer class whose encoding methods wait for each other."""
    turn = threading.RLock()
    locked = {name: _locked(getattr(cls, name), turn) for name in _ENCODES if hasattr(cls, name)}
    return type(cls.__name__, (cls,), {**locked, "__module__": cls.__module__})


def _locked(method: Callable[..., Any], turn: threading.RLock) -> Callable[..., Any]:
    @functools.wraps(method)
    def wait(*args: Any, **kwargs: Any) -> Any:
        with turn:
            return method(*args, **kwargs)

    return wait
