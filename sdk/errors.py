"""Every error the SDK raises on purpose.

    SDKError
    ├── RequestError     the request cannot be drawn as asked (size, seed, prompt, input picture)
    ├── ConfigError      the configuration file or environment cannot be read
    ├── PolicyError      the policy cannot be read, or asks for what is not installed
    ├── PluginError      a plugin broke its contract (import, hook, return type)
    ├── Refused          the policy said no: .verdicts say who and why
    ├── Cancelled        the caller stopped the call
    ├── BackendError     the backend could not draw
    ├── MarkError        the watermark did not survive being read back
    ├── SealError        the provenance manifest could not be signed or read back
    ├── OutputError      the picture could not be encoded or its file not written
    ├── LedgerError      the receipt could not be written or read
    ├── CredentialError  a manifest could not be kept for recovery, or looked up
    ├── VaultError       personal data could not be kept, read or erased
    ├── DataError        a training picture or data set cannot be used
    ├── TrainError       a training run cannot start, go on or be saved
    ├── AuditError       an audit cannot be planned, run, read or reported as asked
    ├── ReviewError      the review queue cannot be used as asked, or an approval does not fit
    └── VerifyError      the file to verify cannot be read at all

No picture is released when any of these is raised.  A message has three parts: what was
asked, what was found, what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdk.phases import Released
    from sdk.request import Request
    from sdk.types import Finding, Verdict


class SDKError(Exception):
    """Base class: `except SDKError` catches everything below and no bugs."""

    receipt: str | None = None
    """Leaf hash (hex) of the receipt that records this outcome, where there is one."""


class RequestError(SDKError):
    """The request cannot be drawn as asked."""


class ConfigError(SDKError):
    """The configuration cannot be read, or holds an unknown key."""


class PolicyError(SDKError):
    """The policy cannot be read, or names something that is not installed."""


class PluginError(SDKError):
    """A plugin broke its contract."""


class Refused(SDKError):
    """The policy refused the request or the picture."""

    def __init__(self, stage: str, verdicts: tuple[Verdict, ...]) -> None:
        self.stage = stage
        """`prompt`, `image` or `audit`."""
        self.verdicts = verdicts
        """Every verdict of the stage, those that allow as well."""
        self.findings: tuple[Finding, ...] = ()
        """What was measured; spans point into the request."""
        self.judged: Request | None = None
        """What was judged: in other words than asked for, where a rewriter or a rule chose them."""
        self.worded_by: tuple[str, ...] = ()
        """Rewriters and their modifiers that chose the words, such as `balance: woman`."""
        self.review = ""
        """Id in the review queue, where a person was asked."""
        self.offer = ""
        """A prompt that may be asked instead, where a rule has one; never written down."""
        no = "; ".join(f"{v.by}: {v.reason}" for v in verdicts if not v.allows)
        super().__init__(f"{stage} refused by policy ({no or 'no filter allowed it'})")


class Cancelled(SDKError):
    """The caller stopped the call; what was not finished is not signed or released."""

    released: tuple[Released, ...] = ()
    """Pictures of the call that had been released before it stopped."""


class BackendError(SDKError):
    """The backend could not draw."""


class MarkError(SDKError):
    """The watermark did not survive being read back."""


class SealError(SDKError):
    """The provenance manifest could not be signed or read back."""


class OutputError(SDKError):
    """The picture could not be encoded, or its file not written."""


class LedgerError(SDKError):
    """The receipt could not be written or read."""


class CredentialError(SDKError):
    """A manifest could not be kept for recovery, or looked up."""


class VaultError(SDKError):
    """Personal data could not be kept, read or erased."""


class DataError(SDKError):
    """A training picture or data set cannot be used."""


class TrainError(SDKError):
    """A training run cannot start, go on or be saved."""


class AuditError(SDKError):
    """An audit cannot be planned, run, read or reported as asked."""


class ReviewError(SDKError):
    """The review queue cannot be used as asked, or an approval does not fit."""


class VerifyError(SDKError):
    """The file to verify cannot be read at all."""
