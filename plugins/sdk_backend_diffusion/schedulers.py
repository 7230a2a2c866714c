"""Schedulers by their diffusers class name, fresh for every call."""

from __future__ import annotations

import copy
import inspect
from typing import Any

from sdk import RequestError


def compatible(pipe: Any) -> dict[str, type]:
    """Return name → class of every scheduler that understands the model's schedule."""
    own = getattr(pipe, "scheduler", None)
    if own is None:
        return {}
    classes = [type(own), *getattr(own, "compatibles", ())]
    return {  # diffusers puts dummies with `_backends` where a dependency is missing
        cls.__name__: cls for cls in classes if not hasattr(cls, "_backends")
    }


def fresh(pipe: Any, name: str) -> Any:
    """Return a scheduler of its own for one call: the model's, or the named class.

    Schedulers keep the step index and past outputs in themselves, so one that is shared by
    threads draws wrong pictures or raises (huggingface/diffusers#3672).

    Raises:
        RequestError: no such class, or not for this model's schedule.
    """
    if not name or name == type(pipe.scheduler).__name__:
        return copy.deepcopy(pipe.scheduler)
    classes = compatible(pipe)
    if name not in classes:
        raise RequestError(
            f"asked for scheduler {name}, found that this model works with "
            f"{', '.join(sorted(classes)) or 'its own only'}; use one of these"
        )
    cls = classes[name]
    takes = inspect.signature(cls).parameters
    return cls.from_config(  # type: ignore[attr-defined]
        {key: value for key, value in pipe.scheduler.config.items() if key in takes}
    )
