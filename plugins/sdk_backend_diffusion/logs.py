"""Keeps prompts out of log files, and library chatter off the terminal.

diffusers logs the part of a prompt that its text encoder does not read ("The following part of
your input was truncated because CLIP can only handle sequences up to 77 tokens: [...]"), in 422
places of its source.  A prompt is never written to a log here, so those lines are dropped.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator


class NoPrompts(logging.Filter):
    """Drops records that quote a prompt."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the record may be written."""
        return "was truncated because" not in str(record.msg)


_FILTER = NoPrompts()


def keep_prompts_out(pipeline: type) -> None:
    """Filter the loggers of a pipeline class and its bases; calling it twice is harmless."""
    for cls in pipeline.__mro__:
        if cls.__module__.startswith("diffusers."):
            logging.getLogger(cls.__module__).addFilter(_FILTER)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep loading bars and chatter off the terminal while weights load."""
    from diffusers.utils import logging as ours
    from transformers.utils import logging as theirs

    were = [(room, room.is_progress_bar_enabled(), room.get_verbosity()) for room in (ours, theirs)]
    for room in (ours, theirs):
        room.disable_progress_bar()
        room.set_verbosity_error()
    try:
        yield
    finally:
        for room, bars, verbosity in were:
            room.set_verbosity(verbosity)
            if bars:
                room.enable_progress_bar()
