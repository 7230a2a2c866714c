"""Has rewriters word a prompt, picture by picture, and every wording screened.

    admission = screened(rewriters, request, allowed)

A rewriter changes words before anybody screens them, so what is screened is what is drawn.  One
that raises, hangs, or answers with anything but one of its own modifiers ends the call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sdk.asking import question, within
from sdk.decide import Judgement
from sdk.errors import PluginError, Refused
from sdk.hookspecs import Rewriter
from sdk.parts import Named
from sdk.phases import Wording
from sdk.request import Request
from sdk.types import Worded


@dataclass(frozen=True, slots=True)
class Admission:
    """What the prompt filters said of a request, and how it was changed before."""

    request: Request
    judged: Judgement
    changed: tuple[str, ...] = ()
    """Rules that changed it."""
    wordings: tuple[Wording, ...] = ()
    """One for each picture; empty without rewriters."""


def screened(
    rewriters: Sequence[Named[Rewriter]],
    request: Request,
    allowed: Callable[[Request], Admission],
) -> Admission:
    """Word every picture of a complete request and screen each different wording once.

    Raises:
        PluginError: a rewriter failed.
        Refused: a filter refused one of the wordings; then no picture of the call is drawn.
    """
    if not rewriters:
        return allowed(request)
    worded = [_worded(rewriters, request, index) for index in range(request.count)]
    known: dict[str, Admission] = {}
    for wording in worded:
        if wording.request.prompt not in known:
            known[wording.request.prompt] = _told(wording, allowed)
    each = list(known.values())
    return Admission(
        replace(each[0].request, seed=request.seed, count=request.count),
        Judgement(
            tuple(finding for one in each for finding in one.judged.findings),
            tuple(verdict for one in each for verdict in one.judged.verdicts),
        ),
        tuple(dict.fromkeys(rule for one in each for rule in one.changed)),
        tuple(Wording(known[w.request.prompt].request, w.by) for w in worded),
    )


def _told(wording: Wording, allowed: Callable[[Request], Admission]) -> Admission:
    try:
        return allowed(wording.request)
    except Refused as refusal:
        refusal.worded_by = wording.by  # a person who is asked sees whose words they are
        raise


def _worded(rewriters: Sequence[Named[Rewriter]], request: Request, index: int) -> Wording:
    assert request.seed is not None
    own = replace(request, seed=request.seed + index, count=1)
    by = []
    for rewriter in rewriters:
        said = _said(rewriter, own)
        if bool(said.modifier) != (said.prompt != own.prompt):
            raise PluginError(
                f"asked rewriter {rewriter.name!r} to word a prompt, found words changed without a "
                "modifier, or a modifier that changed nothing; nothing is drawn"
            )
        if said.modifier:
            own = replace(own, prompt=said.prompt)
            by.append(f"{rewriter.name}: {said.modifier}")
    return Wording(own, tuple(by))


def _said(rewriter: Named[Rewriter], request: Request) -> Worded:
    """What one rewriter answers, and that it is an answer."""
    try:
        said = within(rewriter.spec.timeout_s, question(rewriter.part.reword, request))
    except PluginError as exc:
        raise PluginError(
            f"asked rewriter {rewriter.name!r} to word a prompt, found: {exc}; nothing is drawn"
        ) from exc
    texts = isinstance(said, Worded) and type(said.prompt) is type(said.modifier) is str
    if not isinstance(said, Worded) or not texts or not said.prompt.strip():
        raise PluginError(
            f"asked rewriter {rewriter.name!r} to word a prompt, found an answer that is no "
            "Worded with a prompt; nothing is drawn"
        )
    if said.modifier not in ("", *rewriter.categories):
        raise PluginError(
            f"asked rewriter {rewriter.name!r} to word a prompt, found another modifier than its "
            "own; nothing is drawn"
        )
    return said
