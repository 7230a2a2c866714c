"""Reads what a client asks for: OpenAI's parameters into a `Request`, or an error that names one.

Known and used: prompt, n, size, output_format, response_format, model, stream, user and
safety_identifier; and as extra fields seed, negative_prompt, steps, guidance_scale, strength and
purpose.  A parameter that we know and cannot honour is an error, never ignored.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sdk.errors import RequestError
from sdk.inputs import InputImage
from sdk.request import Request

MOST_PICTURES = 10
FORMATS = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "avif": "image/avif"}
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
_ONLY: Mapping[str, tuple[object, ...]] = {
    "background": ("auto", "opaque"),
    "moderation": ("auto",),
    "quality": ("auto", "standard"),
    "response_format": ("b64_json",),
    "partial_images": (0,),
    "style": ("natural", "vivid"),
}
"""Parameters whose only honest values are these."""
_WHY = {
    "moderation": "the policy decides how strictly prompts are screened",
    "partial_images": "a half-drawn picture is not filtered, marked or signed, so it never leaves",
    "response_format": "pictures are not kept here, so there is no URL to give",
    "background": "transparency is not drawn",
}
_USED = frozenset(
    [
        *("prompt", "n", "size", "output_format", "model", "stream", "user", "safety_identifier"),
        *("seed", "negative_prompt", "steps", "guidance_scale", "strength", "purpose"),
    ]
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One call, understood."""

    request: Request
    media_type: str
    stream: bool


class ModelNotFound(RequestError):
    """Another model was asked for than the one that is served."""


def read(
    fields: Mapping[str, Any],
    *,
    model: str,
    media_type: str,
    image: bytes | None = None,
    mask: bytes | None = None,
) -> Asked:
    """Understand the fields of a JSON body or a form.

    Raises:
        RequestError: a field is unknown, of the wrong type, or cannot be honoured.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    _check_names(given)
    if given.get("model", model) not in (model, "auto"):
        raise ModelNotFound(f"asked for another model than the one served here, {model!r}")
    width, height = _size(given.get("size", "auto"))
    init = InputImage.decode(image, name="image") if image is not None else None
    request = Request(
        prompt=_text(given, "prompt"),
        negative_prompt=_text(given, "negative_prompt"),
        seed=_number(given, "seed", int),
        width=width,
        height=height,
        steps=_number(given, "steps", int),
        guidance_scale=_number(given, "guidance_scale", float),
        count=_count(_number(given, "n", int)),
        init_image=init,
        strength=_number(given, "strength", float),
        mask=_mask(mask) if mask is not None else None,
        purpose=_text(given, "purpose"),
        subject=_text(given, "safety_identifier") or _text(given, "user") or None,
    )
    form = given.get("output_format", media_type.removeprefix("image/"))
    chosen = FORMATS.get(str(form), f"image/{form}" if f"image/{form}" == media_type else "")
    if not chosen:
        raise RequestError(f"asked for output_format {form!r}; known: {', '.join(FORMATS)}")
    return Asked(request, chosen, given.get("stream") in (True, "true", "True"))


def _check_names(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if name in _ONLY:
            allowed = {str(one) for one in _ONLY[name]}
            if str(value) not in allowed:
                raise RequestError(
                    f"asked for {name} {str(value)[:40]!r}; here it is "
                    f"{' or '.join(sorted(allowed))}: {_WHY.get(name, 'nothing else is drawn')}"
                )
        elif name not in _USED:
            known = ", ".join(sorted(_USED | set(_ONLY)))
            raise RequestError(f"asked for the parameter {name[:40]!r}; known: {known}")


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name, "")
    if not isinstance(value, str):
        raise RequestError(f"asked for {name} of type {type(value).__name__}; give text")
    return value


def _number(given: Mapping[str, Any], name: str, kind: type) -> Any:
    """A number as JSON or, in a form, as text."""
    value = given.get(name)
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    try:
        return kind(value) if isinstance(value, str) else 1 / 0
    except (ValueError, ZeroDivisionError):
        raise RequestError(f"asked for {name} {str(value)[:40]!r}; give a number") from None


def _count(n: int | None) -> int:
    if n is not None and not (isinstance(n, int) and 1 <= n <= MOST_PICTURES):
        raise RequestError(f"asked for n = {n}; give 1 to {MOST_PICTURES}")
    return n or 1


def _size(size: object) -> tuple[int | None, int | None]:
    if size == "auto":
        return None, None
    found = _SIZE.fullmatch(size) if isinstance(size, str) else None
    if found is None:
        raise RequestError("asked for a size that is not WIDTHxHEIGHT or auto; say 512x512")
    return int(found[1]), int(found[2])


def _mask(data: bytes) -> InputImage:
    """The API's mask is transparent where the picture is redrawn; ours is white there."""
    plain = InputImage.decode(data, name="mask")
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        if not image.has_transparency_data:
            return plain
        redrawn = image.convert("RGBA").getchannel("A").point(lambda a: 255 if a == 0 else 0)
    out = io.BytesIO()
    redrawn.convert("RGB").save(out, "PNG")
    return InputImage.decode(out.getvalue(), name="mask")
