"""Pictures that the starter model drew, labelled by the words that asked for them.

    python -m sdk_auditor_emoji.own_art --folder node_modules --cache emoji-cache
    python -m sdk_auditor_emoji.own_art … --first 224 --count 1100 --only test

Asks the embedded model for persons whose gender and tone the words fix (`a woman firefighter, dark
skin tone, noto style`), for persons of whom they fix neither, and for things.  Roles are dealt to
train, calibrate and test as those of the icons are.  Every 32 pictures are kept in the cache, and a
second run goes on where the first ended.  Needs the extra `generate`.

The model does not always draw what the words say; docs/auditors/emoji.md counts how often.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sdk_dataset_icons.names import Sign, read_names

from .drawings import MODEL
from .labels import GENDERS, NEUTRAL_IS_DRAWN_NEUTRAL, gender_of, part_of, tone_of

if TYPE_CHECKING:
    from sdk_backend_diffusion.load import Loaded

BATCH = 32
STYLES = ("noto", "twemoji", "fluent", "blob", "emojione", "fxemoji")
_STYLED = 0.5
"""Share of prompts that name a style."""
_GENDER_SHARES = {"woman": 0.36, "man": 0.36, "unspecified": 0.18, "none": 0.10}
_PART_SHARES = {"train": 0.45, "calibrate": 0.17, "test": 0.38}
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """One prompt and what its words say."""

    prompt: str
    gender: str
    tone: str
    part: str
    style: str


def prompts(folder: Path, count: int) -> list[Asked]:
    """Choose `count` prompts, the same ones for every longer list's beginning."""
    signs = read_names(folder / "emojibase-data" / "en").by_code.values()
    table: dict[tuple[str, str], list[Sign]] = {}
    for sign in sorted(set(signs), key=lambda sign: sign.caption):
        gender = gender_of(sign.concept, _labels(sign, "noto"))
        if gender in _GENDER_SHARES and not sign.excluded:
            table.setdefault((gender, part_of(sign.concept)), []).append(sign)
    rng = np.random.default_rng(0)
    return [_asked(table, rng) for _ in range(count)]


def _asked(table: dict[tuple[str, str], list[Sign]], rng: np.random.Generator) -> Asked:
    gender = str(rng.choice([*_GENDER_SHARES], p=[*_GENDER_SHARES.values()]))
    part = str(rng.choice([*_PART_SHARES], p=[*_PART_SHARES.values()]))
    signs = table[gender, part]
    sign = signs[int(rng.integers(len(signs)))]
    style = str(rng.choice(STYLES)) if rng.random() < _STYLED else ""
    if gender == "unspecified" and style not in NEUTRAL_IS_DRAWN_NEUTRAL:
        style = str(rng.choice(sorted(NEUTRAL_IS_DRAWN_NEUTRAL)))
    article = ("an " if sign.caption[0] in "aeio" else "a ") if rng.random() < 0.5 else ""
    labels = _labels(sign, style)
    return Asked(
        prompt=f"{article}{sign.caption}" + (f", {style} style" if style else ""),
        gender=gender,
        tone=tone_of(sign.concept, labels) if gender in GENDERS[:3] else "",
        part=part,
        style=style,
    )


def _labels(sign: Sign, style: str) -> dict[str, str]:
    found = {"group": sign.group, "skin_tone": sign.skin_tone, "style": style}
    return {key: value for key, value in found.items() if value}


def draw_own(folder: str, cache: Path, count: int, first: int = 0, only: str = "") -> None:
    """Draw what is missing of the prompts `first` to `count`, in shards; the seed is the place.

    `only` is the part to draw, all by default.
    """
    asked = prompts(Path(folder), count)
    places = [at for at in range(first, count) if only in ("", asked[at].part)]
    shards = cache / "own"
    shards.mkdir(parents=True, exist_ok=True)
    loaded = _loaded()
    (shards / MODEL).write_text(loaded.sha256 + "\n")
    for start in range(0, len(places), BATCH):
        some = places[start : start + BATCH]
        kept = shards / f"{some[0]:05}.npz"
        if kept.exists():
            continue
        pixels = _drawn(loaded.pipe, [asked[at].prompt for at in some], some)
        columns = {key: [getattr(asked[at], key) for at in some] for key in Asked.__slots__}
        waits = kept.with_suffix(".part.npz")
        np.savez_compressed(waits, pixels=pixels, **columns)  # type: ignore[arg-type]
        waits.rename(kept)
        log.info("%d of %d", start + len(some), len(places))


def _loaded() -> Loaded:
    from sdk_backend_diffusion.config import Config
    from sdk_backend_diffusion.load import load

    loaded = load(Config.of({"model": "starter", "device": "cpu"}))
    loaded.pipe.set_progress_bar_config(disable=True)
    return loaded


def _drawn(pipe: Any, words: list[str], seeds: list[int]) -> NDArray[np.uint8]:
    """(N, 128, 128, 3); in bfloat16, a level or two off and 1.6 times as fast."""
    import torch

    torch.set_num_threads(1)
    noise = [torch.Generator().manual_seed(seed) for seed in seeds]
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        said = pipe(
            words, num_inference_steps=25, guidance_scale=3.5, generator=noise, output_type="np"
        )
    found: NDArray[np.uint8] = (said.images * 255).round().astype(np.uint8)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw from the command line."""
    parser = argparse.ArgumentParser(prog="python -m sdk_auditor_emoji.own_art")
    parser.add_argument("--folder", default="node_modules")
    parser.add_argument("--cache", type=Path, default=Path("emoji-cache"))
    parser.add_argument("--count", type=int, default=224)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", choices=("train", "calibrate", "test"), default="")
    asked = parser.parse_args(arguments)
    draw_own(asked.folder, asked.cache, asked.count, asked.first, asked.only)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    main()
