"""`sdk verify-result`, and what `sdk verify --signed-result` writes."""

from __future__ import annotations

import json
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdk.errors import RequestError, VerifyError
from sdk.report import Exit, harmless, harmless_json
from sdk.terminal import AsJson, answer, errors, leave, note, say

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from sdk.batch.examiner import Examiner
    from sdk.detection.jws import Checked
    from sdk.report import Report
    from sdk.types import JSON


def write_result(
    report: Report, examiner: Examiner, path: Path, certificate: str, key: str, tsa: str
) -> None:
    """Sign what was found about one file, and write it to a new file.

    Raises:
        SDKError: the key cannot be read, or the file is there already.
    """
    from sdk.config import load_config
    from sdk.detection.jws import signature_of, signed, stamped
    from sdk.keys import SigningCredential

    if bool(certificate) != bool(key):
        raise RequestError("asked to sign with half a credential; give --certificate and --key")
    credential = (
        SigningCredential.open(certificate, key)
        if key
        else SigningCredential.development(load_config().home)
    )
    if credential.is_development:
        note("signed by an UNTRUSTED development certificate; give --certificate and --key")
    document = signed(examiner.statement(report), credential)
    if tsa:
        from sdk.detection.stamping import stamp

        document = stamped(document, stamp(signature_of(document), tsa))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(json.dumps(document, indent=2) + "\n")
    except OSError as exc:
        raise VerifyError(
            f"asked to write {path}, found {exc.strerror}; results are never overwritten, "
            "name a new file"
        ) from exc


def verify_result(
    result: Annotated[Path, typer.Argument(help="What --signed-result wrote.")],
    file: Annotated[
        Path | None, typer.Option(help="The file it should be about; its bytes are compared.")
    ] = None,
    trust: Annotated[
        Path | None, typer.Option(help="Roots to trust for signed results: PEM.")
    ] = None,
    tsa_trust: Annotated[
        Path | None, typer.Option(help="Roots to trust for time-stamps: PEM.")
    ] = None,
    at: Annotated[str, typer.Option(help="Judge certificates at this time, RFC 3339.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check a signed detection result, offline.

    Exit codes: 0 the signature fits and leads to a root you trust, 1 not readable, 4 the result
    was changed or is about another file, 5 nobody you trust signed it, or the certificate is not
    valid and no time-stamp you trust says that it was.
    """
    from sdk.detection.jws import Changed, checked

    with errors(as_json):
        text = _read(result)
        try:
            found = checked(text)
        except Changed as error:
            _say({"exit_code": int(Exit.CHANGED), "headline": str(error)}, as_json)
            leave(int(Exit.CHANGED))
        document = _judged(found, file, trust, tsa_trust, at)
        _say(document, as_json)
    leave(int(str(document["exit_code"])))


def _judged(
    found: Checked, file: Path | None, trust: Path | None, tsas: Path | None, at: str
) -> dict[str, JSON]:
    when, stamp = _when(found, tsas, at)
    code, headline = _verdict(found, file, trust, when)
    return {
        "exit_code": int(code),
        "headline": headline,
        "signer": found.signer,
        "time_stamp": stamp,
        "statement": harmless_json(dict(found.statement)),
    }


def _verdict(
    found: Checked, file: Path | None, trust: Path | None, when: datetime
) -> tuple[Exit, str]:
    content = found.statement.get("content")
    about = content.get("sha256") if isinstance(content, dict) else None
    if file is not None and _digest(file) != about:
        return Exit.CHANGED, f"The result is about another file than {harmless(str(file))}"
    if trust is None:
        return Exit.UNTRUSTED, f"Signed by someone named {found.signer}; no trust list is loaded"
    if not found.leads_to(_roots(trust)):
        return Exit.UNTRUSTED, f"Signed by someone named {found.signer}, who is not on your list"
    if not found.valid_at(when):
        return Exit.UNTRUSTED, f"The certificate of {found.signer} was not valid on {when:%F}"
    return Exit.MET, f"Signed by {found.signer} (trusted), unchanged since"


def _when(found: Checked, tsas: Path | None, at: str) -> tuple[datetime, str]:
    """Return the time at which certificates count, and what the time-stamp says."""
    from sdk.batch.examiner import moment
    from sdk.detection.jws import now

    asked = moment(at)
    if not found.stamp:
        return asked or now(), "none"
    if tsas is None:
        return asked or now(), "there, but no list of authorities is loaded"
    from sdk.detection.stamping import stamped_at

    stamped, why = stamped_at(found.stamp, found.signature, _roots(tsas))
    if stamped is None:
        return asked or now(), f"not trusted: {why}"
    return stamped, stamped.isoformat()


def _roots(path: Path) -> list[Certificate]:
    from cryptography import x509

    from sdk.trust import TrustList

    return x509.load_pem_x509_certificates(TrustList.open(path).pem)


def _digest(path: Path) -> str:
    from sdk.source import open_file

    digest = sha256()
    with open_file(path) as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _read(path: Path) -> str:
    from sdk.detection.jws import MAX_BYTES
    from sdk.source import open_file

    with open_file(path) as file:
        return file.read(MAX_BYTES + 1).decode("utf-8", "replace")


def _say(document: dict[str, JSON], as_json: bool) -> None:
    if as_json:
        answer(document)
        return
    say(str(document["headline"]))
    statement = document.get("statement")
    if not isinstance(statement, dict):
        return
    say(f"  time-stamp  {document['time_stamp']}")
    for key in ("issued_at", "content", "verifier"):
        say(f"  {key:<10}  {_words(statement.get(key))}")
    verdict = statement.get("verdict")
    if isinstance(verdict, dict):
        say(f"  verdict     {harmless(verdict.get('headline'))}")
    techniques = statement.get("techniques")
    for technique in techniques if isinstance(techniques, list) else ():
        say(f"  technique   {_words(technique)}")


def _words(value: JSON) -> str:
    if isinstance(value, dict):
        return harmless(", ".join(f"{k} {v}" for k, v in value.items()))
    return harmless(value)
