"""Says where a picture came from and whether it changed, from the file alone.

    report = verify("apple.png", trust=Trust(signers=TrustList.open("roots.pem")))
    report.headline, report.exit_code, report.axes["integrity"].state

Offline: nothing is fetched.  Eleven axes answer eleven questions (`sdk.report`); "untrusted" is
never "changed", and "could not tell" is never "false".  A file without credentials is only that:
nothing here ever says that a person made a picture.  torch is never imported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sdk.axes import ai, chain, content_match, integrity, provenance, signer, time
from sdk.axes_identity import identities, identity
from sdk.axes_outside import ledger as ledger_axis
from sdk.axes_outside import policy, watermark
from sdk.chains import leads_to
from sdk.claims import unsigned_claims
from sdk.cose import certificates
from sdk.engine import reads
from sdk.errors import SDKError
from sdk.evidence import Detector, Entry, Evidence, Finder, stamp
from sdk.headline import exit_code, headline
from sdk.jumbf import manifest_store
from sdk.manifests import ManifestStore, State
from sdk.pixel_evidence import look
from sdk.report import Axis, Report, harmless
from sdk.second_opinion import Opinion, compared, second_opinion
from sdk.source import Source, open_file, read_source
from sdk.strict import Complaint, complaints
from sdk.trust import NO_TRUST, Trust

if TYPE_CHECKING:
    from sdk.recovery import Finder as Repository


def verify(
    path: str | Path,
    *,
    trust: Trust = NO_TRUST,
    ledger: Finder | None = None,
    detectors: Sequence[Detector] = (),
    credentials: Repository | None = None,
    rules: Sequence[str] = (),
    at: datetime | None = None,
    second: bool = False,
    strict: bool = False,
    soft_bindings: Sequence[str] = (),
) -> Report:
    """Judge one file.

    `ledger` is asked for a receipt of these bytes, `detectors` for marks in the pixels, and
    `credentials` for the manifest of a file that has none; `rules` are `axis=state|state`.
    Certificates are judged at `at`, now by default.  `second` asks another engine about the
    integrity of the file as it is (`sdk.second_opinion`).  `strict` adds the rules of
    `sdk.strict`, under which `soft_bindings` are algorithms that count beside the registered ones.

    Raises:
        VerifyError: not a regular file, empty, or it cannot be read; or a rule is none.
    """
    with open_file(path) as file:
        source = read_source(file, str(path))
        return verify_source(
            source,
            trust=trust,
            ledger=ledger,
            detectors=detectors,
            credentials=credentials,
            rules=rules,
            at=at,
            opinion=second_opinion(path, source.media_type) if second else None,
            strict=strict,
            soft_bindings=soft_bindings,
        )


def verify_source(
    source: Source,
    *,
    trust: Trust = NO_TRUST,
    ledger: Finder | None = None,
    detectors: Sequence[Detector] = (),
    credentials: Repository | None = None,
    rules: Sequence[str] = (),
    at: datetime | None = None,
    opinion: Opinion | None = None,
    strict: bool = False,
    soft_bindings: Sequence[str] = (),
) -> Report:
    """Judge a file that was read already; as `verify`, with the opinion of another engine."""
    judge = _Judge(source, trust, at or datetime.now(UTC))
    entries, problem = _look_up(ledger, source.sha256)
    found = replace(judge.evidence(), entries=entries, ledger_problem=problem, opinion=opinion)
    if detectors or (credentials is not None and found.store is None):
        found = look(source, found, detectors, credentials, judge)
    return conclude(source, found, rules, complaints(source, soft_bindings) if strict else None)


class _Judge:
    """Gathers the evidence of one file and concludes."""

    def __init__(self, source: Source, trust: Trust, at: datetime) -> None:
        self._source = source
        self._trust = trust
        self._at = at if at.tzinfo else at.replace(tzinfo=UTC)

    def evidence(self) -> Evidence:
        """Gather what the file says by itself."""
        source, listed = self._source, self._trust.identities
        found = self.judged(source.manifests)
        if found.store is not None and found.store.state is State.UNREADABLE and source.is_bare:
            found = replace(found, store=None, damaged=found.store.statuses[0].explanation)
        claimed = found.store is not None and bool(identities(found.store))
        return replace(
            found,
            chained=self._chained(found),
            named=source.manifests(b"", listed.pem) if claimed and listed else None,
            claims=unsigned_claims(source.data, source.media_type),
            unread="" if reads(source.media_type) else source.media_type or "unknown",
        )

    def _chained(self, found: Evidence) -> str:
        """Judge a certificate that has expired by now at the time asked for."""
        listed, store = self._trust.signers, found.store
        if not found.lapsed or listed is None or store is None:
            return ""
        try:
            named = certificates(
                manifest_store(self._source.data, self._source.media_type), store.active
            )
        except ValueError:
            return ""
        return "yes" if leads_to(named, listed.pem, self._at) else "no"

    def judged(self, read: Callable[[bytes], ManifestStore | None]) -> Evidence:
        """Judge a manifest store under each list by itself: see `sdk.trust` for the reason."""
        trust = self._trust
        store = read(trust.signers.pem if trust.signers else b"")
        stamped = store is not None and trust.tsas is not None and bool(stamp(store))
        timed = read(trust.tsas.pem) if stamped and trust.tsas is not None else None
        found = Evidence(store=store, timed=timed, trust=trust, at=self._at)
        if found.stamped_at is None or found.vouched or not (trust.signers and trust.tsas):
            return found
        return replace(found, joint=read(trust.signers.pem + trust.tsas.pem))


def conclude(
    source: Source,
    found: Evidence,
    rules: Sequence[str],
    strict: Sequence[Complaint] | None = None,
) -> Report:
    """Make the report from the evidence; `strict` are complaints where they were asked for."""
    axes: dict[str, Axis] = {
        "provenance": provenance(found),
        "integrity": integrity(found),
        "content_match": content_match(found),
        "signer": signer(found),
        "time": time(found),
        "chain": chain(found),
        "identity": identity(found),
        "ai": ai(found),
        "watermark": watermark(found),
        "ledger": ledger_axis(found),
    }
    if found.opinion is not None and found.recovered is None:
        axes["integrity"] = compared(axes["integrity"], found.opinion)
    axes["policy"] = policy(axes, rules, strict)
    failures = found.store.failures if found.store else ()
    return Report(
        file=source.name,
        sha256=source.sha256,
        size=source.size,
        media_type=source.media_type,
        headline=headline(found, axes),
        exit_code=exit_code(axes),
        axes=axes,
        claims=tuple(claim.to_json() for claim in found.claims),
        statuses=tuple(
            {
                "code": harmless(s.code),
                "manifest": harmless(s.manifest),
                "explanation": harmless(s.explanation),
                "recorded": s.recorded,
            }
            for s in failures[:200]
        ),
    )


def _look_up(ledger: Finder | None, sha256: str) -> tuple[Sequence[Entry] | None, str]:
    if ledger is None:
        return None, ""
    try:
        return ledger.find(sha256=sha256), ""
    except SDKError as exc:
        return None, f"the ledger could not be asked: {exc}"
