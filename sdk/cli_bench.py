"""`sdk bench`: measures controls on labelled data of yours, and writes down what came out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from sdk.errors import RequestError
from sdk.terminal import AsJson, Stop, answer, app, errors, say
from sdk.types import JSON

if TYPE_CHECKING:
    from sdk.dossier.measure import Plan
    from sdk.keys import SigningCredential
    from sdk.tables import Stage

bench = app("Measure controls on labelled data.")

PolicyName = Annotated[str, typer.Option(help="Bundled policy, or a .toml file.")]
Texts = Annotated[
    bool, typer.Option("--texts", help="Write the prompts down too, not only their ids.")
]


@bench.command()
def safety(
    prompts: Annotated[
        Path | None,
        typer.Option(help='JSON lines: {"text": "…", "label": 1, "categories": […]}; may be .gz.'),
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder with unsafe/CATEGORY/ and benign/, or labels.jsonl.")
    ] = None,
    policy: PolicyName = "",
    plugin: Annotated[
        str, typer.Option(help="Measure one filter alone instead, without rules.")
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for dossier.json and dossier.html, signed."),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Random sample of this size; 0 is all.")] = 0,
    evasions: Annotated[
        int, typer.Option(min=0, help="Unsafe and benign prompts to disguise in six ways.")
    ] = 200,
    fpr: Annotated[
        list[float] | None,
        typer.Option(min=0.0001, max=0.5, help="Share of benign cases to fix bounds at."),
    ] = None,
    listed: Annotated[int, typer.Option(min=0, help="Wrong cases to list, at most.")] = 100,
    texts: Texts = False,
    certificate: Annotated[str, typer.Option(help="Chain that signs the dossier, PEM.")] = "",
    key: Annotated[str, typer.Option(help="Its key, PEM; without both, development.")] = "",
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure what a policy's filters catch and what they refuse wrongly; a signed dossier.

    AUROC, rates at fixed false-positive rates with intervals, per source, category, language and
    disguise, calibration, and which cases were wrong.
    """
    from sdk.dossier.measure import Plan
    from sdk.dossier.page import page as drawn
    from sdk.dossier.writing import dossier, write_dossier

    with errors(as_json):
        if prompts is None and pictures is None:
            raise RequestError("asked to measure nothing; give --prompts, --pictures or both")
        if policy and plugin:
            raise RequestError("asked for a policy and a plugin; give one of them")
        plan = Plan(
            limit=limit,
            evasion_sample=evasions,
            false_positives=tuple(fpr or (0.01, 0.05)),
            most_listed=listed,
            texts=texts,
        )
        credential = signing(certificate, key) if output else None
        found: dict[str, dict[str, JSON] | None] = {
            "prompt": _measured("prompt", prompts, policy, plugin, plan, quiet),
            "image": _measured("image", pictures, policy, plugin, plan, quiet),
        }
        title = plugin or policy or _default()
        whole = dossier(title, found["prompt"], found["image"])
        if output is not None and credential is not None:
            page = write_dossier(output, whole, drawn(whole), credential)
        if as_json:
            answer(whole)
            return
        for stage, section in found.items():
            if section is not None:
                say(_words(stage, section))
        if output is not None and credential is not None:
            say(f"page     {page}")
            say(f"signed   by {credential.subject}")


@bench.command("red-team")
def red_team(
    attempts: Annotated[
        Path, typer.Argument(help='JSON lines: {"prompt": "…", "technique": "…", "goal": "…"}.')
    ],
    log: Annotated[Path, typer.Option(help="Log to add to, JSON lines.")],
    policy: PolicyName = "",
    texts: Texts = False,
    as_json: AsJson = False,
) -> None:
    """Try prompts against a policy's prompt filters, and log which of them pass."""
    from sdk.dossier.attempts import append, read_attempts, summary, try_all
    from sdk.policy import load

    with errors(as_json):
        asked = load(policy or _default())
        written = append(log, try_all(asked, read_attempts(attempts), texts=texts))
        found = summary(written)
        if as_json:
            answer(found)
            return
        total = cast("dict[str, Any]", found["all"])
        say(f"passed   {_share(total)} of the attempts")
        for view in ("technique", "goal"):
            for name, row in cast("dict[str, Any]", found[view]).items():
                say(f"  {view:<10} {name:<20} {_share(row)}")
        say(f"log      {log}")


def _measured(
    stage: Stage, path: Path | None, policy: str, plugin: str, plan: Plan, quiet: bool
) -> dict[str, JSON] | None:
    from sdk.dossier.cases import read_pictures, read_prompts
    from sdk.dossier.measure import measure
    from sdk.dossier.subjects import Subject
    from sdk.policy import load

    if path is None:
        return None
    given = read_prompts(path) if stage == "prompt" else read_pictures(path)
    if plugin:
        subject = Subject.alone(plugin, stage)
    else:
        subject = Subject.under(load(policy or _default()), stage)
    with Stop(f"measure {given.name}", quiet=quiet) as stop:
        return measure(subject, given, plan, stop)


def _words(stage: str, section: dict[str, JSON]) -> str:
    found = cast("dict[str, Any]", section)
    total = found["groups"]["all"]["all"]
    rows = [f"{stage:<8} {found['data']['name']}: {found['measured']:,} cases"]
    kinds = [kind for kind in ("unsafe_refused", "benign_refused") if total[kind]]
    rows += [f"  {kind.replace('_', ' '):<16} {_share(total[kind])}" for kind in kinds]
    for name, one in found["detectors"].items():
        if one["auroc"] is not None:
            rows.append(f"  {name:<16} AUROC {one['auroc']:.3f}")
        for point in one["operating"]:
            share = _share(point["true_positives"])
            rows.append(f"  {'':<16} at {point['asked']:.1%} of benign: {share}")
    for name, row in found.get("evasions", {}).items():
        shares = [_share(row[k]) for k in ("unsafe_refused", "benign_refused") if row[k]]
        rows.append(f"  {name:<16} {', '.join(shares)}")
    if found["reworded"]:
        rows.append(
            f"  {found['reworded']:,} prompts worded anew by {', '.join(found['rewriters'])}"
        )
    if found["changed"]:
        rows.append(f"  {found['changed']:,} prompts changed by rules, and judged as changed")
    if found["errors"]:
        rows.append(
            f"  {found['errors']:,} cases ended in an error of a filter, and count as refused"
        )
    return "\n".join(rows)


def _share(row: dict[str, Any]) -> str:
    low, high = row["interval"]
    return f"{row['share']:.1%} ({low:.1%}-{high:.1%}, n={row['of']:,})"


def _default() -> str:
    from sdk.config import load_config

    return load_config().policy


def signing(certificate: str, key: str) -> SigningCredential:
    """Open the credential that signs a dossier; without any, the development one."""
    from sdk.keys import SigningCredential

    if bool(certificate) != bool(key):
        raise RequestError("asked to sign with half a credential; give --certificate and --key")
    return SigningCredential.open(certificate, key) if key else SigningCredential.development()
