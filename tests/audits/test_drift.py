import numpy as np
import pytest

from sdk.audits import drift as rooms
from sdk.audits.drift import EVERY, Drift, expected_answers
from sdk.errors import DataError

HALF = Drift(values=("woman", "man"), expected=(0.5, 0.5))
FIVE_PERCENT = np.log(20)


def first_alarm(path):
    found = np.flatnonzero(path >= FIVE_PERCENT)
    return int(found[0]) + 1 if found.size else None


def streams(drift, count, length, *shares, seed):
    """First alarm of each of `count` streams whose answers come in the given shares."""
    rng = np.random.default_rng(seed)
    return [
        first_alarm(drift.path(rng.choice(len(drift.values), length, p=shares)))
        for _ in range(count)
    ]


def test_evidence_after_each_answer_equals_the_replayed_path():
    answers = np.random.default_rng(3).choice(3, 120, p=(0.5, 0.3, 0.2))
    state = Drift(values=("a", "b", "c"), expected=(0.4, 0.4, 0.2), tolerance=0.01)
    path = state.path(answers)
    for answer, expected in zip(answers, path, strict=True):
        state = state.seen(state.values[answer])
        assert state.at == pytest.approx(expected, abs=1e-6)
    assert state.n == 120
    assert state.peak == pytest.approx(path.max(), abs=1e-6)


def test_the_evidence_is_a_fair_bet_while_the_shares_are_as_expected():
    """Its mean over every possible stream of 9 answers is 1: what Ville's inequality needs."""
    total = 0.0
    for code in range(2**9):
        answers = [code >> bit & 1 for bit in range(9)]
        total += float(np.exp(HALF.path(answers)[-1])) * 0.5**9
    assert total == pytest.approx(1.0, abs=1e-9)


def test_a_tolerance_only_takes_evidence_away():
    answers = np.random.default_rng(1).choice(2, 400, p=(0.45, 0.55))
    wide = Drift(values=HALF.values, expected=HALF.expected, tolerance=0.1)
    assert (wide.path(answers) <= HALF.path(answers) + 1e-9).all()
    assert streams(wide, 5, 500, 0.42, 0.58, seed=5) == [None] * 5


def test_a_change_after_a_quiet_past_is_still_found():
    rng = np.random.default_rng(7)
    late = np.concatenate([rng.choice(2, 1000), rng.choice(2, 900, p=(0.3, 0.7))])
    assert 1000 < first_alarm(HALF.path(late)) < 1300


def test_the_state_stays_small_however_long_the_stream(monkeypatch):
    monkeypatch.setattr(rooms, "MOST_STARTS", 3)
    state = HALF
    for i in range(6 * EVERY):
        state = state.seen(HALF.values[i % 2])
    assert len(state.starts) == 3
    assert state.starts[0] == (0, (0, 0))


def test_answers_are_expected_as_an_erring_estimator_would_give_them():
    assert expected_answers((0.5, 0.5), ((90, 10), (30, 70))) == pytest.approx((0.6, 0.4))
    with pytest.raises(DataError, match="never measured"):
        expected_answers((0.5, 0.5), ((90, 10), (0, 0)))


@pytest.mark.parametrize(
    ("values", "expected", "tolerance"),
    [
        (("a",), (1.0,), 0.0),
        (("a", "a"), (0.5, 0.5), 0.0),
        (("a", "b"), (1.0, 0.0), 0.0),
        (("a", "b"), (0.7, 0.7), 0.0),
        (("a", "b"), (0.5, 0.5), 1.0),
    ],
)
def test_impossible_targets_are_refused(values, expected, tolerance):
    with pytest.raises(DataError):
        Drift(values=values, expected=expected, tolerance=tolerance)
    with pytest.raises(DataError, match="watched are woman, man"):
        HALF.seen("unclear")


@pytest.mark.slow
def test_watching_5000_pictures_all_the_time_alarms_falsely_in_at_most_one_stream_of_20():
    false = sum(alarm is not None for alarm in streams(HALF, 200, 5000, 0.5, 0.5, seed=0))
    assert false <= 16  # 5 % of 200 is 10; 16 is the 97th percentile at exactly 5 %
    five = Drift(values=tuple("abcde"), expected=(0.2,) * 5)
    false = sum(alarm is not None for alarm in streams(five, 40, 5000, *[0.2] * 5, seed=1))
    assert false <= 5


@pytest.mark.slow
def test_a_shift_from_half_to_six_tenths_is_found_within_250_pictures_in_the_median():
    found = streams(HALF, 150, 2000, 0.6, 0.4, seed=2)
    assert None not in found
    assert np.median(found) <= 250
