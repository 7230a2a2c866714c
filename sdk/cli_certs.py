"""`sdk certs`: who signs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdk.errors import SealError
from sdk.terminal import REFUSED, AsJson, answer, app, errors, leave, note, say

if TYPE_CHECKING:
    from sdk.types import JSON

certs = app("Certificates that sign manifests.")

Chain = Annotated[Path, typer.Argument(metavar="CHAIN", help="PEM, leaf first.")]
Organization = Annotated[str, typer.Option(help="Organization in the subject.")]
Name = Annotated[str, typer.Option(help="Common name in the subject.")]
Algorithm = Annotated[str, typer.Option(help="es256, es384, es512, ps256 or ed25519.")]
Elsewhere = Annotated[
    str, typer.Option(metavar="URI", help="A key that lies elsewhere: awskms:… or pkcs11:….")
]


@certs.command("init")
def init(
    folder: Annotated[Path, typer.Argument(help="A new folder for root.pem, chain.pem, key.pem.")],
    organization: Organization,
    name: Name,
    days: Annotated[int, typer.Option(min=1, help="How long all three certificates live.")] = 365,
    alg: Algorithm = "es256",
    key: Elsewhere = "",
    as_json: AsJson = False,
) -> None:
    """Make a root, an intermediate and a leaf of your own, and the leaf's key.

    The keys of root and intermediate are not kept: the next chain is a new one.  Verifiers trust
    it where root.pem is on their list.  With --key the leaf is for a key that exists, in a token
    or a cloud service; it decides the algorithm, and no key.pem is written.
    """
    from sdk.certs import new_chain
    from sdk.keys import files_of, write_folder
    from sdk.outside import open_key

    with errors(as_json):
        public = open_key(key).public_key() if key else None
        chain = new_chain(
            organization=organization, common_name=name, days=days, alg=alg, leaf_key=public
        )
        files = files_of(chain)
        write_folder(folder, files)
        if as_json:
            answer({"folder": str(folder), "files": [*files]})
            return
        say(f"wrote    {folder}/root.pem   give it to whoever shall trust you")
        say(f"wrote    {folder}/chain.pem  signer setting `certificate`")
        if not key:
            say(f"wrote    {folder}/key.pem    signer setting `key`; keep it secret")


@certs.command("doctor")
def doctor(chain: Chain, as_json: AsJson = False) -> None:
    """Say what is wrong with a signing certificate; exit 6 if C2PA would refuse it."""
    from sdk.certprofile import examine

    with errors(as_json):
        found = examine(_read(chain))
        fatal = any(complaint.fatal for complaint in found)
        listed: list[JSON] = [
            {"part": c.part, "found": c.found, "do": c.do, "fatal": c.fatal} for c in found
        ]
        if as_json:
            answer({"chain": str(chain), "usable": not fatal, "complaints": listed})
        else:
            for complaint in found:
                say(f"{'wrong  ' if complaint.fatal else 'warning'}  {complaint}")
            say("C2PA refuses this certificate" if fatal else "C2PA accepts this certificate")
    leave(REFUSED if fatal else 0)


@certs.command("csr")
def csr(
    folder: Annotated[Path, typer.Argument(help="A new folder for request.pem and key.pem.")],
    organization: Organization,
    name: Name,
    country: Annotated[str, typer.Option(help="Two letters.")],
    alg: Algorithm = "es256",
    key: Elsewhere = "",
    level: Annotated[int, typer.Option(help="Assurance level to ask for, 1 or 2.")] = 1,
    record: Annotated[str, typer.Option(help="The product's UUID in the programme's list.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a key and a request for a certificate of the C2PA conformance programme.

    Organization and name must be those of the product's entry in the programme's list.  With
    --key the request is for a key that exists, in a token or a cloud service, and signed by it.
    """
    from sdk.certs import new_request
    from sdk.keys import write_folder
    from sdk.outside import issuing, open_key

    with errors(as_json):
        request, pem = new_request(
            organization=organization,
            common_name=name,
            country=country,
            alg=alg,
            key=issuing(open_key(key)) if key else None,
            level=level,
            record=record,
        )
        files = {"request.pem": request} | ({"key.pem": pem} if pem else {})
        write_folder(folder, files)
        if as_json:
            answer({"folder": str(folder), "files": [*files]})
            return
        say(f"wrote    {folder}/request.pem  send it to the certificate authority")
        if pem:
            say(f"wrote    {folder}/key.pem      keep it secret")
        if not record:
            note("the request names no record of the programme's list; --record does")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise SealError(f"asked to read {path}, found {exc.strerror}; check the path") from exc
