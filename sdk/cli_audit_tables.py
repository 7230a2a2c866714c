"""`sdk audit import` and `sdk audit compare`: counts of others, and two audits side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdk.cli_audit import estimators_for, halves
from sdk.cli_audit_run import audit
from sdk.terminal import REFUSED, AsJson, answer, errors, leave, say

if TYPE_CHECKING:
    from sdk.types import JSON

__all__ = ["audit"]


@audit.command("import")
def import_(
    format_: Annotated[str, typer.Argument(help="counts, fairface, percent, ratings, labels.")],
    file: Annotated[Path, typer.Argument(help="The table.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Counts file to write; labels: the run's folder.")
    ],
    attribute: Annotated[str, typer.Option(help="What was counted.")] = "perceived_gender",
    group: Annotated[str, typer.Option(help="Column of the group.")] = "group",
    value: Annotated[str, typer.Option(help="Column of the value.")] = "value",
    count: Annotated[str, typer.Option(help="Column of the count.")] = "count",
    picture: Annotated[str, typer.Option(help="ratings: column of the picture.")] = "picture",
    pictures: Annotated[int, typer.Option(help="percent: pictures behind each column.")] = 0,
    code: Annotated[list[str] | None, typer.Option(help="ratings: CODE=VALUE.")] = None,
    as_json: AsJson = False,
) -> None:
    """Read a published table or human ratings; name what does not add up."""
    from sdk.audits.tables import Columns, read_table

    names = {}
    with errors(as_json):
        names = dict(halves(one) for one in code or [])
        if format_ == "labels":
            path, total = _labelled(file, output, attribute, names)
            said = f"wrote    {path}: labels of {total:,} pictures; sdk audit report uses them"
            answer({"file": path, "pictures": total}) if as_json else say(said)
            return
        columns = Columns(
            attribute=attribute, group=group, value=value, count=count, picture=picture,
            pictures=pictures, names=names,
        )  # fmt: skip
        tally = read_table(format_, file, columns)
        tally.write(output)
    total = sum(map(sum, tally.counts)) + sum(tally.silent)
    if as_json:
        answer({"file": str(output), "groups": len(tally.groups), "pictures": total})
    else:
        say(f"wrote    {output}: {total:,} pictures in {len(tally.groups):,} groups")


@audit.command()
def copies(
    pictures: Annotated[list[Path], typer.Argument(help="Picture files.")],
    index: Annotated[str, typer.Option(help="A folder that sdk_auditor_copies.build wrote.")] = "",
    fail_at: Annotated[float, typer.Option(help="Exit 6 at this score or more.")] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Name the nearest training or reference picture of each file, and how near it is."""
    from sdk.errors import AuditError
    from sdk.inputs import InputImage
    from sdk.pixels import Picture
    from sdk.registry import Registry
    from sdk.request import Request

    rows: list[JSON] = []
    with errors(as_json):
        if not fail_at >= 0:  # NaN too: no score would ever reach it
            raise AuditError(f"asked to fail at {fail_at!r}; give a score of 0 or more")
        part = Registry().make("auditor", "copies", {"index": index} if index else {})
        for path in pictures:
            picture = Picture(InputImage.open(path).pixels)
            found = [*part.audit(picture, Request(prompt="a picture"))]
            score = round(found[0].score, 6) if found else None
            note = found[0].note if found else "nothing in it to compare"
            rows.append({"file": str(path), "score": score, "nearest": note})
            if not as_json:
                say(f"{'none ' if score is None else f'{score:.3f}'}  {path}: {note}")
    if as_json:
        answer(rows)
    scores = [float(row["score"] or 0) for row in rows]  # type: ignore[index, call-overload, arg-type]
    if any(score >= fail_at for score in scores):
        leave(REFUSED)


@audit.command("sample")
def sample_(
    folder: Annotated[Path, typer.Argument(help="A run's folder.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="CSV file to write.")],
    pictures: Annotated[int, typer.Option("-n", help="Pictures to label.")] = 200,
    as_json: AsJson = False,
) -> None:
    """Pick pictures of a run at random for people to label, and leave out what was answered."""
    from sdk.audits.folder import Folder
    from sdk.audits.labels import sample
    from sdk.output import Placement

    with errors(as_json):
        Placement.stage(output, sample(Folder.read(folder), pictures).encode()).release()
    if as_json:
        answer({"file": str(output), "pictures": pictures})
    else:
        say(f"wrote    {output}: {pictures:,} pictures; fill the column value, then")
        say(f"         sdk audit import labels {output} -o {folder}")


def _labelled(
    file: Path, folder: Path, attribute: str, names: Mapping[str, str]
) -> tuple[str, int]:
    from sdk.audits.folder import Folder
    from sdk.audits.labels import Labels
    from sdk.errors import AuditError

    run = Folder.read(folder)
    answerers = estimators_for(run.plan)
    if attribute not in answerers:
        raise AuditError(
            f"asked to import labels of {attribute!r}, found a run of {', '.join(answerers)}; "
            "name one with --attribute"
        )
    labels = Labels.read_csv(file, run, answerers[attribute], names)
    return str(labels.keep(run)), len(labels.values)


@audit.command()
def compare(
    first: Annotated[Path, typer.Argument(help="A run's folder, or a counts file.")],
    second: Annotated[Path, typer.Argument(help="Another, of the same kind.")],
    margin: Annotated[float, typer.Option(help="Of equivalence.")] = 0.05,
    as_json: AsJson = False,
) -> None:
    """Compare two runs seed by seed, or two counts files group by group."""
    from sdk.audits.compare import compare_runs, compare_tallies
    from sdk.audits.folder import Folder
    from sdk.audits.tally import Tally
    from sdk.audits.wording import changed
    from sdk.errors import AuditError

    with errors(as_json):
        if first.is_dir() != second.is_dir():
            raise AuditError(
                f"asked to compare {first} with {second}, found one folder and one that is none; "
                "give two runs' folders or two counts files"
            )
        if first.is_dir() and second.is_dir():
            a, b = Folder.read(first), Folder.read(second)
            rows = compare_runs(a, b, estimators_for(a.plan), margin=margin)
        else:
            rows = compare_tallies(Tally.read(first), Tally.read(second), margin=margin)
    if as_json:
        answer([row.to_json() for row in rows])
        return
    for row in rows:
        say(changed(row))
