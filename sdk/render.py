"""The report for people: one headline, one table, and on request what each failure means."""

from __future__ import annotations

from sdk.report import AXES, Report

_SIGNS = {
    0: "ok",
    1: "failed",
    3: "no provenance",
    4: "CHANGED",
    5: "untrusted",
    6: "rule failed",
}
_RESAVED = "a program saved, converted or tagged the file after it was signed"
EXPLAINED = {
    "assertion.dataHash.mismatch": (
        "the bytes of the file are not those that were signed",
        _RESAVED + ", or someone changed the picture",
        "get the original from whoever signed it",
    ),
    "assertion.bmffHash.mismatch": (
        "the boxes of the file are not those that were signed",
        _RESAVED + ", or someone changed the picture",
        "get the original from whoever signed it",
    ),
    "assertion.hashedURI.mismatch": (
        "an assertion in the manifest is not the one that was signed",
        "the manifest was edited",
        "believe nothing that it says; get the original",
    ),
    "assertion.missing": (
        "the manifest names an assertion that is not there",
        "the manifest was edited or cut",
        "believe nothing that it says; get the original",
    ),
    "claimSignature.mismatch": (
        "the signature does not fit the claim",
        "claim or signature were edited, or signed with another key",
        "believe nothing that it says; get the original",
    ),
    "claimSignature.missing": (
        "the manifest is not signed",
        "the signature was cut out",
        "believe nothing that it says; get the original",
    ),
    "signingCredential.untrusted": (
        "the signer's certificate leads to no root of your list",
        "a development certificate, a private authority, or a list that lacks the signer",
        "if you know the signer by other means, add their root to your list",
    ),
    "signingCredential.expired": (
        "the certificate was not valid when it counts",
        "it expired, and no trusted time-stamp says that the signature is older",
        "load a list of time-stamp authorities; signers: use timestamp_url",
    ),
    "signingCredential.invalid": (
        "the certificate may not sign manifests",
        "it lacks an extension, or its usages are others",
        "signers: run sdk certs doctor on the chain",
    ),
    "signingCredential.ocsp.revoked": (
        "the authority took the certificate back",
        "the key was lost or misused",
        "trust nothing that was signed after that",
    ),
    "timeStamp.mismatch": (
        "the time-stamp is not for this signature",
        "it was copied, or the signature was edited",
        "believe no date in the manifest",
    ),
    "timeStamp.untrusted": (
        "the time-stamp authority is not on your list",
        "no list is loaded, or it lacks this authority",
        "load a list with --tsa-trust",
    ),
    "ingredient.manifest.mismatch": (
        "the manifest of a file it was made from is not the one that was used",
        "the ancestor's manifest was edited",
        "ask whoever signed for the original of that file",
    ),
    "ingredient.manifest.missing": (
        "the manifest of a file it was made from is not there",
        "it was taken out of the store",
        "ask whoever signed for the original of that file",
    ),
    "manifest.unreadable": (
        "a manifest is there, but cannot be parsed",
        "the file was cut or damaged on its way",
        "get the file again",
    ),
}
"""Status code → meaning, likely cause, what to do (codes: C2PA 2.2, 15.2)."""
_UNKNOWN = ("the manifest breaks a rule of C2PA", "see the code's name", "ask whoever signed it")


def render_text(report: Report, *, explain: bool = False) -> str:
    """Return headline and table as plain text; nothing in it can control a terminal."""
    width = max(len(name) for name in AXES)
    states = max(len(report.axes[name].state) for name in AXES)
    lines = [f"{report.file}: {report.headline}", ""]
    for name in AXES:
        axis = report.axes[name]
        lines.append(f"  {name.replace('_', ' '):<{width}}  {axis.state:<{states}}  {axis.reason}")
    lines += [
        f"  {'unsigned':<{width}}  {claim['kind']}: {claim['says']} ({claim['detail']})"
        for claim in report.claims
    ]
    code = int(report.exit_code)
    lines += ["", f"  sha-256 {report.sha256}", f"  exit {code}: {_SIGNS[code]}"]
    if explain:
        lines += _explained(report)
    return "\n".join(lines) + "\n"


def _explained(report: Report) -> list[str]:
    """Say for each failure once what it means, what may have caused it, and what to do."""
    lines: list[str] = []
    for code in dict.fromkeys(str(status["code"]) for status in report.statuses):
        meaning, cause, do = EXPLAINED.get(code, _UNKNOWN)
        recorded = all(s["recorded"] for s in report.statuses if s["code"] == code)
        where = " (in an ancestor, when it was used)" if recorded else ""
        lines += ["", f"  {code}{where}", f"    means  {meaning}"]
        lines += [f"    cause  {cause}", f"    do     {do}"]
    return lines or ["", "  nothing failed"]
