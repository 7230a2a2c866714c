"""The phases of one picture, in the order they come to be.

    Request → Admitted → Draft → Cleared → Audited → Marked → Sealed → Released

Each phase holds the one before it, so a released picture carries its whole story, and a step
that is skipped is a type error instead of a forgotten call.  Only `sdk.pipeline` makes phases.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sdk.errors import SDKError
from sdk.pixels import Picture
from sdk.request import Request
from sdk.types import Detection, Finding, Seal, Verdict


@dataclass(frozen=True, slots=True)
class Wording:
    """The request of one picture as rewriters worded it; every wording was screened."""

    request: Request
    by: tuple[str, ...]
    """`PLUGIN: MODIFIER` of each rewriter that changed the words."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that every prompt filter has seen and the policy allows."""

    call: str
    """Random id of the call, hex."""
    request: Request
    """Complete: seed, size, steps and guidance are set."""
    findings: tuple[Finding, ...]
    verdicts: tuple[Verdict, ...]
    commitment: str | None = None
    """Salted commitment to the personal part of the request, see `sdk.vault`."""
    changed: tuple[str, ...] = ()
    """Rules that changed the request before it was drawn; the commitment is to what was asked."""
    wordings: tuple[Wording, ...] = ()
    """One for each picture of the call; empty where the policy names no rewriter."""

    def worded(self, index: int | None) -> tuple[str, ...]:
        """Which modifiers changed the words of one picture."""
        return self.wordings[index].by if self.wordings and index is not None else ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A drawn picture that nobody has looked at; it must not leave."""

    admitted: Admitted
    index: int
    """Which picture of the call, from 0."""
    request: Request
    """The request of this one picture: count 1, its own seed."""
    picture: Picture
    actions: tuple[str, ...] = ()
    """C2PA actions of the refiners that changed it, in order."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """A picture that every image filter has seen and the policy allows."""

    draft: Draft
    findings: tuple[Finding, ...]
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Audited:
    """A cleared picture that every auditor has observed."""

    cleared: Cleared
    findings: tuple[Finding, ...]
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Marked:
    """An audited picture with the watermark in its pixels."""

    audited: Audited
    picture: Picture
    payload: bytes
    """Random id in the pixels; empty where the policy says `unsafe_without` watermark."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """The final bytes: marked, encoded once, signed, and read back."""

    marked: Marked
    data: bytes = field(repr=False)
    media_type: str
    sha256: str
    """Of `data`, hex."""
    seal: Seal
    detection: Detection
    """What the watermark detector read from the decoded final bytes."""
    decoded: Picture
    """The pixels as `data` gives them back; lossy formats change them a little."""


@dataclass(frozen=True, slots=True)
class Released:
    """A picture whose receipt is durably in the ledger."""

    sealed: Sealed
    receipt: str
    """Leaf hash (hex) of the ledger entry."""
    leaf_index: int
    path: Path | None = None
    """Where the file was written, when the call named a place."""

    @property
    def data(self) -> bytes:
        """The final file."""
        return self.sealed.data

    @property
    def request(self) -> Request:
        """What this one picture was drawn from."""
        return self.sealed.marked.audited.cleared.draft.request

    @property
    def picture(self) -> Picture:
        """The marked pixels."""
        return self.sealed.marked.picture

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Every verdict of every stage, in order."""
        return all_verdicts(self.sealed)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that was measured, in order."""
        audited = self.sealed.marked.audited
        cleared = audited.cleared
        return (*cleared.draft.admitted.findings, *cleared.findings, *audited.findings)


def all_verdicts(sealed: Sealed) -> tuple[Verdict, ...]:
    """Every verdict of every stage, in order."""
    audited = sealed.marked.audited
    cleared = audited.cleared
    return (*cleared.draft.admitted.verdicts, *cleared.verdicts, *audited.verdicts)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one call: at least one released picture, and who was refused."""

    call: str
    images: tuple[Released, ...]
    refusals: tuple[tuple[int, SDKError], ...] = ()
    """(index, error) of the pictures that were not released; each has a receipt."""

    @property
    def image(self) -> Released:
        """The first released picture."""
        return self.images[0]
