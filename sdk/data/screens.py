"""Safety filters over training pictures: the image filter plugins, by name and bound.

screens = Screens(["nsfw=0.5"], registry)
screens.why_not(pixels)                   # "nsfw: sexual at least 0.5", or ""
"""

from __future__ import annotations

from collections.abc import Sequence

from sdk.errors import DataError
from sdk.hookspecs import ImageFilter
from sdk.pixels import Picture, Pixels
from sdk.registry import Registry
from sdk.request import Request

_PROMPT = "a training picture"
_SIDE = 224
"""Small drawings are shown to filters at this size, as a viewer would see them."""


class Screens:
    """Filters that are asked one after the other.

    Raises:
        DataError: a filter is not written NAME=BOUND.
        PolicyError: it is not installed.
    """

    def __init__(self, wanted: Sequence[str], registry: Registry) -> None:
        self._filters: list[tuple[str, float, ImageFilter]] = []
        for pair in wanted:
            name, _, text = pair.partition("=")
            try:
                bound = float(text)
            except ValueError as exc:
                raise DataError(f"asked to filter by {pair!r}; give NAME=0.5") from exc
            if not 0 < bound <= 1:
                raise DataError(f"asked to filter by {pair!r}; give a bound in (0, 1]")
            self._filters.append((name, bound, registry.make("image_filter", name)))

    def why_not(self, pixels: Pixels) -> str:
        """Say which filter found what; a filter that fails leaves the picture out."""
        if not self._filters:
            return ""
        small = min(pixels.shape[:2]) < _SIDE
        picture = Picture(Picture(pixels).resized(_SIDE) if small else pixels)
        request = Request(prompt=_PROMPT)
        for name, bound, one in self._filters:
            try:
                findings = one.inspect(picture, request)
            except Exception as exc:  # noqa: BLE001  a plugin; what cannot be judged is left out
                return f"{name} could not tell: {type(exc).__name__}"
            for finding in findings:
                if finding.score >= bound:
                    return f"{name}: {finding.category} at least {bound:g}"
        return ""
