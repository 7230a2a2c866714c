"""`sdk walk`: from one picture to another, as a signed animation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdk.terminal import AsJson, Stop, answer, errors, say

if TYPE_CHECKING:
    from sdk.phases import Released


def walk(
    first: Annotated[str, typer.Argument(help="Where it begins.", show_default=False)],
    second: Annotated[
        str, typer.Argument(help="Where it ends; the same words walk between seeds.")
    ] = "",
    output: Annotated[
        Path, typer.Option("-o", "--output", help="File to write; .webp, .gif or .mp4.")
    ] = Path("walk.webp"),
    model: Annotated[str, typer.Option(help="vae, gan, or a folder of theirs.")] = "vae",
    policy: Annotated[str, typer.Option(help="Bundled policy, or a .toml file.")] = "",
    frames: Annotated[int, typer.Option(help="Pictures on the way, 2..120.")] = 24,
    fps: Annotated[int, typer.Option(help="Pictures a second, 1..30.")] = 8,
    seed: Annotated[int, typer.Option(help="Of the beginning; the end has the next.")] = 1,
    back: Annotated[bool, typer.Option("--back", help="Walk back as well.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    as_json: AsJson = False,
) -> None:
    """Walk between two pictures: every frame filtered and marked, one file signed and logged."""
    from sdk.animation import SUFFIXES
    from sdk.config import load_config
    from sdk.errors import OutputError
    from sdk.output import check_place
    from sdk.pipeline import Studio
    from sdk.policy import load
    from sdk.request import Request
    from sdk.walks import walk as go

    with errors(as_json):
        kinds = {suffix: media_type for media_type, suffix in SUFFIXES.items()}
        if output.suffix.lower() not in kinds:
            raise OutputError(
                f"asked to write {output.name}; walks are WebP, GIF or MP4: end it in .webp, .gif "
                "or .mp4"
            )
        check_place(output)
        config = load_config()
        chosen = (
            load(policy or config.policy)
            .with_model(model)
            .with_output(kinds[output.suffix.lower()])
        )
        one = Request(prompt=first, seed=seed)
        other = Request(prompt=second or first, seed=seed + 1)
        studio = Studio.open(chosen, config=config)
        with Stop("walking", quiet=quiet or as_json) as stop:
            made = go(
                studio,
                one,
                other,
                frames=frames,
                fps=fps,
                there_and_back=back,
                to=output,
                watch=stop,
            )
    _report(made, as_json)


def _report(made: Released, as_json: bool) -> None:
    sealed = made.sealed
    if as_json:
        answer(
            {
                "path": str(made.path),
                "sha256": sealed.sha256,
                "media_type": sealed.media_type,
                "mark": sealed.marked.payload.hex(),
                "manifest": sealed.seal.manifest,
                "signer": sealed.seal.issuer,
                "receipt": made.receipt,
                "leaf_index": made.leaf_index,
            }
        )
        return
    say(f"wrote    {made.path}, SHA-256 {sealed.sha256[:16]}…")
    say(f"checked  {len(made.verdicts)} verdicts over all frames, all allow")
    say(f"marked   id {sealed.marked.payload.hex() or 'none'} in every frame")
    say(f"signed   {sealed.seal.manifest or 'not signed'} by {sealed.seal.issuer or 'nobody'}")
    say(f"logged   leaf {made.leaf_index}, receipt {made.receipt[:16]}…")
