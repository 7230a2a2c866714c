"""`sdk data`: from pictures with papers to a signed folder that `sdk train` reads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, cast

import typer

from sdk.errors import ConfigError
from sdk.options import credential_of, pairs
from sdk.terminal import FAILED, AsJson, Stop, answer, app, errors, leave, say
from sdk.types import JSON

data = app("Training data: collect it, prepare it, read its card, check it.")

Setting = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Setting of the data set; repeatable."),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")]
Name = Annotated[str, typer.Argument(help="Data set plugin: icons, folder, image-text …")]


@data.command("collect")
def collect(
    name: Name,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write or go on with.")],
    set_: Setting = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Bring pictures here as files with their papers; the same command goes on when cut off."""
    from sdk.data.collect import collect as run
    from sdk.registry import Registry

    with errors(as_json):
        part = Registry().make("dataset", name, pairs(set_))
        with Stop("collect", quiet=quiet) as stop:
            done = run(part, output, stop)
        if as_json:
            left = cast("dict[str, JSON]", dict(done.excluded))
            answer({"new": done.new, "known": done.known, "excluded": left})
            return
        say(f"collected {done.new} pictures into {output}, {done.known} were there before")
        _say_excluded(dict(done.excluded))


@data.command("prepare")
def prepare(
    name: Annotated[str, typer.Argument(help="Data set plugin, or a folder of pictures.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write.")],
    set_: Setting = None,
    side: Annotated[int, typer.Option(help="Pixels; pictures become square.")] = 128,
    crop: Annotated[str, typer.Option(help="centre, detail, pad or stretch.")] = "centre",
    min_side: Annotated[
        int, typer.Option(help="Leave out pictures with a shorter side; 0 is half of --side.")
    ] = 0,
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", metavar="NAME=BOUND", help="Image filter; repeatable. [nsfw=0.5]"),
    ] = None,
    unsafe_no_filter: Annotated[
        bool,
        typer.Option("--unsafe-no-filter", help="Let no safety filter look; the card says so."),
    ] = False,
    licence: Annotated[
        list[str] | None, typer.Option(help="Allow only this licence; repeatable.")
    ] = None,
    held_out: Annotated[float, typer.Option(help="Share of concepts never trained on.")] = 0.05,
    combinations: Annotated[
        float, typer.Option(help="Share of pictures kept as new combinations.")
    ] = 0.05,
    keep_duplicates: Annotated[
        bool, typer.Option("--keep-duplicates", help="Keep what occurs twice.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the splits.")] = 0,
    processes: Annotated[int, typer.Option(help="At work at once; 0 is one per core.")] = 0,
    certificate: Annotated[str, typer.Option(help="Chain that signs the folder, PEM.")] = "",
    key: Annotated[str, typer.Option(help="Its key, PEM; without both, development.")] = "",
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Check, filter, deduplicate, crop, label, split and sign a data set.

    Killed or cancelled, the same command goes on with the shares that are left.
    """
    from sdk.data.duplicates import Bounds
    from sdk.data.prepare import Plan
    from sdk.data.prepare import prepare as run
    from sdk.data.shape import Crop, Shape
    from sdk.data.splits import Shares

    with errors(as_json):
        if filters and unsafe_no_filter:
            raise ConfigError("asked for --filter and --unsafe-no-filter; give one of them")
        dataset, settings = _named(name)
        plan = Plan(
            dataset=dataset,
            settings={**settings, **pairs(set_)},
            shape=Shape(side=side, crop=cast("Crop", crop), min_side=min_side),
            filters=() if unsafe_no_filter else tuple(filters or ["nsfw=0.5"]),
            licences=tuple(licence or ()),
            bounds=None if keep_duplicates else Bounds(),
            shares=Shares(held_out=held_out, combinations=combinations, seed=seed),
            processes=processes or os.cpu_count() or 1,
        )
        with Stop("prepare", quiet=quiet) as stop:
            summary = run(plan, output, stop, credential=credential_of(certificate, key))
        if as_json:
            answer(summary)
            return
        say(f"prepared {summary['items']} pictures, {summary['concepts']} concepts, in {output}")
        splits = cast("dict[str, JSON]", summary["splits"])
        say("splits   " + ", ".join(f"{split} {count}" for split, count in splits.items()))
        _say_excluded(cast("dict[str, JSON]", summary["excluded"]))
        say(f"signed   sdk data check {output}")


@data.command("card")
def card(
    folder: Annotated[Path, typer.Argument(help="A prepared folder.")],
    sheet: Annotated[
        Path | None, typer.Option(help="Write a contact sheet of a split, PNG.")
    ] = None,
    split: Annotated[str, typer.Option(help="Which split the sheet shows.")] = "train",
    as_json: AsJson = False,
) -> None:
    """Show a prepared folder's card: licences, what was left out and why, splits, labels."""
    from sdk.data.cards import sheet as draw
    from sdk.data.prepared import Prepared

    with errors(as_json):
        found = Prepared.open(folder)
        if sheet is not None:
            try:
                draw(found, split).save(sheet)
            except (OSError, ValueError) as exc:
                raise ConfigError(f"asked to write {sheet}, found {exc}; choose another") from exc
        if as_json:
            answer(found.summary)
        else:
            say(found.page)


@data.command("check")
def check(
    folder: Annotated[Path, typer.Argument(help="A prepared folder.")],
    trust: Annotated[str, typer.Option(help="PEM roots that you trust as signers.")] = "",
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Check signature, papers, every picture, and that no split leaks; exit code 1 when not."""
    from sdk.data.check import check as run
    from sdk.trust import TrustList

    with errors(as_json):
        roots = TrustList.open(trust).pem if trust else b""
        with Stop("check", quiet=quiet) as stop:
            attested, problems = run(folder, stop, roots)
        wrong = [*attested.problems, *problems]
        if as_json:
            answer(
                {
                    "signer": attested.signer,
                    "trusted": attested.trusted,
                    "problems": cast("list[JSON]", wrong),
                }
            )
        else:
            who = "you trust" if attested.trusted else "nobody you trust vouches for"
            say(f"signer   {attested.signer or 'unknown'} ({who})")
            for problem in wrong:
                say(f"wrong    {problem}")
            if not wrong:
                say("contents intact: papers, pictures and splits fit")
        if wrong:
            leave(FAILED)


def _named(name: str) -> tuple[str, dict[str, JSON]]:
    """A folder of pictures is read by the plugin `folder`."""
    if Path(name).is_dir():
        return "folder", {"folder": str(Path(name).resolve())}
    return name, {}


def _say_excluded(excluded: dict[str, JSON] | dict[str, int]) -> None:
    rows: Sequence[tuple[str, object]] = list(excluded.items())
    for why, count in rows:
        say(f"left out {count:>6}  {why}")
