"""What every command shares: answers on stdout, progress and errors on stderr, exit codes.

0  done                         3  no provenance (verify)
1  it could not be done         4  changed (verify)
2  asked wrongly                5  signer untrusted or expired (verify)
                                6  the policy refused, or a rule failed
130  stopped by the user
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from sdk.errors import (
    Cancelled,
    ConfigError,
    PolicyError,
    Refused,
    RequestError,
    SDKError,
)
from sdk.reasons import reason

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from sdk.types import JSON

DONE, FAILED, USAGE, REFUSED, STOPPED = 0, 1, 2, 6, 130

AsJson = Annotated[bool, typer.Option("--json", help="Answer with one JSON document on stdout.")]


def app(help_: str) -> typer.Typer:
    """A typer application in the house's manner: plain help, our own errors."""
    return typer.Typer(
        help=help_,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def say(text: str) -> None:
    """Print an answer for people on stdout."""
    sys.stdout.write(text.rstrip("\n") + "\n")


def note(text: str) -> None:
    """Print a remark on stderr."""
    sys.stderr.write(text.rstrip("\n") + "\n")


def answer(document: JSON) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def leave(code: int) -> NoReturn:
    """End the command with an exit code."""
    raise typer.Exit(code)


def exit_code(error: SDKError) -> int:
    """The exit code of an error of ours."""
    if isinstance(error, Refused):
        return REFUSED
    if isinstance(error, Cancelled):
        return STOPPED
    return USAGE if isinstance(error, (RequestError, PolicyError, ConfigError)) else FAILED


def described(error: SDKError) -> dict[str, JSON]:
    """An error as a JSON object; never quotes the prompt."""
    fields: dict[str, JSON] = {"type": type(error).__name__, "message": str(error)}
    if error.receipt:
        fields["receipt"] = error.receipt
    if isinstance(error, Refused):
        fields["stage"] = error.stage
        fields["review"] = error.review or None
        fields["offer"] = error.offer or None
        fields["reason"] = reason(error).as_json()
        fields["verdicts"] = [
            {
                "by": v.by,
                "decision": str(v.decision),
                "category": v.category,
                "score": v.score,
                "rule": v.rule,
                "reason": v.reason,
            }
            for v in error.verdicts
        ]
    return fields


@contextmanager
def errors(as_json: bool) -> Iterator[None]:
    """Turn errors of ours into a message and an exit code; bugs keep their traceback."""
    try:
        yield
    except SDKError as error:
        if as_json:
            answer({"error": described(error)})
        else:
            note(f"error: {reason(error).message if isinstance(error, Refused) else error}")
            if error.receipt:
                note(f"receipt: {error.receipt}")
            if isinstance(error, Refused) and error.offer:
                note(f"this may be asked instead: {error.offer}")
            if isinstance(error, Refused) and error.review:
                note(f"review {error.review}: once approved, sdk review show says how to go on")
        raise typer.Exit(exit_code(error)) from error


class Stop:
    """A watch that draws a progress bar and stops at the next step after Ctrl-C.

    A second Ctrl-C ends the process at once; nothing half-done is released then either.
    """

    def __init__(self, what: str, *, quiet: bool) -> None:
        self._what = what
        self._quiet = quiet or not sys.stderr.isatty()
        self._asked = threading.Event()
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self.told = ""
        """What `tell` said last."""

    @property
    def shows(self) -> bool:
        """Whether a bar is on the terminal."""
        return self._progress is not None

    def __enter__(self) -> Stop:
        self._before = signal.signal(signal.SIGINT, self._interrupt)
        if not self._quiet:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
            from rich.progress import TimeRemainingColumn as Remaining

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                Remaining(),
            )
            self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
            self._progress.start()
            self._task = self._progress.add_task(self._what, total=None)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)
        if self._progress is not None:
            self._progress.stop()

    def step(self, done: int, total: int, /) -> None:
        """Move the bar; raises Cancelled once the user asked to stop."""
        if self._asked.is_set():
            raise Cancelled("stopped by the user; nothing unfinished was signed or released")
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, total=total)

    def tell(self, text: str) -> None:
        """Show a few words beside the bar, such as the loss."""
        self.told = text
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=f"{self._what}  {text}")

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self._asked.set()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        note("stopping at the next step; press Ctrl-C again to quit at once")
