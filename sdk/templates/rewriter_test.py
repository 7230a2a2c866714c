"""The contract first; then what this plugin promises beyond it."""

from sdk import Registry, Request
from sdk.contract import check_rewriter


def test_the_rewriter_keeps_the_contract() -> None:
    check_rewriter("NAME", leaves=["a lighthouse"])


def test_daylight_is_added_and_named() -> None:
    part = Registry().make("rewriter", "NAME")
    worded = part.reword(Request(prompt="a red apple", seed=1))
    assert (worded.prompt, worded.modifier) == ("a red apple, daylight", "daylight")
