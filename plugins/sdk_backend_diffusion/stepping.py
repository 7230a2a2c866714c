"""One pipeline object for one call: private schedulers, whose steps report and cancel.

`callback_on_step_end` is missing in 52 of diffusers' 249 pipeline files, and its `_interrupt` flag
still decodes and returns the half-denoised picture.  Wrapping `scheduler.step` works in all of
them, and raising there leaves nothing to return.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

from sdk import Watch

from .previews import shown
from .schedulers import fresh


def private(pipe: Any, scheduler: str, watch: Watch) -> Any:
    """Return a copy of `pipe` that shares its weights and nothing that a call changes."""
    own = copy.copy(pipe)
    for name, part in pipe.components.items():
        if not callable(getattr(part, "set_timesteps", None)):
            continue
        mine = fresh(pipe, scheduler) if name == "scheduler" else copy.deepcopy(part)
        mine.step = _counted(mine, own, watch, looks=name == "scheduler")
        setattr(own, name, mine)
    return own


def _counted(scheduler: Any, pipe: Any, watch: Watch, *, looks: bool) -> Callable[..., Any]:
    plain = scheduler.step
    done = 0

    @functools.wraps(plain)  # pipelines look at the signature to see what step takes
    def step(*args: Any, **kwargs: Any) -> Any:
        nonlocal done
        result = plain(*args, **kwargs)
        done += 1
        total = getattr(pipe, "_num_timesteps", None) or len(scheduler.timesteps)
        watch.step(done, max(done, int(total)))
        if looks and getattr(watch, "wants_look", False):
            watch.look(shown(pipe, scheduler, args, result))  # type: ignore[attr-defined]
        return result

    return step
