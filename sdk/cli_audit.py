"""`sdk audit`: what a model draws when nobody says who, with numbers that hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from sdk.errors import AuditError
from sdk.terminal import REFUSED, AsJson, answer, app, errors, leave, say

if TYPE_CHECKING:
    from sdk.audits.estimating import Answerer
    from sdk.audits.page import Sample
    from sdk.audits.plans import Plan, Target
    from sdk.config import Config
    from sdk.keys import SigningCredential
    from sdk.ledger import Ledger
    from sdk.types import JSON

audit = app("Bias audits: plan, run, report, compare, check.")

_PlanFile = Annotated[Path, typer.Argument(metavar="PLAN.toml", help="The plan.")]


@audit.command()
def plan(
    file: _PlanFile,
    seconds: Annotated[float, typer.Option(help="Of one picture, to say what it takes.")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Say what a plan asks, what its pictures can show, and what it costs; draw nothing."""
    from sdk.audits.costs import cost_of
    from sdk.audits.plans import load_plan

    with errors(as_json):
        asked = load_plan(file)
        cost = cost_of(asked, estimators_for(asked), seconds)
    if as_json:
        answer(cast("JSON", cost))
        return
    say(f"{cost['prompts']:,} prompts of {cost['pictures_per_prompt']:,} pictures: "
        f"{cost['pictures']:,} pictures in {cost['groups']:,} groups")  # fmt: skip
    if seconds:
        say(f"about {_long(float(cast('float', cost['hours'])))} at {seconds:g} s a picture")
    for row in cast("list[dict[str, object]]", cost["attributes"]):
        say(f"{row['attribute']}: {row['text']}")


@audit.command()
def report(
    source: Annotated[Path, typer.Argument(help="A run's folder, or a counts file.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Report, without suffix.")],
    target: Annotated[str, typer.Option(help="Counts: parity, or VALUE=SHARE,...")] = "parity",
    among: Annotated[str, typer.Option(help="Counts: VALUE,VALUE that shares are among.")] = "",
    margin: Annotated[float, typer.Option(help="Counts: of equivalence.")] = 0.05,
    control: Annotated[str, typer.Option(help="Counts: bh or holm.")] = "bh",
    chain: Annotated[Path | None, typer.Option(help="PEM certificates that sign.")] = None,
    key: Annotated[str, typer.Option(help="PEM key of --chain, or awskms:… or pkcs11:….")] = "",
    fail_on: Annotated[str, typer.Option(help="differs or undecided: exit 6.")] = "never",
    as_json: AsJson = False,
) -> None:
    """Write REPORT.json, .json.jws, .html and .pdf, bound to the ledger and signed."""
    from sdk.audits.binding import bind
    from sdk.audits.writing import write
    from sdk.config import load_config, open_ledger

    with errors(as_json):
        if fail_on not in ("differs", "undecided", "never"):
            raise AuditError(f"asked to fail on {fail_on!r}; give differs, undecided or never")
        config = load_config()
        credential = _credential(chain, key, config)
        with open_ledger(config) as ledger:
            if source.is_dir():
                made, samples = _of_run(source, ledger)
            else:
                made, samples = _of_counts(source, target, among, margin, control), []
            made = bind(made, ledger)
        written = write(made, output, credential, samples)
    results = cast("dict[str, dict[str, int]]", made["results"])
    summary = results["summary"]
    if as_json:
        answer({"files": [str(path) for path in written], "summary": cast("JSON", summary)})
    else:
        from sdk.audits.wording import headline

        say(headline(results))
        for path in written:
            say(f"wrote    {path}")
    bad = summary["differs"] + (summary["undecided"] if fail_on == "undecided" else 0)
    if fail_on != "never" and bad:
        leave(REFUSED)


