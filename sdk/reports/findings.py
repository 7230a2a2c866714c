"""Outcomes as SARIF findings: each status code that failed, and what has no code of C2PA.

Rules are the status codes (`assertion.dataHash.mismatch`) and some of ours (`sdk.…`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sdk.batch.asked import Outcome
from sdk.explain import Explanation, explained
from sdk.manifests import Outcome as Result
from sdk.manifests import Status
from sdk.report import harmless
from sdk.sarif import Finding, Place, Rule, sarif
from sdk.types import JSON

_OURS = {
    "sdk.error": ("error", Explanation("the file could not be judged", "see the message", "mend")),
    "sdk.absent": (
        "warning",
        Explanation(
            "the file has no Content Credentials",
            "it never had any, or a program took them out",
            "ask for the original; that alone does not say how the file was made",
        ),
    ),
    "sdk.untrusted": (
        "warning",
        Explanation(
            "nobody on your lists vouches for the signer, or the certificate expired",
            "no list is loaded, or the signer is not on it",
            "load a list with --trust, or find out who the signer is",
        ),
    ),
    "sdk.conflict": (
        "error",
        Explanation(
            "mark, picture and manifest contradict each other",
            "a mark or a manifest was copied from another picture",
            "believe neither",
        ),
    ),
    "sdk.rule": (
        "error",
        Explanation(
            "a rule that you gave is not met",
            "see the message for what was found",
            "decide whether the rule or the file is wrong",
        ),
    ),
    "sdk.verified": (
        "none",
        Explanation("intact, and signed by someone on your list", "nothing was changed", "nothing"),
    ),
}
_TRUST = ("signingCredential.", "timeStamp.untrusted", "cawg.")


def findings_sarif(outcomes: Sequence[Outcome]) -> dict[str, JSON]:
    """Return the SARIF log of a batch; errors make the run unsuccessful and are results too."""
    found = [finding for outcome in outcomes for finding in _findings(outcome)]
    rules = [_rule(id_) for id_ in dict.fromkeys(finding.rule for finding in found)]
    problems = [f"{outcome.file}: {outcome.headline}" for outcome in outcomes if not outcome.report]
    return sarif(rules, found, problems=problems, command="verify")


def _rule(id_: str) -> Rule:
    level, about = _OURS.get(id_, ("", explained(id_)))
    return Rule(
        id=id_,
        short=about.means,
        help=f"Cause: {about.cause}. Do: {about.do}.",
        level=level or _level(id_),
        tags=("provenance", "C2PA"),
    )


def _level(code: str) -> str:
    status = Status(code=code, outcome=Result.FAILURE, manifest="", explanation="")
    return "warning" if status.concerns_trust and code.startswith(_TRUST) else "error"


def _findings(outcome: Outcome) -> Iterator[Finding]:
    report = outcome.report
    if report is None:
        yield _finding(outcome, "sdk.error", outcome.headline)
        return
    codes = report.codes
    for code, place in codes.items():
        where = f" ({place})" if place else ""
        yield _finding(outcome, code, f"{explained(code).means}{where}; {report.headline}")
    if report.exit_code == 0:
        yield _finding(outcome, "sdk.verified", report.headline, kind="pass")
    elif report.exit_code == 3:
        yield _finding(outcome, "sdk.absent", report.headline)
    elif report.exit_code == 5 and not any(c.startswith("signingCredential.") for c in codes):
        yield _finding(outcome, "sdk.untrusted", report.headline)
    if "CONFLICT" in (report.axes["watermark"].state,):
        yield _finding(outcome, "sdk.conflict", report.axes["watermark"].reason)
    if report.axes["policy"].state == "failed":
        yield _finding(outcome, "sdk.rule", report.axes["policy"].reason)


def _finding(outcome: Outcome, rule: str, message: str, kind: str = "fail") -> Finding:
    report = outcome.report
    more: dict[str, JSON] = {"file": harmless(outcome.file), "exitCode": outcome.exit_code}
    if report is not None:
        more["sha256"] = report.sha256
        more["axes"] = {name: axis.state for name, axis in report.axes.items()}
    return Finding(
        rule=rule,
        message=message,
        places=[Place(path=outcome.file)],
        kind=kind,
        same=f"{rule}/{report.sha256}" if report else "",
        more=more,
    )
