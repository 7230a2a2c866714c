"""What each drawing shows: emojibase labels and tags (MIT), and plain words for everyday things."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sdk import DataError

_FLAGS = 9
_COMPONENTS = 2
_GROUPS = {0: "face", 1: "person", 3: "nature", 4: "food", 5: "place", 6: "activity", 7: "object"}
_TONE = re.compile(r"(?:medium-light|medium-dark|light|medium|dark) skin tone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """What one emoji means."""

    concept: str
    """The label without skin tone: `woman firefighter`."""
    caption: str
    """`woman firefighter, dark skin tone`."""
    tags: tuple[str, ...] = ()
    group: str = "symbol"
    skin_tone: str = ""
    """One of five, `mixed` for several, empty for none."""
    words: tuple[str, ...] = ()
    """Other plain names: apple for `red apple`."""
    everyday: bool = False
    """Among the two hundred things that people ask for first."""
    excluded: str = ""


@dataclass(frozen=True, slots=True)
class Names:
    """Signs by code points, and by the label as icon sets spell it."""

    by_code: Mapping[str, Sign]
    by_label: Mapping[str, Sign] = field(default_factory=dict)

    def by_icon(
        self, icons: Mapping[str, Mapping[str, object]], chars: Mapping[str, object]
    ) -> dict[str, Sign]:
        """Map a set's icon names to signs: by code point, else by name, else by alias."""
        found: dict[str, Sign] = {}
        for code, icon in chars.items():
            if sign := self.by_code.get(_code(code)):
                found.setdefault(str(icon), sign)
        if chars:
            return found
        named = {icon: self.by_label.get(_squeeze(icon)) for icon in icons["icons"]}
        found = {icon: sign for icon, sign in named.items() if sign}
        for alias, target in icons.get("aliases", {}).items():
            sign = self.by_label.get(_squeeze(alias))
            if sign and isinstance(target, dict) and set(target) == {"parent"}:
                found.setdefault(target["parent"], sign)
        return found


def read_names(folder: Path) -> Names:
    """Read emojibase's `data.json`.

    Raises:
        DataError: the file is missing or is not what emojibase writes.
    """
    try:
        entries = json.loads((folder / "data.json").read_text("utf-8"))
        everyday = _read_everyday()
        signs = [found for entry in entries for found in _signs(entry, everyday)]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise DataError(
            f"asked for emojibase-data, found {type(exc).__name__}: {exc}; "
            "npm install emojibase-data into the folder of the data set"
        ) from exc
    by_label: dict[str, Sign] = {}
    for _, label, sign in signs:
        by_label.setdefault(_squeeze(label), sign)
    return Names({code: sign for code, _, sign in signs}, by_label)


@dataclass(frozen=True, slots=True)
class _Everyday:
    things: frozenset[str]
    """Concepts."""
    words: Mapping[str, tuple[str, ...]]
    """Concept → other plain words for it."""


def _read_everyday() -> _Everyday:
    """Read `everyday.json` beside this file: a list chosen by hand, ours."""
    lists = json.loads((Path(__file__).parent / "everyday.json").read_text("utf-8"))
    words: dict[str, tuple[str, ...]] = {}
    for word, concepts in lists["words"].items():
        for concept in concepts:
            words[concept] = (*words.get(concept, ()), word)
    return _Everyday(frozenset(lists["things"]), words)


def _signs(entry: Mapping[str, object], everyday: _Everyday) -> Iterator[tuple[str, str, Sign]]:
    """Yield (code, label, sign) for one emojibase entry and each of its skin tones."""
    concept, group = str(entry["label"]), entry.get("group", _COMPONENTS)
    skins = entry.get("skins", [])
    tags = entry.get("tags", [])
    assert isinstance(skins, list)
    assert isinstance(tags, list)
    for variant in [entry, *skins]:
        label = str(variant["label"])
        yield (
            _code(str(variant["hexcode"])),
            label,
            Sign(
                concept=concept,
                caption=label.lower().replace("’", "'").replace(": ", ", ", 1),
                tags=tuple(str(tag).lower() for tag in tags),
                group=_GROUPS.get(int(str(group)), "symbol"),
                skin_tone=_tone(label),
                words=everyday.words.get(concept, ()),
                everyday=concept in everyday.things,
                excluded={_FLAGS: "flag", _COMPONENTS: "part of other emoji"}.get(
                    int(str(group)), ""
                ),
            ),
        )


def _tone(label: str) -> str:
    tones = set(_TONE.findall(label))
    return "mixed" if len(tones) > 1 else "".join(tones).removesuffix(" skin tone")


def _code(code: str) -> str:
    """Code points without the variation selector, on which the sets disagree."""
    return code.lower().replace("-fe0f", "")


def _squeeze(label: str) -> str:
    """Only letters and digits: `four-leaf clover`, `fourleafclover` and `Four leaf…` agree."""
    return re.sub(r"[^a-z0-9]", "", label.lower().replace("&", "and"))
