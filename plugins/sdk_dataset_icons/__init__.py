"""Emoji art under open licences as training pictures, drawn from npm packages on this machine.

    npm install @iconify-json/noto @iconify-json/fluent-emoji-flat @iconify-json/twemoji \
        @iconify-json/noto-v1 @iconify-json/fxemoji @iconify-json/emojione emojibase-data
    Registry().make("dataset", "icons", {"folder": "node_modules"})

Nothing is downloaded here.  Drawings of flags, and drawings that emojibase does not know (the sets
hide company logos among those), come out as excluded items.  Sets under share-alike terms, or
without a clear licence, are not known to this plugin and cannot be switched on.
"""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from sdk import DataError, Dataset, Item, Pixels, Settings, Watch, hookimpl

from .names import Names, Sign, read_names

__all__ = ["SETS", "IconSet", "Icons", "dataset"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IconSet:
    """One package of drawings."""

    package: str
    style: str
    """The word that asks for this set in a caption."""
    licence: str
    attribution: str


SETS: Mapping[str, IconSet] = {
    "noto": IconSet(
        package="@iconify-json/noto",
        style="noto",
        licence="Apache-2.0",
        attribution="Noto Emoji, Google LLC",
    ),
    "fluent": IconSet(
        package="@iconify-json/fluent-emoji-flat",
        style="fluent",
        licence="MIT",
        attribution="Fluent UI Emoji, Microsoft Corporation",
    ),
    "twemoji": IconSet(
        package="@iconify-json/twemoji",
        style="twemoji",
        licence="CC-BY-4.0",
        attribution="Twemoji, Twitter, Inc and other contributors",
    ),
    "noto-v1": IconSet(
        package="@iconify-json/noto-v1",
        style="blob",
        licence="Apache-2.0",
        attribution="Noto Emoji (2013-2017), Google LLC",
    ),
    "fxemoji": IconSet(
        package="@iconify-json/fxemoji",
        style="fxemoji",
        licence="Apache-2.0",
        attribution="FxEmojis, Mozilla Foundation",
    ),
    "emojione": IconSet(
        package="@iconify-json/emojione",
        style="emojione",
        licence="CC-BY-4.0",
        attribution="EmojiOne 2.3, Ranks.com Inc.",
    ),
}


class Icons:
    """Every drawing of the chosen sets, on white."""

    name = "icons"

    def __init__(
        self, folder: str = "node_modules", side: int = 128, sets: Sequence[str] = tuple(SETS)
    ) -> None:
        import resvg_py

        if unknown := [name for name in sets if name not in SETS]:
            raise DataError(f"asked for the sets {unknown}; known are {', '.join(SETS)}")
        if not 16 <= side <= 1024:
            raise DataError(f"asked for pictures of {side} pixels; give a side of 16..1024")
        self._folder = Path(folder)
        self._side = side
        self._sets = tuple(sets)
        self._draw: Callable[..., object] = resvg_py.svg_to_bytes
        self._share = (0, 1)

    def share(self, index: int, count: int) -> Icons:
        """Make a part that yields each `count`-th drawing, from `index` on."""
        made = copy.copy(self)
        made._share = (index, count)
        return made

    def items(self, watch: Watch) -> Iterator[Item]:
        """Yield every drawing; `labels`: style, group, tags, skin_tone, words, everyday.

        Raises:
            DataError: a package is not in the folder, or a drawing cannot be drawn.
        """
        names = read_names(self._folder / "emojibase-data" / "en")
        place = 0
        for done, name in enumerate(self._sets):
            watch.step(done, len(self._sets))
            for draw in self._set(name, names):
                if place % self._share[1] == self._share[0]:
                    yield draw()
                place += 1
        watch.step(len(self._sets), len(self._sets))

    def _set(self, name: str, names: Names) -> Iterator[Callable[[], Item]]:
        home = SETS[name]
        folder = self._folder / home.package
        icons = read_json(folder / "icons.json")
        chars = read_json(folder / "chars.json") if (folder / "chars.json").exists() else {}
        signs = names.by_icon(icons, chars)
        for icon, body in icons["icons"].items():
            whole = {**icons, **body}
            yield partial(self._item, name, icon, whole, signs.get(icon))

    def _item(self, name: str, icon: str, body: Mapping[str, object], sign: Sign | None) -> Item:
        home = SETS[name]
        why = "no name in emojibase" if sign is None else sign.excluded
        return Item(
            id=f"{name}:{icon}",
            pixels=None if why else self._pixels(f"{name}:{icon}", body),
            caption=sign.caption if sign else icon,
            concept=sign.concept if sign else "",
            labels=_labels(sign, home.style) if sign else {},
            licence=home.licence,
            attribution=home.attribution,
            source=home.package,
            excluded=why,
        )

    def _pixels(self, name: str, icon: Mapping[str, object]) -> Pixels:
        """(side, side, 3) uint8 RGB on white; 3 ms in the mean at 128 (resvg, one core)."""
        box = [icon.get(key, default) for key, default in _BOX.items()]
        svg = (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="{" ".join(map(str, box))}">{icon["body"]}</svg>'
        )
        try:
            png = self._draw(svg_string=svg, width=self._side, height=self._side)
            drawn = Image.open(io.BytesIO(bytes(png))).convert("RGBA")  # type: ignore[call-overload]
        except (ValueError, OSError) as exc:
            raise DataError(f"asked to draw {name}, found {exc}; is the package damaged?") from exc
        white = Image.new("RGBA", (self._side, self._side), "white")
        white.alpha_composite(drawn.resize(white.size) if drawn.size != white.size else drawn)
        return np.asarray(white.convert("RGB"))


def read_json(path: Path) -> dict[str, dict[str, dict[str, object]]]:
    """Read one file of a package.

    Raises:
        DataError: it is not there or is not JSON.
    """
    try:
        found: dict[str, dict[str, dict[str, object]]] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as exc:
        raise DataError(
            f"asked for {path.name} of {path.parent.name}, found {type(exc).__name__}; "
            "npm install the packages that the plugin's docstring names"
        ) from exc
    return found


def _labels(sign: Sign, style: str) -> dict[str, str]:
    found = {
        "style": style,
        "group": sign.group,
        "tags": ", ".join(sign.tags),
        "skin_tone": sign.skin_tone,
        "words": "|".join(sign.words),
        "everyday": "yes" if sign.everyday else "",
    }
    return {key: value for key, value in found.items() if value}


_BOX: Mapping[str, int] = {"left": 0, "top": 0, "width": 16, "height": 16}
"""Keys and defaults of an Iconify icon, in the order of an SVG viewBox (iconify.design/docs)."""


@hookimpl
def dataset(settings: Settings) -> Dataset:
    """Make the icons data set; settings: `folder`, `side` (pixels), `sets`."""
    return Icons(**settings)  # type: ignore[arg-type]
