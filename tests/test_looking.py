"""Looks at what is being drawn: a block ends it, and a backend that hides it draws nothing."""

import numpy as np
import pytest
from small_parts import SIDE, House, Noise

from sdk.errors import BackendError, Cancelled, PolicyError, Refused, RequestError
from sdk.request import Request
from sdk.types import Finding

LOOKS = {"looks": 3}
RULES = [
    {"id": "p.bad", "stage": "prompt", "category": "bad", "block": 0.9},
    {"id": "i.white", "stage": "image", "category": "white", "review": 0.6, "block": 0.9},
]


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    yield made
    made.close()


class Showing(Noise):
    """Shows grey of rising brightness; `levels` by step, then its noise."""

    provides = frozenset({"previews"})

    def __init__(self, levels=(10,) * 8, shows=True, swallows=False):
        super().__init__()
        self.levels, self.shows, self.swallows = levels, shows, swallows
        self.steps = self.looked = 0

    def render(self, requests, watch):
        for step in range(requests[0].steps):
            self.steps += 1
            watch.step(step + 1, requests[0].steps)
            if self.shows and getattr(watch, "wants_look", False):
                self._show(watch, self.levels[step])
        return [self._draw(request) for request in requests]

    def _show(self, watch, level):
        self.looked += 1
        try:
            watch.look([np.full((SIDE, SIDE, 3), level, np.uint8)])
        except Refused:
            if not self.swallows:
                raise


def drawn(house, part, steps=8, **changes):
    backend = {"plugin": house.add("backend", part)}
    changes = {"previews": LOOKS, "rules": RULES, **changes}
    studio = house.studio(backend=backend, **changes)
    return studio.generate(Request(prompt="an apple", steps=steps), to=house.home / "x.png")


def test_looks_are_spread_over_the_steps_and_a_calm_picture_is_drawn_to_its_end(house):
    part = Showing()
    drawn(house, part)
    assert (part.steps, part.looked) == (8, 3)


def test_what_would_be_blocked_ends_the_drawing_with_a_receipt(house):
    part = Showing(levels=[10, 10, 10, 250, 250, 250, 250, 250])
    with pytest.raises(Refused) as caught:
        drawn(house, part)
    assert part.steps == 4
    assert caught.value.stage == "image"
    [leaf] = house.leaves()
    assert leaf["outcome"] == "refused"
    assert caught.value.receipt
    assert leaf["verdicts"][0]["rule"] == "i.white"
    assert not house.pictures()


def test_a_backend_cannot_swallow_the_refusal(house):
    with pytest.raises(Refused):
        drawn(house, Showing(levels=[250] * 8, swallows=True))
    assert not house.pictures()


def test_a_blurred_preview_never_asks_a_person(house):
    drawn(house, Showing(levels=[180] * 8))  # above review, below block


def test_a_filter_that_fails_on_a_preview_refuses(house):
    class Broken:
        categories = ("white",)

        def inspect(self, picture, request):
            raise RuntimeError("no")

    house.add("image_filter", Broken(), "bright")
    part = Showing()
    with pytest.raises(Refused):
        drawn(house, part)
    assert part.steps == 2


def test_a_backend_that_shows_nothing_draws_nothing(house):
    with pytest.raises(BackendError, match="showed too few"):
        drawn(house, Showing(shows=False))
    assert not house.pictures()


def test_a_backend_that_reports_no_steps_draws_nothing(house):
    class Silent(Showing):
        def render(self, requests, watch):
            return [self._draw(request) for request in requests]

    with pytest.raises(BackendError, match="showed too few in 0 steps"):
        drawn(house, Silent())


def test_one_look_for_each_picture_is_asked(house):
    class Two(Showing):
        def _show(self, watch, level):
            watch.look([np.full((SIDE, SIDE, 3), level, np.uint8)] * 2)

    with pytest.raises(BackendError, match="found 2"):
        drawn(house, Two())


def test_a_policy_with_looks_needs_a_backend_that_can_show(house):
    with pytest.raises(PolicyError, match="previews: the backend 'diffusion'"):
        drawn(house, Noise())


def test_without_looks_nothing_is_shown(house):
    part = Showing(levels=[250] * 8)
    drawn(house, part, previews=None)
    assert part.looked == 0


def test_pictures_are_drawn_one_by_one_under_looks(house):
    backend = {"plugin": house.add("backend", Showing())}
    assert house.studio(backend=backend, previews=LOOKS, rules=RULES).max_batch == 1
    assert house.studio(backend=backend, rules=RULES).max_batch == 4


def test_neither_caller_nor_observer_sees_a_preview(house):
    heard = []

    class Ear:
        def saw(self, event):
            heard.append(event)

    class Caller:
        def step(self, done, total, /):
            heard.append((done, total))
            if done == 7:
                raise Cancelled("enough")

    backend = {"plugin": house.add("backend", Showing())}
    house.add("observer", Ear(), "ear")
    studio = house.studio(
        backend=backend, previews=LOOKS, rules=RULES, observers=[{"plugin": "ear"}]
    )
    with pytest.raises(Cancelled):
        studio.generate(Request(prompt="an apple", steps=8), watch=Caller())
    assert len(heard) > 7
    assert not any("array" in repr(each) for each in heard)


def test_more_looks_are_stricter_when_packs_are_joined():
    from sdk.strictness import looser, strictest

    joined = strictest({"previews": {"looks": 2}}, {"previews": {"looks": 5}})
    assert joined["previews"] == {"looks": 5}
    assert looser("previews.looks", {"previews": {"looks": 2}}, {}) == "2 became 0"


def test_a_walk_cannot_be_looked_at(house):
    from sdk.walks import walk

    class Walking(Showing):
        def between(self, first, second, shares, watch):
            return [self._draw(first) for _ in shares]

    backend = {"plugin": house.add("backend", Walking())}
    studio = house.studio(backend=backend, previews=LOOKS, rules=RULES)
    ends = [Request(prompt="an apple"), Request(prompt="a pear")]
    with pytest.raises(RequestError, match="looks at pictures while"):
        walk(studio, *ends, frames=3, to=house.home / "x.webp")


def test_a_finding_is_what_a_filter_said_of_the_preview(house):
    seen = []

    class Noting:
        categories = ("white",)

        def inspect(self, picture, request):
            seen.append(picture.pixels.mean())
            return [Finding(category="white", score=0.0)]

    house.add("image_filter", Noting(), "bright")
    drawn(house, Showing(levels=range(0, 80, 10)))
    assert seen[:3] == [10.0, 30.0, 50.0]
    assert len(seen) == 4  # and the finished picture
