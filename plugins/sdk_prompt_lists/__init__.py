"""Looks for listed words in everything a request says; needs no model and under a millisecond.

    policy:  [[prompt_filters]]
             plugin = "lists"
             [prompt_filters.settings]
             allow = ["kill screen"]
             files = [{ path = "names.txt", category = "artist" }]

The built-in lists (folder `terms`) hold what must never be drawn, in the categories `sexual`,
`sexual_minors`, `violence`, `hate`, `self_harm` and `illegal`.  It sees through disguises
(`sdk.reading`), pairs words for children with sexual words, and reads negative prompts for what
they turn around.  It does not understand a sentence: the plugin `gate` is for that.
"""

from __future__ import annotations

from sdk import PromptFilter, Settings, hookimpl

from .part import ListsFilter

__all__ = ["ListsFilter", "prompt_filter"]


@hookimpl
def prompt_filter(settings: Settings) -> PromptFilter:
    """Make the list filter; settings: `allow`, `files`, `terms`, `builtin`, see `ListsFilter`."""
    return ListsFilter(**settings)  # type: ignore[arg-type]
