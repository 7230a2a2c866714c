"""`sdk generate`: one governed call from the shell."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdk.errors import OutputError, RequestError
from sdk.terminal import REFUSED, AsJson, Stop, answer, described, errors, leave, note, say

if TYPE_CHECKING:
    from sdk.phases import Released, Result
    from sdk.policy import Policy
    from sdk.types import JSON

_File = Annotated[Path | None, typer.Option(metavar="FILE", show_default=False)]


def generate(
    prompt: Annotated[str, typer.Argument(help="What to draw.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="File to write; .png .jpg .webp .avif .tif."),
    ] = None,
    policy: Annotated[str, typer.Option(help="Bundled policy, or a .toml file.")] = "",
    model: Annotated[str, typer.Option(help="Name, folder or hub id.")] = "",
    seed: Annotated[int | None, typer.Option(help="Same seed, same picture.")] = None,
    count: Annotated[int, typer.Option(help="Pictures to draw.")] = 1,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT in pixels.")] = "",
    steps: Annotated[int | None, typer.Option(help="Denoising steps.")] = None,
    guidance: Annotated[float | None, typer.Option(help="Guidance scale.")] = None,
    negative: Annotated[str, typer.Option(help="What not to draw.")] = "",
    init: _File = None,
    strength: Annotated[float | None, typer.Option(help="0..1: how far to leave --init.")] = None,
    mask: _File = None,
    sketch: _File = None,
    lora: Annotated[list[str] | None, typer.Option(help="LoRA weights; may be repeated.")] = None,
    scheduler: Annotated[str, typer.Option(help="A diffusers scheduler class.")] = "",
    purpose: Annotated[str, typer.Option(help="Why; kept only in the vault.")] = "",
    subject: Annotated[str, typer.Option(help="Whose request; never leaves the vault.")] = "",
    unlabelled_agreement: Annotated[
        str, typer.Option(help="Agreement to go without China's visible label.")
    ] = "",
    approval: Annotated[
        list[str] | None, typer.Option(help="A review that approved this very request.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draw pictures under a policy: filtered, audited, marked, signed and logged, or not at all."""
    from sdk.config import load_config
    from sdk.inputs import InputImage
    from sdk.output import check_place, numbered
    from sdk.pipeline import Studio
    from sdk.request import Request

    with errors(as_json):
        config = load_config()
        width, height = _size(size)
        request = Request(
            prompt=prompt,
            negative_prompt=negative,
            seed=seed,
            width=width,
            height=height,
            steps=steps,
            guidance_scale=guidance,
            count=count,
            init_image=InputImage.open(init) if init else None,
            strength=strength,
            mask=InputImage.open(mask) if mask else None,
            sketch=InputImage.open(sketch) if sketch else None,
            loras=tuple(lora or ()),
            scheduler=scheduler or None,
            purpose=purpose,
            subject=subject or None,
            unlabelled_agreement=unlabelled_agreement,
            approvals=tuple(approval or ()),
        )
        chosen, place = _placed(_policy(policy or config.policy, model or config.model), output)
        for index in range(request.count):
            check_place(numbered(place, index, request.count))
        studio = Studio.open(chosen, config=config)
        with Stop("drawing", quiet=quiet or as_json) as stop:
            result = studio.generate(request, to=place, watch=stop)
    _report(result, as_json)


def _policy(name: str, model: str) -> Policy:
    from sdk.policy import load

    policy = load(name)
    return policy.with_model(model) if model else policy


def _placed(policy: Policy, output: Path | None) -> tuple[Policy, Path]:
    """The file decides the format.  Names never hold the prompt."""
    from sdk.encode import SUFFIXES

    if output is None:
        kind = policy.output.media_type
        if kind not in SUFFIXES:
            raise OutputError(f"asked to write a picture as {kind}, which is for walks; give -o")
        return policy, Path(f"picture-{secrets.token_hex(4)}{SUFFIXES[kind]}")
    known = {suffix: media_type for media_type, suffix in SUFFIXES.items()}
    known |= {".jpeg": "image/jpeg", ".tiff": "image/tiff"}
    media_type = known.get(output.suffix.lower())
    if media_type is None:
        raise OutputError(
            f"asked to write {output.name}, found no known picture format; "
            f"end the name in one of {' '.join(sorted(known))}"
        )
    return policy.with_output(media_type), output


def _size(text: str) -> tuple[int | None, int | None]:
    if not text:
        return None, None
    width, times, height = text.lower().replace("×", "x").partition("x")
    try:
        return int(width), int(height if times else width)
    except ValueError as exc:
        raise RequestError(f"asked for size {text!r}; give WIDTHxHEIGHT, such as 512x512") from exc


def _report(result: Result, as_json: bool) -> None:
    if as_json:
        answer(
            {
                "call": result.call,
                "images": [_row(image) for image in result.images],
                "refusals": [{"index": i, **described(e)} for i, e in result.refusals],
            }
        )
    else:
        for image in result.images:
            say(_line(image))
        for index, error in result.refusals:
            note(f"picture {index + 1} was not released: {error}")
    if result.refusals:
        leave(REFUSED)


def _line(image: Released) -> str:
    sealed = image.sealed
    warned = [v for v in image.verdicts if v.decision != "allow"]
    lines = [
        f"wrote    {image.path}",
        f"picture  {image.picture.width}x{image.picture.height}, seed {image.request.seed}, "
        f"SHA-256 {sealed.sha256[:16]}…",
        f"checked  {len(image.verdicts)} verdicts, all allow"
        + (f", {len(warned)} with a warning" if warned else ""),
        f"marked   id {sealed.marked.payload.hex() or 'none'}"
        + (" (weak: re-encoding may erase it)" if sealed.detection.weak else ""),
        f"signed   {sealed.seal.manifest or 'not signed'} by {sealed.seal.issuer or 'nobody'}"
        + ("" if sealed.seal.trusted else " (not on a trust list)"),
        f"logged   leaf {image.leaf_index}, receipt {image.receipt[:16]}…",
    ]
    lines += [f"warning  {v.by}: {v.reason}" for v in warned]
    return "\n".join(lines)


def _row(image: Released) -> dict[str, JSON]:
    sealed = image.sealed
    return {
        "path": str(image.path),
        "sha256": sealed.sha256,
        "media_type": sealed.media_type,
        "width": image.picture.width,
        "height": image.picture.height,
        "seed": str(image.request.seed),
        "receipt": image.receipt,
        "leaf_index": image.leaf_index,
        "mark": sealed.marked.payload.hex(),
        "mark_weak": sealed.detection.weak,
        "manifest": sealed.seal.manifest,
        "signer": sealed.seal.issuer,
        "trusted": sealed.seal.trusted,
        "verdicts": [
            {"by": v.by, "category": v.category, "decision": str(v.decision), "score": v.score}
            for v in image.verdicts
        ],
    }
