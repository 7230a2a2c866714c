"""The lanes: order, batches, overlap and what happens when a run stops in the middle."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from small_parts import Bright, Noise

from sdk.errors import BackendError, Cancelled, LedgerError, OutputError, Refused, RequestError
from sdk.lanes import FINISHERS, WAITING
from sdk.phases import Result
from sdk.request import Request

WAIT_S = 20


def asks(*seeds, **fields):
    return [Request(prompt=f"cat {seed}", seed=seed, **fields) for seed in seeds]


@pytest.fixture
def noise(house):
    """The house's backend, to look at; up to 4 pictures a batch."""
    backend = Noise()
    house.add("backend", backend)
    return backend


def studio_of(house, **changes):
    return house.studio(**{"backend": {"plugin": "mine"}, **changes})


def test_outcomes_come_in_the_order_of_the_requests(house, noise):
    prompts = ["a", "a bomb", "b", "a bomb", "c", "d", "e", "f"]
    requests = [Request(prompt=p, seed=i) for i, p in enumerate(prompts)]
    outcomes = list(studio_of(house).generate_many(requests))
    assert [isinstance(o, Refused) for o in outcomes] == ["bomb" in p for p in prompts]
    seeds = [o.image.request.seed for o in outcomes if isinstance(o, Result)]
    assert seeds == [0, 2, 4, 5, 6, 7]


def test_requests_that_share_their_numbers_are_drawn_together(house, noise):
    list(studio_of(house).generate_many(asks(1, 2, 3, 4, 5, 6)))
    assert noise.drawn == [[1, 2, 3, 4], [5, 6]]


def test_the_person_and_the_purpose_do_not_part_a_batch(house, noise):
    requests = [Request(prompt="a", seed=i, subject=f"s{i}", purpose=f"p{i}") for i in range(3)]
    seen = []
    draw = noise.render
    noise.render = lambda requests, watch: seen.extend(requests) or draw(requests, watch)
    list(studio_of(house).generate_many(requests))
    assert noise.drawn == [[0, 1, 2]]
    assert [(r.subject, r.purpose) for r in seen] == [(None, "")] * 3


@pytest.mark.parametrize(
    "other", [{"steps": 2}, {"width": 48}, {"guidance_scale": 3.0}, {"negative_prompt": "dog"}]
)
def test_requests_that_differ_in_more_are_drawn_apart(house, noise, other):
    list(studio_of(house).generate_many([*asks(1), *asks(2, **other), *asks(3, **other)]))
    assert noise.drawn == [[1], [2, 3]]


def test_more_pictures_than_a_batch_takes_are_drawn_in_several(house, noise):
    result = studio_of(house).generate(*asks(10, count=10))
    assert noise.drawn == [[10, 11, 12, 13], [14, 15, 16, 17], [18, 19]]
    assert [image.request.seed for image in result.images] == list(range(10, 20))
    assert [image.sealed.marked.audited.cleared.draft.index for image in result.images] == list(
        range(10)
    )


def test_a_batch_may_hold_pictures_of_several_calls(house, noise):
    outcomes = list(studio_of(house).generate_many([*asks(1, count=3), *asks(7, count=3)]))
    assert noise.drawn == [[1, 2, 3, 7], [8, 9]]
    assert [[i.request.seed for i in o.images] for o in outcomes] == [[1, 2, 3], [7, 8, 9]]


def test_the_same_seed_draws_the_same_picture_alone_and_in_a_batch(house, noise):
    studio = studio_of(house)
    alone = studio.generate(*asks(5)).image
    together = list(studio.generate_many(asks(4, 5, 6)))[1].image
    first, second = (i.sealed.marked.audited.cleared.draft.picture for i in (alone, together))
    assert first.sha256 == second.sha256
    assert alone.sealed.sha256 != together.sealed.sha256  # marks differ


def test_pictures_are_finished_beside_the_next_render(house, noise):
    """The filter of the first batch waits for the render of the second: or it would hang."""
    second_drawn = threading.Event()

    class Waits(Bright):
        def inspect(self, picture, request):
            assert second_drawn.wait(WAIT_S)
            return super().inspect(picture, request)

    draw = noise.render

    def render(requests, watch):
        if requests[0].seed >= 5:
            second_drawn.set()
        return draw(requests, watch)

    noise.render = render
    house.add("image_filter", Waits(), "waits")
    studio = studio_of(house, image_filters=[{"plugin": "waits"}])
    outcomes = list(studio.generate_many(asks(1, 2, 3, 4, 5, 6, 7, 8)))
    assert all(isinstance(outcome, Result) for outcome in outcomes)


