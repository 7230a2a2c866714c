"""What is asked about every file of a batch, and what came of one.

asked = Asked(trust="roots.pem", rules=("ai=generated",))
Asked.from_json(asked.to_json()) == asked       # as it goes to a worker process
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

from sdk.report import Exit, Report, harmless
from sdk.types import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The same questions for every file."""

    trust: str = ""
    """Path of the list of signers; the configured one when empty."""
    tsa_trust: str = ""
    """Path of the list of time-stamp authorities."""
    cawg_trust: str = ""
    """Path of the list of identity issuers."""
    at: str = ""
    """RFC 3339; now when empty."""
    rules: tuple[str, ...] = ()
    watermarks: tuple[str, ...] = ("tile",)
    """Plugins that look for marks."""
    pixels: bool = True
    """Whether pixels are looked at: for marks, and to recover a manifest."""
    second: bool = False
    """Whether a second engine is asked."""
    strict: bool = False
    """Whether manifests must keep the rules of `sdk.strict`."""
    soft_bindings: tuple[str, ...] = ()
    """Algorithms that count as registered under `strict`."""
    thumbnails: bool = False
    """Whether a small picture is made for a page."""
    crjson: bool = False
    """Whether the crJSON document is kept."""

    def to_json(self) -> dict[str, JSON]:
        """Return it as it goes to a worker."""
        return cast("dict[str, JSON]", json.loads(json.dumps(asdict(self))))

    @classmethod
    def from_json(cls, document: Mapping[str, JSON]) -> Asked:
        """Read what `to_json` wrote."""
        lists = {k: tuple(v) if isinstance(v, list) else v for k, v in document.items()}
        return cls(**lists)  # type: ignore[arg-type]

    @property
    def digest(self) -> str:
        """Equal for equal questions under equal lists; ledger and repository are left out."""
        plain = replace(self, thumbnails=False, crjson=False)
        text = json.dumps(plain.to_json(), sort_keys=True)
        whole = hashlib.sha256(text.encode("ascii"))
        for name in filter(None, (self.trust, self.tsa_trust, self.cawg_trust)):
            whole.update(hashlib.sha256(Path(name).read_bytes()).digest())
        return whole.hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one file: a report, or why there is none."""

    file: str
    """Its name as given."""
    report: Report | None = None
    error: Mapping[str, JSON] | None = None
    """`type` and `message` where there is no report."""
    thumbnail: bytes = b""
    """A JPEG file, where one was asked for and the file is a picture."""
    crjson: Mapping[str, JSON] | None = None
    """The crJSON document, where it was asked for and a manifest can be read."""
    modified_ns: int = 0
    """When the file was last changed before it was judged."""

    @property
    def exit_code(self) -> int:
        """The report's, or 1."""
        return int(Exit.FAILED if self.report is None else self.report.exit_code)

    @property
    def headline(self) -> str:
        """The report's, or the error."""
        if self.report is not None:
            return self.report.headline
        return str((self.error or {}).get("message", ""))

    def document(self) -> dict[str, JSON]:
        """Return the JSON document of sdk/schemas/verify-1.json, or the error."""
        if self.report is not None:
            return self.report.to_json()
        return {"file": harmless(self.file), "error": dict(self.error or {}), "exit_code": 1}

    def to_json(self) -> dict[str, JSON]:
        """Return it as it comes from a worker."""
        return {
            "name": self.file,
            "report": self.report.to_json() if self.report else None,
            "error": dict(self.error) if self.error is not None else None,
            "thumbnail": base64.b64encode(self.thumbnail).decode("ascii"),
            "crjson": dict(self.crjson) if self.crjson is not None else None,
            "modified_ns": self.modified_ns,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, JSON]) -> Outcome:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is no such document.
        """
        report, error, crjson = (document.get(key) for key in ("report", "error", "crjson"))
        return cls(
            file=str(document["name"]),
            report=Report.from_json(report) if isinstance(report, dict) else None,
            error=error if isinstance(error, dict) else None,
            thumbnail=base64.b64decode(str(document.get("thumbnail", ""))),
            crjson=crjson if isinstance(crjson, dict) else None,
            modified_ns=cast("int", document.get("modified_ns", 0)),
        )


def failed(name: str, why: str, kind: str = "VerifyError") -> Outcome:
    """Say that a file has no report."""
    return Outcome(file=name, error={"type": kind, "message": harmless(why, 2000)})
