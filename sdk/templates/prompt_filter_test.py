"""The contract first; then what this plugin promises beyond it."""

import pytest

from sdk import PluginError, Registry, Request
from sdk.contract import check_prompt_filter


def test_the_filter_keeps_the_contract() -> None:
    check_prompt_filter("NAME", refuses=["An ACME apple"])


def test_a_word_inside_another_word_is_not_found() -> None:
    part = Registry().make("prompt_filter", "NAME", {"words": ["app"]})
    (finding,) = part.inspect(Request(prompt="a red apple"))
    assert finding.score == 0


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(PluginError, match="give a list"):
        Registry().make("prompt_filter", "NAME", {"words": []})