def test_rendering_waits_when_too_many_pictures_are_unfinished(house, noise):
    gate, rendered = threading.Event(), []

    class Holds(Bright):
        def inspect(self, picture, request):
            assert gate.wait(WAIT_S)
            return super().inspect(picture, request)

    draw = noise.render
    most = WAITING * 4 + FINISHERS

    def render(requests, watch):
        rendered.append(len(requests))
        if sum(rendered) >= most:
            threading.Timer(0.3, gate.set).start()
        return draw(requests, watch)

    noise.render = render
    house.add("image_filter", Holds(), "holds")
    studio = studio_of(house, image_filters=[{"plugin": "holds"}])
    held = []

    def watch_the_queue():
        gate.wait(WAIT_S)
        held.append(sum(rendered))

    with ThreadPoolExecutor(1) as pool:
        pool.submit(watch_the_queue)
        result = studio.generate(*asks(1, count=40))
    assert len(result.images) == 40
    assert most <= held[0] <= most + 4


def test_an_endless_stream_is_read_only_a_little_ahead(house, noise):
    """Refused requests do not let the first one starve in a batch that never fills."""
    taken = []

    def stream():
        yield from asks(1)
        for number in range(2, 10_000):
            taken.append(number)
            yield Request(prompt="a bomb", seed=number)

    outcomes = studio_of(house).generate_many(stream())
    assert next(outcomes).image.request.seed == 1
    assert len(taken) <= (WAITING + 1) * 4 + FINISHERS + 1
    assert isinstance(next(outcomes), Refused)
    outcomes.close()


def test_an_outcome_that_is_known_is_not_held_back(house, noise):
    """A refusal comes before the next request is even read."""
    read = []

    def stream():
        for number in range(3):
            read.append(number)
            yield Request(prompt="a bomb")

    outcomes = studio_of(house).generate_many(stream())
    next(outcomes)
    assert read == [0]
    outcomes.close()


class StopAt:
    """Cancels at the n-th step of the whole run."""

    def __init__(self, at):
        self._left = at

    def step(self, done, total):
        self._left -= 1
        if not self._left:
            raise Cancelled("enough")


def test_cancelling_midway_keeps_what_was_released(house, noise):
    place = house.home / "cat.png"
    with pytest.raises(Cancelled, match="enough") as caught:
        studio_of(house).generate(*asks(1, count=10), to=place, watch=StopAt(2))
    released = caught.value.released
    assert [image.request.seed for image in released] == [1, 2, 3, 4]
    assert all(image.path.read_bytes() == image.data for image in released)
    assert len(house.pictures()) == 4
    outcomes = [leaf["outcome"] for leaf in house.leaves()]
    assert sorted(outcomes) == ["cancelled"] * 2 + ["released"] * 4
    assert noise.drawn == [[1, 2, 3, 4]]


def test_each_call_of_a_cancelled_run_gets_an_error_and_a_receipt_of_its_own(house, noise):
    requests = [*asks(1, count=6), *asks(20, count=2), *asks(30)]
    outcomes = list(studio_of(house).generate_many(requests, watch=StopAt(2)))
    assert [type(outcome) for outcome in outcomes] == [Cancelled] * 3
    assert len({id(outcome) for outcome in outcomes}) == 3
    assert [len(outcome.released) for outcome in outcomes] == [4, 0, 0]
    calls = {leaf["call"] for leaf in house.leaves()}
    assert len(calls) == 2  # the third was not admitted any more
    for outcome in outcomes[:2]:
        assert house.ledger.entry(outcome.receipt).leaf["outcome"] == "cancelled"
    assert outcomes[0].receipt != outcomes[1].receipt


def test_a_batch_that_fails_gives_each_call_an_error_and_a_receipt_of_its_own(house, noise):
    noise.render = lambda requests, watch: 1 / 0
    outcomes = list(studio_of(house).generate_many(asks(1, 2, 3)))
    assert all(isinstance(outcome, BackendError) for outcome in outcomes)
    receipts = [outcome.receipt for outcome in outcomes]
    assert len(set(receipts)) == 3
    assert [house.ledger.entry(r).index for r in receipts] == [0, 1, 2]


