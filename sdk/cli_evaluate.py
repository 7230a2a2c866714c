"""`sdk evaluate`: draws captions of a data set, measures, and writes JSON and HTML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from sdk.options import pairs
from sdk.terminal import AsJson, Stop, answer, errors, say
from sdk.types import JSON


def evaluate(
    data: Annotated[Path, typer.Argument(help="A folder that sdk data prepare wrote.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the report.")],
    backend: Annotated[str, typer.Option(help="Backend plugin that draws.")] = "diffusion",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Setting of the backend; repeatable."),
    ] = None,
    split: Annotated[str, typer.Option(help="Captions to draw, and real pictures.")] = "held-out",
    trained_on: Annotated[
        list[str] | None, typer.Option(help="Split that the model saw; repeatable. [train]")
    ] = None,
    count: Annotated[int, typer.Option(min=20, help="Pictures to draw.")] = 256,
    template: Annotated[
        str, typer.Option(help="Prompt; may use labels: '{caption}, {style} style'.")
    ] = "{caption}",
    steps: Annotated[int, typer.Option(help="0 takes the model's own number.")] = 0,
    seed: Annotated[int, typer.Option(help="Of the choice and of the drawing.")] = 0,
    clip: Annotated[
        Path | None, typer.Option(help="Folder of an open_clip model, for CLIP score and R@k.")
    ] = None,
    vae: Annotated[
        Path | None, typer.Option(help="Diffusers folder whose vae is measured too.")
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure a model: distances, diversity, copies, words, failures; numbers and pictures.

    Drawn pictures are kept in the folder: after a kill the same command goes on.
    """
    from sdk.evaluation.run import Asked
    from sdk.evaluation.run import evaluate as run

    with errors(as_json):
        asked = Asked(
            data=data,
            output=output,
            backend=backend,
            settings=pairs(set_),
            split=split,
            trained_on=tuple(trained_on or ("train",)),
            count=count,
            template=template,
            steps=steps,
            seed=seed,
            clip=clip,
            vae=vae,
        )
        with Stop("evaluate", quiet=quiet) as stop:
            numbers = run(asked, stop)
        answer(numbers) if as_json else _say(numbers, output)


def _say(numbers: dict[str, JSON], output: Path) -> None:
    distance = cast("dict[str, JSON]", numbers["distance"])
    kid = cast("dict[str, JSON]", distance["kernel"])
    over = f"over {distance['network']} features, against {distance['reference']}"
    say(f"FID      {distance['frechet']} {over}")
    say(f"         {distance['frechet_of_real_halves']} is what two halves of the real ones score")
    say(f"KID      {kid['mean']} ± {kid['std']} {over}")
    say(f"P, R     precision {distance['precision']}, recall {distance['recall']}")
    variety = cast("dict[str, JSON]", numbers["diversity"])
    say(f"variety  {variety['vendi']} (Vendi), real {variety['vendi_of_as_many_real']}")
    copies = cast("dict[str, JSON]", numbers["memorisation"])
    planted = cast("dict[str, JSON]", cast("dict[str, JSON]", copies["planted"])["found"])
    least = min(float(str(share)) for share in planted.values())
    say(
        f"copies   {copies['copies']} of {numbers['pictures']} by {copies['network']}; of planted "
        f"copies at least {least:.0%} were found"
    )
    if isinstance(words := numbers.get("words"), dict):
        say(f"words    CLIP score {words['clip_score']}, {words['recall']} by {words['network']}")
        say(
            f"         real ones {words['clip_score_of_real']}, {words['recall_of_real']}, "
            f"among {words['captions']} captions"
        )
    if isinstance(vae := numbers.get("vae"), dict):
        say(f"vae      {vae['psnr_db']} dB, SSIM {vae['ssim']} over {vae['pictures']} pictures")
    say(f"report   {output / 'report.html'}")