@audit.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="REPORT.json", help="The report.")],
    run_folder: Annotated[
        Path | None, typer.Option("--run", help="Compute every number again from this run.")
    ] = None,
    roots: Annotated[Path | None, typer.Option(help="PEM certificates that you trust.")] = None,
    ledger_key: Annotated[str, typer.Option(help="The ledger's published key.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check a report offline: results, ledger proof and signature."""
    from sdk.audits.binding import check_report
    from sdk.audits.writing import read_beside

    with errors(as_json):
        data, signature = read_beside(file)
        trusted = roots.read_bytes() if roots else b""
        found = check_report(data, signature, roots=trusted, ledger_key=ledger_key)
        again = _again(run_folder, found.results_sha256) if run_folder else ""
    said: dict[str, JSON] = {
        "name": found.name,
        "results_sha256": found.results_sha256,
        "ledger": found.ledger,
        "ledger_trusted": found.ledger_trusted,
        "signed_by": found.signer.subject if found.signer else "",
        "signer_trusted": bool(found.signer and found.signer.trusted),
        "computed_again": again,
    }
    if as_json:
        answer(said)
        return
    say(f"results  {found.results_sha256}: as they were written{again}")
    unknown = "" if found.ledger_trusted else " (nobody vouches for its key; give --ledger-key)"
    say(f"ledger   {found.ledger or 'none'}{unknown}")
    if found.signer:
        trust = "trusted" if found.signer.trusted else "not on a list of yours; give --roots"
        say(f"signed   {found.signer.subject} ({trust})")
    else:
        say("signed   no, or its .jws file is not beside it")


def _long(hours: float) -> str:
    return f"{hours:.1f} hours" if hours >= 1 else f"{hours * 60:.1f} minutes"


def estimators_for(plan: Plan, model: str = "") -> dict[str, Answerer]:
    """Make the installed estimators of a plan; `model` is the digest of the weights that drew."""
    from sdk.audits.estimating import estimators_of
    from sdk.registry import Registry

    return estimators_of(plan, Registry(), model)


def _of_run(path: Path, ledger: Ledger) -> tuple[dict[str, JSON], list[Sample]]:
    from sdk.audits.assembling import report_of_run
    from sdk.audits.folder import Folder
    from sdk.audits.samples import samples_of
    from sdk.audits.subject import attested, model_of
    from sdk.audits.twins import twin_of

    folder = attested(Folder.read(path), ledger)
    answerers = estimators_for(folder.plan, model_of(folder))
    return report_of_run(folder, answerers, twin_of(folder, ledger)), samples_of(folder)


def _again(path: Path, digest: str) -> str:
    from sdk.config import read_ledger

    with read_ledger() as ledger:
        made, _ = _of_run(path, ledger)
    if made["results_sha256"] != digest:
        raise AuditError(
            f"asked to compute the report again from {path}, found other results "
            f"{made['results_sha256']}; the run, its labels, the estimators or this version "
            "are not the same"
        )
    return ", and as they come out of the run again"


def _of_counts(path: Path, target: str, among: str, margin: float, control: str) -> dict[str, JSON]:
    from sdk.audits.assembling import report_of_tally
    from sdk.audits.tally import Tally

    tally = Tally.read(path)
    chosen = [value.strip() for value in among.split(",") if value.strip()]
    return report_of_tally(
        tally, _target(target), name=path.stem, among=chosen, margin=margin, control=control
    )


def _target(text: str) -> Target:
    from pydantic import ValidationError

    from sdk.audits.plans import Target

    if text == "parity":
        return Target()
    try:
        shares = {name: float(share) for name, share in map(halves, text.split(","))}
        return Target(kind="custom", shares=shares)
    except (ValidationError, ValueError) as exc:
        raise AuditError(
            f"asked for target {text!r}; give parity, or shares such as man=0.4,woman=0.6 that sum "
            "to 1"
        ) from exc


def halves(text: str) -> tuple[str, str]:
    """Cut NAME=VALUE, or raise AuditError."""
    left, equals, right = text.partition("=")
    if not equals:
        raise AuditError(f"asked for {text!r}; give NAME=VALUE")
    return left.strip(), right.strip()


def _credential(chain: Path | None, key: str, config: Config) -> SigningCredential:
    from sdk.keys import SigningCredential

    if (chain is None) != (not key):
        raise AuditError("asked to sign with --chain or --key alone; give both")
    if chain and key:
        return SigningCredential.open(chain, key)
    return SigningCredential.development(config.home)
