import multiprocessing

import pytest

from sdk.audits.drift import Drift
from sdk.audits.monitor import Monitor, record
from sdk.errors import DataError
from sdk.ledger import Ledger, verify_proof

HALF = Drift(values=("woman", "man"), expected=(0.5, 0.5))
WATCHED = {"perceived_gender": HALF}
WOMAN = {"perceived_gender": "woman"}


def test_the_state_survives_a_restart_and_the_alarm_comes_once(tmp_path):
    alarms = []
    for _ in range(40):
        with Monitor.open(tmp_path / "drift.db", WATCHED) as monitor:
            alarms += monitor.observe(WOMAN)
            state = monitor.state("perceived_gender")
    assert state.n == 40
    assert state.counts == (40, 0)
    (alarm,) = alarms
    assert alarm.drift.evidence >= 20
    assert alarm.drift.n < 40
    with Monitor.open(tmp_path / "drift.db", WATCHED) as monitor:
        assert monitor.alarmed("perceived_gender")
        monitor.restart("perceived_gender")
        assert monitor.state("perceived_gender") == HALF
        assert not monitor.alarmed("perceived_gender")


def test_an_alarm_is_written_into_the_ledger_and_proved(tmp_path):
    with Monitor.open(tmp_path / "drift.db", WATCHED) as monitor:
        (alarm,) = [a for _ in range(40) for a in monitor.observe(WOMAN)]
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        receipt = record(ledger, alarm)
        proof = ledger.prove(receipt.index)
        verify_proof(proof, ledger.public_key, alarm.leaf())
    leaf = alarm.leaf()
    assert leaf["type"] == "drift_alarm"
    assert leaf["shares"] == {"woman": 1.0, "man": 0.0}
    assert leaf["n"] == alarm.drift.n


def _count(path):
    with Monitor.open(path, WATCHED) as monitor:
        for _ in range(10):
            monitor.observe(WOMAN)


def test_processes_that_count_at_once_lose_nothing(tmp_path):
    Monitor.open(tmp_path / "drift.db", WATCHED).close()
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_count, args=(tmp_path / "drift.db",)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with Monitor.open(tmp_path / "drift.db", WATCHED) as monitor:
        assert monitor.state("perceived_gender").n == 30


def test_a_call_that_names_something_unknown_counts_nothing(tmp_path):
    with Monitor.open(tmp_path / "drift.db", WATCHED) as monitor:
        with pytest.raises(DataError, match="watched are perceived_gender"):
            monitor.observe({**WOMAN, "colour": "red"})
        with pytest.raises(DataError, match="watched are woman, man"):
            monitor.observe({"perceived_gender": "unclear"})
        assert monitor.state("perceived_gender").n == 0


@pytest.mark.parametrize("alpha", [0, 1, -0.1, float("nan")])
def test_an_impossible_alpha_is_refused(tmp_path, alpha):
    with pytest.raises(DataError, match="alpha"):
        Monitor.open(tmp_path / "drift.db", WATCHED, alpha=alpha)


def test_evidence_for_another_target_is_not_continued(tmp_path):
    with Monitor.open(tmp_path / "drift.db", WATCHED) as monitor:
        monitor.observe(WOMAN)
    other = {"perceived_gender": Drift(values=("woman", "man"), expected=(0.4, 0.6))}
    with pytest.raises(DataError, match="begin a new state"):
        Monitor.open(tmp_path / "drift.db", other)


def test_a_damaged_state_is_said_and_not_begun_anew(tmp_path):
    (tmp_path / "drift.db").write_bytes(b"no database" * 100)
    with pytest.raises(DataError, match="restore"):
        Monitor.open(tmp_path / "drift.db", WATCHED)
