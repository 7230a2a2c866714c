"""One picture of every kind that can be asked for, in every format, through the governed call.

    with Workshop(tmp_path) as workshop:
        data = workshop.make("inpaint", "image/webp")

The backend is small: seeded noise, mixed with the picture that is given.  Filters, watermark
(the bundled one), signature and ledger are those of any call.
"""

import numpy as np
from sdk_backend_noise import Noise
from small_parts import House

from sdk.contract import sample
from sdk.encode import SUFFIXES, encode
from sdk.inputs import InputImage
from sdk.request import Request
from sdk.types import Capabilities

FORMATS = tuple(SUFFIXES)
KINDS = (
    "txt2img",
    "img2img",
    "inpaint",
    "sketch",
    "upscale",
    "upscale-img2img",
    "style",
    "variation",
)
SIDE = 256
"""Ample room for four bytes in the pixels: whatever the id, the mark reads back at once."""


class Redraw(Noise):
    """Noise that starts from a picture where one is given: half of it, or only under the mask."""

    def __init__(self):
        super().__init__(block=8)
        self.capabilities = Capabilities(
            tasks=frozenset({"text-to-image", "image-to-image", "inpaint", "sketch-to-image"}),
            width=SIDE,
            height=SIDE,
            multiple_of=1,
            min_side=16,
        )

    def _draw(self, request):
        drawn = super()._draw(request)
        given = request.init_image or request.sketch
        if given is None:
            return drawn
        if request.mask is not None:
            return np.where(request.mask.pixels > 127, drawn, given.pixels)
        return ((drawn.astype(int) + given.pixels) // 2).astype(np.uint8)


class Posterise:
    """A style: eight levels a channel."""

    action = "c2pa.filtered"

    def refine(self, picture, request, watch):
        return picture.pixels & 0xE0


def given(pixels):
    return InputImage.decode(encode(pixels, "image/jpeg"))


class Workshop:
    """A house that draws every kind."""

    def __init__(self, home):
        self._house = House(home)
        self._house.add("backend", Redraw(), "redraw")
        self._house.add("refiner", Posterise(), "posterise")
        self._seed = 0

    def make(self, kind, media_type="image/png", credentials=None):
        """Return the released file; a variation is made from one of our own, signed."""
        refiners = {"style": [{"plugin": "posterise"}]}.get(kind, [])
        if kind.startswith("upscale"):
            refiners = [{"plugin": "resample", "settings": {"scale": 2}}]
        tile = {"plugin": "tile", "settings": {"payload_bytes": 4}}
        signer = {"plugin": "c2pa", "settings": {"home": str(self._house.home)}}
        with self._house.studio(
            backend={"plugin": "redraw"},
            refiners=refiners,
            watermark=tile,
            signer=signer,
            output={"media_type": media_type},
        ) as studio:
            studio._credentials = credentials
            return studio.generate(self._request(kind, media_type)).image.data

    def _request(self, kind, media_type):
        self._seed += 1
        asked = {"prompt": "a red apple", "seed": self._seed}
        photo = given(sample(SIDE, SIDE, 1))
        if kind == "inpaint":
            mask = np.zeros((SIDE, SIDE, 3), np.uint8)
            mask[: SIDE // 2] = 255
            asked |= {"init_image": photo, "mask": given(mask)}
        elif kind in ("img2img", "upscale-img2img"):
            asked |= {"init_image": photo, "strength": 0.5}
        elif kind == "sketch":
            asked |= {"sketch": photo}
        elif kind == "variation":
            own = InputImage.decode(self.make("txt2img", media_type))
            asked |= {"init_image": own, "strength": 0.5}
        return Request(**asked)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._house.close()
