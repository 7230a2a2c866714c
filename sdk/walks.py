"""A walk from one picture to another, as one signed animation in which every frame was governed.

    with Studio.open("default") as studio:
        walk(studio, Request(prompt="a red heart", seed=1), Request(prompt="a green tree", seed=2),
             frames=24, to=Path("walk.webp"))

Both prompts are screened; every frame passes the refiners, all image filters and auditors, and
carries the mark; one frame that is refused refuses the walk.  Then there is one encode, one
signature, and one receipt, in whose verdicts the strictest of all frames stands.

The backend must know what lies between two requests (`Walker`); the ones in the package
sdk_generators do, diffusion does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from sdk.animation import MOST_FPS, SUFFIXES
from sdk.errors import OutputError, RequestError, SDKError
from sdk.finishing import draw_between, mark_pixels, seal_frames
from sdk.lanes import Job
from sdk.output import check_place
from sdk.phases import Admitted, Audited, Cleared, Draft, Marked, Released, Wording
from sdk.pipeline import Studio
from sdk.pixels import Picture, Pixels
from sdk.request import Request
from sdk.types import Watch


@runtime_checkable
class Walker(Protocol):
    """What a backend offers beside `render` where it can walk."""

    def between(
        self, first: Request, second: Request, shares: Sequence[float], watch: Watch, /
    ) -> Sequence[Pixels]:
        """Draw what lies at each share 0..1 of the way; 0 and 1 are the requests' pictures."""


def walk(
    studio: Studio,
    first: Request,
    second: Request,
    *,
    frames: int = 24,
    fps: int = 8,
    there_and_back: bool = False,
    to: Path | None = None,
    watch: Watch | None = None,
) -> Released:
    """Draw, govern and release one animation of `frames` frames (each way), or raise.

    Raises:
        RequestError: the backend cannot walk, or a request is not for one picture from words.
        OutputError: the policy's output is no WebP, GIF or MP4, or the place is taken.
        Refused: a prompt or a frame was refused; nothing is released, and a receipt says so.
    """
    _check(studio, (first, second), frames, fps)
    if to is not None:
        check_place(to)
    start, end = studio.admit(first), studio.admit(second)
    try:
        drafts = _draw(studio, (start, end), frames, watch)
        marked = _marked(studio, drafts)
        if there_and_back:
            marked = [*marked, *marked[-2:0:-1]]
        sealed = seal_frames(studio.policy, studio._parts, marked, fps)
        return studio.record(sealed, to)
    except SDKError as error:
        for admitted in (start, end):
            studio.give_up(Job(admitted, 0, replace(admitted.request, count=1)), error)
        raise


def _check(studio: Studio, requests: Sequence[Request], frames: int, fps: int) -> None:
    agreed = {(request.subject, request.unlabelled_agreement) for request in requests}
    if len(agreed) > 1 and any(agreement for _, agreement in agreed):
        raise RequestError(
            "asked for one walk without visible label, found two persons or agreements; give both "
            "requests the same"
        )
    if not isinstance(studio._parts.backend.part, Walker):
        raise RequestError(
            f"asked {studio._parts.backend.name!r} for a walk, which it cannot draw; use a model "
            "with latents to walk between: --model vae or gan"
        )
    if studio.policy.previews.looks:
        raise RequestError(
            f"asked for a walk, found that policy {studio.policy.name!r} looks at pictures while "
            "they are drawn, which walks cannot show; use a policy without previews.looks"
        )
    if studio.policy.output.media_type not in SUFFIXES:
        raise OutputError(
            f"asked for a walk as {studio.policy.output.media_type}; walks are "
            f"{' or '.join(SUFFIXES)}: name the file {' or '.join(SUFFIXES.values())}"
        )
    if not 2 <= frames <= 120:
        raise RequestError(f"asked for {frames} frames; give 2..120")
    if not 1 <= fps <= MOST_FPS:
        raise RequestError(f"asked for {fps} frames a second; give 1..{MOST_FPS}")
    for request in requests:
        if request.count != 1 or request.init_image or request.sketch:
            raise RequestError("asked to walk between several pictures, or from one; give words")


def _draw(
    studio: Studio, ends: tuple[Admitted, Admitted], frames: int, watch: Watch | None
) -> list[Draft]:
    shares = [index / (frames - 1) for index in range(frames)]
    start, end = ends
    calls = [start.call, end.call]
    drawn = draw_between(
        studio._parts, (start.request, end.request), shares, studio._tell.watch(calls, watch)
    )
    wording, frames = Wording(start.request, (*start.worded(0), *end.worded(0))), len(shares)
    both = Admitted(
        start.call,
        start.request,
        (*start.findings, *end.findings),
        (*start.verdicts, *end.verdicts),
        start.commitment,
        tuple(dict.fromkeys((*start.changed, *end.changed))),
        wordings=(wording,) * frames if start.wordings else (),
    )
    return [
        Draft(both, index, replace(start.request, count=1), picture, actions)
        for index, (picture, actions) in enumerate(drawn)
    ]


def _marked(studio: Studio, drafts: Sequence[Draft]) -> list[Marked]:
    """Every frame through filters and auditors, then the same mark into each.

    Each frame's phase carries what was found in all of them: the manifest and the receipt are of
    the whole.
    """
    audited = [studio.audit(studio.clear(draft)) for draft in drafts]
    cleared = [one.cleared for one in audited]
    findings = tuple(f for one in cleared for f in one.findings)
    verdicts = tuple(v for one in cleared for v in one.verdicts)
    observed = tuple(f for one in audited for f in one.findings)
    decided = tuple(v for one in audited for v in one.verdicts)
    marked: list[Marked] = []
    payload: bytes | None = None
    for draft in drafts:
        pixels, payload = mark_pixels(studio.policy, studio._parts, draft, payload)
        whole = Audited(Cleared(draft, findings, verdicts), observed, decided)
        marked.append(Marked(whole, Picture(pixels), payload))
    return marked
