"""The rewriter: a modifier by seed, put where the guard says that there is room for one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from sdk import PluginError, Request, Worded
from sdk_rewriter_balance.guard import place_for

DEFAULT: Mapping[str, str] = MappingProxyType({"woman": "female", "man": "male"})
MOST = 64
_NAME, _WORDS = re.compile(r"[\w.+\-]{1,80}"), re.compile(r"[^\W\d_][\w' \-]{0,60}")


class Balance:
    """Puts each modifier equally often; `words` is modifier → what is put before the person.

    Raises:
        PluginError: fewer than two modifiers, or names or words that cannot be used.
    """

    def __init__(self, words: Mapping[str, str] = DEFAULT) -> None:
        fine = isinstance(words, Mapping) and 2 <= len(words) <= MOST
        if not fine or not all(map(_usable, words.items())):
            raise PluginError(
                f"asked to balance {words!r}; give 2 to {MOST} modifiers and their words, "
                'such as words = { woman = "female", man = "male" }'
            )
        if len({said.casefold() for said in words.values()}) != len(words):
            raise PluginError("asked to balance, found one text for two modifiers")
        self.words = dict(words)
        self.modifiers: Sequence[str] = tuple(words)
        self._taken = frozenset(word for said in words.values() for word in said.lower().split())

    def reword(self, request: Request, /) -> Worded:
        """Put the seed's modifier before a person whom nothing describes."""
        place = None
        if request.task == "text-to-image":  # else a picture says who is meant
            place = place_for(request.prompt, request.texts[1:], self._taken)
        if place is None:
            return Worded(prompt=request.prompt)
        assert request.seed is not None
        modifier = self._of(request.seed)
        words = self.words[modifier]
        article = place.article and _article(place.article, words)
        whole = f"{article} {words} {request.prompt[place.start :]}".lstrip()
        return Worded(prompt=request.prompt[: place.before] + whole, modifier=modifier)

    def _of(self, seed: int) -> str:
        """Each block of seeds gets every modifier once, in an order of its own.

        A fixed order would give all pictures of even seeds one modifier.
        """
        block, at = divmod(seed, len(self.words))
        order = sorted(self.words, key=lambda m: hashlib.sha256(f"{block}:{m}".encode()).digest())
        return order[at]


def _usable(given: tuple[object, object]) -> bool:
    name, words = given
    both = isinstance(name, str) and isinstance(words, str)
    return both and bool(_NAME.fullmatch(str(name)) and _WORDS.fullmatch(str(words)))


def _article(written: str, words: str) -> str:
    """`a` or `an` before the new word, in the case that was written."""
    article = "an" if words[0].casefold() in "aeiou" else "a"
    return article.capitalize() if written[0].isupper() else article
