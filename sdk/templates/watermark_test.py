"""The contract first; then what this plugin promises beyond it."""

from sdk import Presence, Registry
from sdk.contract import check_watermark, sample


def test_the_mark_keeps_the_contract() -> None:
    check_watermark("NAME")


def test_no_level_moves_by_more_than_one() -> None:
    part = Registry().make("watermark", "NAME")
    moved = part.embed(sample(), b"12345678").astype(int) - sample()
    assert abs(moved).max() == 1


def test_smoothing_erases_the_mark() -> None:
    part = Registry().make("watermark", "NAME")
    marked = part.embed(sample(), b"12345678")
    marked[1:] = marked[1:] // 2 + marked[:-1] // 2
    assert part.detect(marked).presence is Presence.ABSENT
