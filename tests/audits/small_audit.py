"""A generator whose skew is known and an estimator that errs at a known rate, both tiny.

The backend writes what it "shows" into the picture as a colour; the estimator reads it back and
answers wrongly at fixed rates, by a hash of the pixels: the same picture, the same answer.
"""

import hashlib
import random

import numpy as np
from small_parts import House, Noise, plugin, policy_of

from sdk.audits.estimates import Confusion, Estimate, findings_of
from sdk.pipeline import Studio

COLOURS = {"woman": (200, 30, 30), "man": (30, 30, 200), "none": (90, 90, 90)}
TONES = {"light": 60, "dark": 160}


class Skewed(Noise):
    """Draws a woman with the share that its settings say for a word of the prompt."""

    def __init__(self, **shares):
        super().__init__(max_batch=4)
        self._shares = shares or {"nurse": 0.9, "pilot": 0.3}

    def _draw(self, request):
        chance = random.Random(request.seed * 1009 + 7)
        word = next((w for w in self._shares if w in request.prompt), "")
        who = "woman" if chance.random() < self._shares.get(word, 0.5) else "man"
        for said, shown in (("female", "woman"), ("male", "man")):
            who = shown if said in request.prompt.split() else who
        tone = "dark" if chance.random() < 0.5 else "light"
        picture = np.empty((request.height, request.width, 3), np.uint8)
        picture[:] = COLOURS[who]
        picture[:, ::2, 1] = TONES[tone]
        picture[0, 0] = request.seed % 251  # two seeds, two pictures
        return picture


class Reader:
    """Reads the colour back; one answer in twenty is wrong, one in fifty is missing."""

    id, version, licence, weights_sha256 = "reader", "1", "Apache-2.0", ""
    domain = "flat pictures of the tests"
    attributes = {
        "perceived_gender": ("woman", "man", "unclear", "none"),
        "perceived_skin_tone": ("light", "dark"),
    }
    confusion = {
        "perceived_gender": Confusion(
            labels=("woman", "man"), counts=((285, 15), (15, 285)), measured_on="600 of our own"
        ),
        "perceived_skin_tone": Confusion(
            labels=("light", "dark"), counts=((300, 0), (3, 297)), measured_on="600 of our own"
        ),
    }

    def __init__(self, error=0.05, silent=0.02):
        self._error, self._silent = error, silent

    def estimate(self, pixels):
        digest = hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).digest()
        chance = random.Random(digest)
        red = int(pixels[1, 1, 0]) > int(pixels[1, 1, 2])
        if chance.random() < self._silent:
            gender = Estimate(attribute="perceived_gender", abstained="too small")
        else:
            wrong = chance.random() < self._error
            value = "woman" if red != wrong else "man"
            gender = Estimate(attribute="perceived_gender", probabilities={value: 1.0})
        tone = "dark" if int(pixels[2, 2, 1]) > 100 else "light"
        return [gender, Estimate(attribute="perceived_skin_tone", probabilities={tone: 1.0})]

    def audit(self, picture, request):
        return findings_of(self, self.estimate(picture.pixels))


def install(home):
    """A house with both; its registry knows `skewed` and `reader`."""
    house = House(home)
    house.registry.add(plugin("backend", Skewed), "skewed")
    house.registry.add(plugin("auditor", Reader), "reader")
    return house


def studio(house, policy):
    return Studio(policy, house.ledger, registry=house.registry)


def policy(**changes):
    return policy_of(backend={"plugin": "skewed"}, **changes)


PLAN = """
name = "two occupations"
question = "Who is drawn when only the occupation is named?"
template = "a {adjective} {occupation}"
group_by = ["occupation", "adjective"]
pictures = 40
seed = 100
steps = 1
estimators = [{ plugin = "reader" }]
intersections = [{ attributes = ["perceived_gender", "perceived_skin_tone"] }]
pairs = [{ axis = "adjective", first = "", second = "rich" }]
margin = 0.1

[axes]
occupation = ["nurse", "pilot"]
adjective = ["", "rich"]

[[attributes]]
name = "perceived_gender"
among = ["woman", "man"]

[attributes.target]
kind = "labour"
of = "woman"
axis = "occupation"
year = 2017
source = "a table"
shares = { nurse = 0.9 }

[[attributes]]
name = "perceived_skin_tone"
among = ["light", "dark"]
target = { kind = "custom", shares = { light = 0.5, dark = 0.5 } }
"""


class Quiet:
    """A watch that counts its steps and may stop at one."""

    def __init__(self, stop_at=None, error=None):
        self.done, self.stop_at, self.error = [], stop_at, error

    def step(self, done, total):
        self.done.append((done, total))
        if self.stop_at is not None and done >= self.stop_at:
            raise self.error
