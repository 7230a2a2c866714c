"""Asks a plugin's part one question: in time, about copies, and quoting nobody.

What a part is shown is its own: it may keep it or break it, and nothing changes for the next
part or for the picture.  That it tried is an error.  What it raises becomes a PluginError that
names the exception and leaves out every word of the request.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from typing import TypeVar

from sdk.errors import PluginError
from sdk.inputs import InputImage
from sdk.pixels import Picture
from sdk.request import Request

T = TypeVar("T")

LONGEST_MESSAGE = 300
"""Characters that are taken over from the message of a foreign exception."""
_WORD = re.compile(r"\w+")


class Late(PluginError):
    """A part did not answer in time."""


def question(
    inspect: Callable[..., object], request: Request, picture: Picture | None = None
) -> Callable[[], object]:
    """Return the call of a filter or auditor about this request, and picture, for later.

    Raises, when it is called:
        PluginError: the part raised, or edited what it was shown.
    """

    def ask() -> object:
        own = shown(request)
        try:
            answer = inspect(own) if picture is None else inspect(picture, own)
        except Exception as exc:
            raise PluginError(f"raised {told(exc, request.texts)}") from exc
        if not _same(own, shown(request)):
            raise PluginError("edited the request it was shown")
        return answer

    return ask


def within(timeout_s: float, work: Callable[[], T]) -> T:
    """Run `work` in a thread of its own and wait at most `timeout_s` seconds.

    A thread cannot be killed: work that hangs keeps its thread, and its late answer is dropped.

    Raises:
        Late: no answer in time.
        PluginError: `work` raised what would end the process.
    """
    answer: list[T] = []
    error: list[BaseException] = []

    def run() -> None:
        try:
            answer.append(work())
        except BaseException as exc:  # noqa: BLE001 - handed to the caller, who decides
            error.append(exc)

    thread = threading.Thread(target=run, daemon=True, name="sdk-control")
    thread.start()
    thread.join(timeout_s)
    if error and isinstance(error[0], Exception):
        raise error[0]
    if error:  # SystemExit, KeyboardInterrupt: signals never come to this thread, so the part's own
        raise PluginError(f"raised {type(error[0]).__name__}") from error[0]
    if not answer:
        raise Late(f"no answer within {timeout_s:g} s")
    return answer[0]


def shown(request: Request) -> Request:
    """Copy a request for a part: the person it belongs to is left out."""
    return replace(
        request,
        subject=None,
        approvals=(),
        unlabelled_agreement="",
        init_image=_copied(request.init_image),
        mask=_copied(request.mask),
        sketch=_copied(request.sketch),
    )


def told(exc: BaseException, texts: Iterable[str]) -> str:
    """Name an exception and what it says, without the words of `texts`.

    Libraries quote what they could not digest; their messages end in logs.  Words that share a
    letter beyond ASCII with the texts go as well, because not every script parts its words.
    """
    private = " ".join(texts).casefold()
    words = set(_WORD.findall(private))
    letters = {char for char in private if char.isalnum() and not char.isascii()}

    def censor(found: re.Match[str]) -> str:
        word = found[0].casefold()
        return "…" if word in words or letters & set(word) else found[0]

    message = " ".join(_message(exc).split())[:LONGEST_MESSAGE]
    return f"{type(exc).__name__}: {_WORD.sub(censor, message)}".removesuffix(": ")


def _message(exc: BaseException) -> str:
    try:
        return str(exc)
    except Exception:  # noqa: BLE001 - a plugin's own class may raise here as well
        return ""


def _copied(image: InputImage | None) -> InputImage | None:
    return None if image is None else replace(image)


def _same(one: Request, other: Request) -> bool:
    for field in fields(Request):
        here, there = getattr(one, field.name, None), getattr(other, field.name)
        if isinstance(there, InputImage) and isinstance(here, InputImage):
            alike = here.data is there.data and here.media_type == there.media_type
        else:
            alike = type(here) is type(there) and here == there
        if not alike:
            return False
    return True
