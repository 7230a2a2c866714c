"""Measures how colourless a picture is."""

import numpy as np

from sdk import Finding, hookimpl


class Grey:
    categories = ("grey",)

    def __init__(self, colourful=64):
        self.colourful = colourful  # mean distance of a pixel's channels that scores 0

    def inspect(self, picture, request):
        distance = float(np.ptp(picture.pixels, axis=2).mean())
        return [Finding(category="grey", score=max(0.0, 1 - distance / self.colourful))]


@hookimpl
def image_filter(settings):
    return Grey(**settings)
