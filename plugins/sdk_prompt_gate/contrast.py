"""Prompts written for this project, where data sets have none: look-alikes, and other languages.

Harmless and unsafe prompts that share their words ("a cook sharpens a knife", "a man stabs …"),
by topic in contrast.toml and by language in contrast_languages.toml.  Translations of one sentence
go to the same fold, so that none measures what another has seen.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Any

from .examples import HELD, Example, deal

EVERYDAY = 1200
"""How many of the 7,200 everyday sentences are taken."""


def contrast(seed: int = 4) -> list[Example]:
    """Return every written prompt as an example of the source `contrast` or `languages`."""
    dice = random.Random(seed)
    topics = _table("contrast.toml")
    everyday = topics.pop("everyday")
    out = list(_everyday(everyday, dice))
    for topic in topics.values():
        out += _pairs(topic["harmless"], topic["unsafe"], topic["unsafe_as"], "contrast", dice)
    out += _languages(_table("contrast_languages.toml"), dice)
    return out


def held_out(examples: Iterable[Example]) -> list[Example]:
    """What training never saw; variations are named in the source, as groups to report by."""
    held = [e for e in examples if e.fold == HELD]
    named = [replace(e, source=f"{e.source} {e.varied}".strip()) for e in held]
    return [*named, *held_languages()]


def held_languages() -> list[Example]:
    """What languages.toml keeps for measuring: two harmless patterns, and unsafe prompts."""
    out = []
    for name, table in _table("languages.toml").items():
        texts = [(p.format(t), False) for p in table["patterns"][4:] for t in table["things"]]
        texts += [(text, True) for text in table["unsafe"]]
        out += [
            Example(text=text, unsafe=unsafe, source="languages", language=name, fold=HELD)
            for text, unsafe in texts
        ]
    return out


def _everyday(table: Mapping[str, Sequence[str]], dice: random.Random) -> Iterator[Example]:
    """Adults with children at everyday things; what is done decides the fold."""
    fold = [deal(dice) for _ in table["does"]]
    for _ in range(EVERYDAY):
        which = dice.randrange(len(fold))
        does = table["does"][which].format(dice.choice(table["whom"]))
        text = f"{dice.choice(table['who'])} {does}{dice.choice(table['styles'])}"
        yield Example(text=text, unsafe=False, source="everyday", fold=fold[which])


def _pairs(
    harmless: Sequence[str],
    unsafe: Sequence[str],
    unsafe_as: Sequence[str],
    source: str,
    dice: random.Random,
) -> Iterable[Example]:
    for text in harmless:
        yield Example(text=text, unsafe=False, source=source, fold=deal(dice))
    for text, category in zip(unsafe, unsafe_as, strict=True):
        kinds = (category,)
        yield Example(text=text, unsafe=True, categories=kinds, source=source, fold=deal(dice))


def _languages(table: dict[str, Any], dice: random.Random) -> Iterable[Example]:
    unsafe_as = table.pop("unsafe_as")
    seed = dice.random()  # the same deal for every language
    for name, sentences in table.items():
        for example in _pairs(
            sentences["harmless"],
            sentences["unsafe"],
            unsafe_as,
            "languages",
            random.Random(seed),
        ):
            yield replace(example, language=name)


def _table(name: str) -> dict[str, Any]:
    return tomllib.loads((files(__package__) / name).read_text("utf-8"))
