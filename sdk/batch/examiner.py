"""Answers what is asked, file by file: one examiner in each process.

with Examiner.open(Asked(rules=("ai=generated",))) as examiner:
    examiner.examine("a.png").report.headline
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sdk.axes_outside import parsed
from sdk.batch.asked import Asked, Outcome, failed
from sdk.errors import LedgerError, RequestError, SDKError, VerifyError
from sdk.report import Report
from sdk.second_opinion import require_engine, second_opinion
from sdk.source import Source, open_file, read_source
from sdk.trust import Trust, TrustList
from sdk.trust_store import KINDS
from sdk.types import JSON
from sdk.verify import verify_source

if TYPE_CHECKING:
    from sdk.config import Config
    from sdk.credentials import Repository
    from sdk.evidence import Detector
    from sdk.ledger import Ledger

THUMBNAIL_SIDE = 256
"""Pixels of the longer side of a thumbnail."""


class Examiner:
    """Answers for one file after the other; lists, ledger and detectors are opened once."""

    def __init__(
        self,
        asked: Asked,
        *,
        trust: Trust,
        at: datetime | None,
        detectors: list[Detector],
        ledger: Ledger | None,
        credentials: Repository | None,
    ) -> None:
        self._asked = asked
        self.trust = trust
        self._at = at
        self._detectors = detectors
        self._ledger = ledger
        self._credentials = credentials
        self.remark = ""
        """Why the ledger of this machine was not asked, where there is one."""

    @classmethod
    @contextmanager
    def open(cls, asked: Asked) -> Iterator[Examiner]:
        """Open what the questions need.

        Raises:
            SDKError: a list, plugin, engine or the configured ledger cannot be opened, a rule
                names no axis, or `at` is no time.
        """
        from sdk.config import load_config, read_credentials

        parsed(asked.rules)
        if asked.second:
            require_engine()
        config = load_config()
        with ExitStack() as stack:
            ledger, remark = _ledger(config)
            repository = read_credentials(config) if asked.pixels else None
            for opened in (ledger, repository):
                if opened is not None:
                    stack.enter_context(opened)
            made = cls(
                asked,
                trust=_trust(asked, config),
                at=moment(asked.at),
                detectors=_detectors(asked.watermarks) if asked.pixels else [],
                ledger=ledger,
                credentials=repository,
            )
            made.remark = remark
            yield made

    def examine(self, name: str) -> Outcome:
        """Judge one file; that it cannot be read is an outcome too."""
        try:
            with open_file(name) as file:
                changed = os.fstat(file.fileno()).st_mtime_ns
                source = read_source(file, name)
                found = self._report(name, source)
                return Outcome(
                    file=name,
                    report=found,
                    thumbnail=thumbnail(source) if self._asked.thumbnails else b"",
                    crjson=crjson_of(source, self.trust, found) if self._asked.crjson else None,
                    modified_ns=changed,
                )
        except VerifyError as error:
            return failed(name, str(error))

    def statement(self, report: Report) -> dict[str, JSON]:
        """Return what a signed result states about a report of this examiner's."""
        from sdk.detection.statement import stated
        from sdk.registry import Registry

        names = self._asked.watermarks if self._asked.pixels else ()
        return stated(
            report,
            trust=self.trust,
            detectors=[Registry().identify("watermark", name) for name in names],
            rules=self._asked.rules,
            at=self._at,
        )

    def _report(self, name: str, source: Source) -> Report:
        asked = self._asked
        return verify_source(
            source,
            trust=self.trust,
            ledger=self._ledger,
            detectors=self._detectors,
            credentials=self._credentials,
            rules=asked.rules,
            at=self._at,
            opinion=second_opinion(name, source.media_type) if asked.second else None,
            strict=asked.strict,
            soft_bindings=asked.soft_bindings,
        )


def thumbnail(source: Source) -> bytes:
    """Return a small JPEG of a picture; empty for anything else."""
    if not source.is_whole or not source.media_type.startswith("image/"):
        return b""
    from PIL import Image

    from sdk.encode import decode

    try:
        picture = Image.fromarray(decode(source.data))
    except SDKError:
        return b""
    picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    small = io.BytesIO()
    picture.save(small, "JPEG", quality=75)
    return small.getvalue()


def crjson_of(source: Source, trust: Trust, report: Report) -> Mapping[str, JSON] | None:
    """Return the file's manifests as crJSON; None where no manifest can be read.

    c2pa-rs takes any root for signers, time-stamps and identities.  All lists are given at once
    only where that vouches for nobody whom `report` does not call trusted.
    """
    signers = trust.signers.pem if trust.signers else b""
    tsas = trust.tsas.pem if trust.tsas else b""
    named = trust.identities.pem if trust.identities else b""
    both = source.crjson(signers + tsas, named) if tsas or named else None
    trusted = report.axes["signer"].state == "trusted"
    if both is not None and (trusted or "signingCredential.trusted" not in json.dumps(both)):
        return both
    return source.crjson(signers)


def _trust(asked: Asked, config: Config) -> Trust:
    from sdk.config import trust_lists

    lists = trust_lists(config)
    named = (asked.trust, asked.tsa_trust, asked.cawg_trust)
    paths = [name or lists[kind] for name, kind in zip(named, KINDS, strict=True)]
    signers, tsas, identities = (TrustList.open(path) if path else None for path in paths)
    return Trust(signers=signers, tsas=tsas, identities=identities)


def _detectors(names: tuple[str, ...]) -> list[Detector]:
    from sdk.registry import Registry

    registry = Registry()
    return [registry.make("watermark", name) for name in names]


def _ledger(config: Config) -> tuple[Ledger | None, str]:
    """The ledger of this machine, where there is one; without one the axis says unchecked."""
    from sdk.config import read_ledger

    try:
        return read_ledger(config), ""
    except LedgerError as error:
        if config.ledger:
            raise
        missing = "found no ledger" in str(error)
        return None, "" if missing else f"the ledger was not asked: {error}"


def moment(text: str) -> datetime | None:
    """Return an RFC 3339 time; None for an empty text.

    Raises:
        RequestError: it is none.
    """
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    except ValueError as exc:
        raise RequestError(
            f"asked to judge at {text!r}; give RFC 3339, such as 2026-11-23T12:00:00Z"
        ) from exc