def test_a_failed_batch_does_not_stop_the_next(house, noise):
    draw = noise.render

    def render(requests, watch):
        return 1 / 0 if requests[0].seed < 5 else draw(requests, watch)

    noise.render = render
    outcomes = list(studio_of(house).generate_many(asks(1, 2, 3, 4, 5)))
    assert [isinstance(outcome, Result) for outcome in outcomes] == [False] * 4 + [True]


def test_of_several_pictures_some_may_be_refused(house, noise):
    class Odd(Bright):
        def inspect(self, picture, request):
            (found,) = super().inspect(picture, request)
            return [type(found)(category="white", score=float(request.seed % 2))]

    house.add("image_filter", Odd(), "odd")
    studio = studio_of(house, image_filters=[{"plugin": "odd"}])
    result = studio.generate(*asks(2, count=4), to=house.home / "cat.png")
    assert [image.path.name for image in result.images] == ["cat-1.png", "cat-3.png"]
    assert [index for index, _ in result.refusals] == [1, 3]
    assert all(house.ledger.entry(error.receipt) for _, error in result.refusals)


def test_a_caller_who_goes_away_leaves_a_receipt_for_every_call(house, noise):
    outcomes = studio_of(house).generate_many(asks(*range(10)))
    next(outcomes)
    outcomes.close()
    leaves = house.leaves()
    assert {leaf["outcome"] for leaf in leaves} <= {"released", "cancelled"}
    drawn = sum(len(batch) for batch in noise.drawn)
    assert len(leaves) >= drawn


def test_requests_that_raise_leave_receipts_for_what_was_admitted(house, noise):
    def stream():
        yield from asks(1, 2)
        raise OSError("the list of prompts is gone")

    with pytest.raises(OSError, match="the list"):
        list(studio_of(house).generate_many(stream()))
    assert [leaf["outcome"] for leaf in house.leaves()] == ["cancelled"] * 2
    assert noise.drawn == []


def test_an_interrupt_leaves_one_receipt_for_each_call_and_goes_on(house, noise):
    def interrupted(requests, watch):
        raise KeyboardInterrupt

    noise.render = interrupted
    with pytest.raises(KeyboardInterrupt):
        list(studio_of(house).generate_many(asks(1, 2, 3)))
    assert [leaf["outcome"] for leaf in house.leaves()] == ["cancelled"] * 3


def test_a_ledger_that_fails_while_a_batch_is_given_up_does_not_stop_the_run(house, noise):
    studio = studio_of(house)
    append = house.ledger.append

    def fails(leaf):
        if leaf["outcome"] == "failed":
            raise LedgerError("append a receipt: gone; mend it")
        return append(leaf)

    house.ledger.append = fails
    draw = noise.render
    noise.render = lambda requests, watch: (
        1 / 0 if requests[0].steps == 1 else draw(requests, watch)
    )
    outcomes = list(studio.generate_many([*asks(1), *asks(2, steps=2)]))
    assert isinstance(outcomes[0], LedgerError)
    assert isinstance(outcomes[1], Result)


def test_two_requests_cannot_have_one_place(house, noise):
    places = [house.home / "a.png", house.home / "a.png", house.home / "b.png"]
    outcomes = list(studio_of(house).generate_many(asks(1, 2, 3), to=places))
    assert [type(outcome) for outcome in outcomes] == [Result, OutputError, Result]
    assert "twice" in str(outcomes[1])


def test_fewer_places_than_requests_is_an_error_of_ours(house, noise):
    outcomes = list(studio_of(house).generate_many(asks(1, 2), to=[house.home / "a.png"]))
    assert isinstance(outcomes[0], Result)
    assert "found 1 places; give one for each request" in str(outcomes[1])


def test_something_that_is_no_request_does_not_stop_the_run(house, noise):
    outcomes = list(studio_of(house).generate_many(["a cat", None, *asks(1)]))
    assert [type(outcome) for outcome in outcomes] == [RequestError, RequestError, Result]


def test_a_studio_may_be_shared_between_threads(house, noise):
    studio = studio_of(house)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda seed: studio.generate(*asks(seed, count=2)), range(8)))
    assert [r.image.request.seed for r in results] == list(range(8))
    assert len({image.receipt for r in results for image in r.images}) == 16
    assert house.size == 16
    assert house.ledger.verify().ok
