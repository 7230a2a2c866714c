"""`sdk bench watermark`: what a watermark survives, on pictures of yours; a signed dossier."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from sdk.cli_bench import bench, signing
from sdk.errors import RequestError
from sdk.terminal import AsJson, Stop, answer, errors, note, say

if TYPE_CHECKING:
    from sdk.robustness.running import Plan
    from sdk.types import JSON

__all__ = ["bench"]

_QUICK_PICTURES, _QUICK_UNMARKED = 3, 16


@bench.command()
def watermark(
    pictures: Annotated[
        Path, typer.Argument(help="Folder of pictures; its sub-folders are reported apart.")
    ],
    plugin: Annotated[str, typer.Option(help="Installed watermark.")] = "tile",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Setting of the watermark; repeatable."),
    ] = None,
    peer: Annotated[
        list[str] | None, typer.Option(help="Watermark to measure beside it; repeatable.")
    ] = None,
    size: Annotated[
        list[int] | None, typer.Option(min=64, max=8192, help="Side of the squares; repeatable.")
    ] = None,
    transform: Annotated[
        list[str] | None, typer.Option(help="Only this transform of the grid; repeatable.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Pictures of each group; 0 is all.")] = 0,
    unmarked: Annotated[int, typer.Option(min=0, help="Unmarked pictures to search.")] = 200,
    quick: Annotated[
        bool, typer.Option("--quick", help="3 pictures a group, 12 transforms: under a minute.")
    ] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 is one for each core.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for dossier.json and dossier.html, signed."),
    ] = None,
    certificate: Annotated[str, typer.Option(help="Chain that signs the dossier, PEM.")] = "",
    key: Annotated[str, typer.Option(help="Its key, PEM; without both, development.")] = "",
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure what a watermark survives, costs and mistakes for a mark; a signed dossier.

    Each picture gets an id of its own, is transformed in every way of the grid and read again.
    With --output a measurement that was stopped goes on where it was.
    """
    from sdk.dossier.writing import write_dossier
    from sdk.options import pairs
    from sdk.registry import Registry
    from sdk.robustness.page import page
    from sdk.robustness.pictures import read_pictures
    from sdk.robustness.running import Plan, run, subjects
    from sdk.robustness.summary import document
    from sdk.robustness.transforms import QUICK

    with errors(as_json):
        plan = Plan(
            plugin=plugin,
            settings=pairs(set_),
            peers=tuple(dict.fromkeys(name for name in peer or () if name != plugin)),
            sides=tuple(dict.fromkeys(size or (512,))),
            names=_named(transform, QUICK if quick else None),
            unmarked=min(unmarked, _QUICK_UNMARKED) if quick else unmarked,
        )
        credential = signing(certificate, key) if output else None
        given = read_pictures(pictures, limit or (_QUICK_PICTURES if quick else 0))
        progress = output.with_name(output.name + ".progress") if output else None
        if progress is not None and progress.exists():
            note(f"goes on with {progress}")
        found = subjects(plan, Registry())  # before: the code may change while it runs
        with Stop(f"measure {plugin}", quiet=quiet) as stop:
            records = run(
                plan, given, stop, progress=progress, workers=workers or (os.cpu_count() or 1)
            )
        whole = document(plan, given, found, records)
        if output is not None and credential is not None:
            html = write_dossier(output, whole, page(whole), credential)
            cast(Path, progress).unlink()
        if as_json:
            answer(whole)
            return
        say(_words(whole, plan))
        if output is not None and credential is not None:
            say(f"page     {html}\nsigned   by {credential.subject}")


def _named(asked: list[str] | None, otherwise: tuple[str, ...] | None) -> tuple[str, ...]:
    from sdk.robustness.transforms import GRID

    if unknown := [name for name in asked or () if name not in GRID]:
        raise RequestError(
            f"asked for the transform {unknown[0]!r}; the grid has {', '.join(GRID)}"
        )
    return tuple(dict.fromkeys(asked or otherwise or GRID))


def _words(whole: dict[str, JSON], plan: Plan) -> str:
    found = cast("dict[str, Any]", whole)
    lines = []
    for one in (found, *found["peers"]):
        lines.append(f"{one['watermark']['plugin']}, {one['watermark']['payload_bits']} bits")
        lines += [line for cell in one["cells"] for line in _cell(cell)]
        for side in one["unmarked"]:
            lines.append(
                f"  unmarked {side['side']} px: {side['present']['hits']} of "
                f"{side['searches']:,} called present"
            )
        for side in one["speed"]:
            lines.append(
                f"  CPU {side['side']} px: embed {side['embed_ms']} ms, "
                f"detect {side['detect_marked_ms']} ms, unmarked {side['detect_unmarked_ms']} ms"
            )
    return "\n".join(lines)


def _cell(cell: dict[str, Any]) -> list[str]:
    n, quality = cell["pictures"], cell["quality"]["psnr_db"]
    level = f", {quality['mean']:.1f} dB mean, {quality['min']:.1f} least" if quality else ""
    counts = ", ".join(
        f"{cell[key]} {key.replace('_', ' ')}"
        for key in ("refused", "weak", "silent_failures", "wrong_payloads")
    )
    lost = {name: row for name, row in cell["transforms"].items() if row["hits"] < row["of"]}
    rows = [f"  {cell['group']}, {cell['side']} px: {n} pictures{level}; {counts}"]
    rows.append(f"    all read after {len(cell['transforms']) - len(lost)} transforms")
    for name, row in lost.items():
        low, high = row["interval"]
        rows.append(f"    {name:<36} {row['hits']} of {row['of']} ({low:.0%}-{high:.0%})")
    return rows
