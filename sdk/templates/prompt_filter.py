"""Measures whether a request holds a word from a list.

policy:  [[prompt_filters]]
         plugin = "NAME"
         settings = {words = ["acme"]}
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from sdk import Finding, PluginError, PromptFilter, Request, Settings, hookimpl


class Words:
    """Whole words, in any case and width; no disguises (see the bundled plugin `lists`)."""

    def __init__(self, *, words: Sequence[str] = ("acme",)) -> None:
        if isinstance(words, str) or not words or not all(isinstance(w, str) and w for w in words):
            raise PluginError(f'asked for words {words!r}; give a list such as ["acme"]')
        self.categories: Sequence[str] = ("listed_words",)
        listed = "|".join(re.escape(_folded(word)) for word in words)
        self._listed = re.compile(rf"(?<!\w)(?:{listed})(?!\w)")

    def inspect(self, request: Request, /) -> Sequence[Finding]:
        """Return one finding: 1 when a listed word is in any text of the request, else 0."""
        found = any(self._listed.search(_folded(text)) for text in request.texts)
        return [Finding(category="listed_words", score=float(found), detector="NAME 1")]


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


@hookimpl
def prompt_filter(settings: Settings) -> PromptFilter:
    """Make the filter; setting: `words`."""
    return Words(**settings)  # type: ignore[arg-type]
