"""Asks for daylight where a prompt says nothing about the light.

policy:  [[rewriters]]
         plugin = "NAME"
"""

from __future__ import annotations

from collections.abc import Sequence

from sdk import Request, Rewriter, Settings, Worded, hookimpl


class Daylight:
    """Adds words at the end, and only where no light is named."""

    modifiers: Sequence[str] = ("daylight",)

    def reword(self, request: Request, /) -> Worded:
        """Return the prompt with daylight, or as it was."""
        if "light" in request.prompt.casefold():
            return Worded(prompt=request.prompt)
        return Worded(prompt=f"{request.prompt}, daylight", modifier="daylight")


@hookimpl
def rewriter(settings: Settings) -> Rewriter:
    """Make the rewriter; it takes no settings."""
    return Daylight(**settings)
