"""The model card: `model-card.json` for programs, `MODEL_CARD.md` for people, both signed.

It says what went in (data manifest by digest, licences, what was left out), how (recipe, seeds,
code with digests), and what it cost.  It does not say how good the model is: `sdk evaluate` does.
"""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePath

from sdk.durable import write_whole
from sdk.errors import TrainError
from sdk.markdown import plain
from sdk.registry import PluginId
from sdk.runs.folder import Session
from sdk.runs.used import Recorded
from sdk.types import JSON, Model
from sdk.version import VERSION

CARD = "model-card.json"
PAGE = "MODEL_CARD.md"
DATA = "training-data.jsonl.gz"
FORMAT = "sdk model card 1"
_LIBRARIES = ("torch", "diffusers", "transformers", "accelerate", "open-clip-torch", "numpy")


def model_card(
    model: Model,
    trainer: PluginId,
    dataset: PluginId,
    data: Recorded,
    recipe: dict[str, JSON],
    data_settings: dict[str, JSON],
    sessions: list[Session],
    last: dict[str, float],
    signer: str = "",
) -> dict[str, JSON]:
    """Put the card together; paths are cut to their last name, because paths name people."""
    seen = data.seen
    licences: dict[str, JSON] = {}
    for (_, licence, _), count in seen.sources.items():
        licences[licence] = count + int(str(licences.get(licence, 0)))
    return {
        "format": FORMAT,
        "model": {k: v for k, v in asdict(model).items() if v},
        "made_at": sessions[-1].started_at if sessions else "",
        "trainer": asdict(trainer),
        "code": _code(),
        "recipe": without_paths(recipe),
        "seeds": {k: v for k, v in recipe.items() if "seed" in k},
        "data": {
            "dataset": asdict(dataset),
            "settings": without_paths(data_settings),
            "signer": signer,
            "manifest": DATA,
            "manifest_sha256": data.sha256,
            "items": len(seen.lines),
            "licences": dict(sorted(licences.items())),
            "sources": [
                {"source": source, "licence": licence, "attribution": who, "items": count}
                for (source, licence, who), count in sorted(seen.sources.items())
            ],
            "excluded": dict(seen.excluded.most_common(50)),
        },
        "sessions": [{name: getattr(s, name) for name in Session.__slots__} for s in sessions],
        "energy": {
            "joules": round(sum(s.joules for s in sessions), 1),
            "watt_hours": round(sum(s.joules for s in sessions) / 3600, 3),
            "method": " then ".join(dict.fromkeys(s.method for s in sessions if s.method)),
            "assumptions": "; ".join(dict.fromkeys(s.assumptions for s in sessions)),
            "quality": " then ".join(dict.fromkeys(s.quality for s in sessions if s.quality))
            or "unknown",
        },
        "last": dict(last.items()),
    }


def recipe_of(trainer: object, settings: dict[str, JSON]) -> dict[str, JSON]:
    """All settings of a trainer with their defaults where it shows them as `recipe`."""
    recipe = getattr(trainer, "recipe", None)
    if is_dataclass(recipe) and not isinstance(recipe, type):
        recipe = asdict(recipe)
    full = {**(recipe if isinstance(recipe, dict) else {}), **settings}
    return {str(k): v if _plain(v) else str(v) for k, v in full.items()}


def without_paths(settings: dict[str, JSON]) -> dict[str, JSON]:
    """Settings with every path cut to its last name."""
    return {
        key: PurePath(value).name if isinstance(value, str) and "/" in value else value
        for key, value in settings.items()
    }


def write_card(folder: Path, card: dict[str, JSON], data: Recorded) -> None:
    """Write card and data manifest; a MODEL_CARD.md that the trainer wrote stays above ours."""
    data.write(folder / DATA)
    text = json.dumps(card, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(folder / CARD, lambda new: new.write_text(text, encoding="utf-8"))
    page = folder / PAGE
    before = page.read_text("utf-8") if page.exists() else "# Model card\n"
    before = before.partition(_OURS)[0].rstrip()
    whole = f"{before}\n\n{_OURS}\n\n{card_page(card)}"
    write_whole(page, lambda new: new.write_text(whole, encoding="utf-8"))


def read_card(folder: Path) -> dict[str, JSON]:
    """Read a folder's card.

    Raises:
        TrainError: there is none, or it is not one of ours.
    """
    try:
        card: dict[str, JSON] = json.loads((folder / CARD).read_text("utf-8"))
        if card["format"] != FORMAT:
            raise ValueError(f"format {card['format']!r}")
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise TrainError(
            f"asked for the card of {folder.name}, found no readable {CARD} ({exc}); "
            "`sdk train` writes it into the run's export folder"
        ) from exc
    return card


_OURS = "<!-- From here on written by `sdk train` from model-card.json, which is signed. -->"


def card_page(card: dict[str, JSON]) -> str:
    """The card as Markdown."""
    data, energy, trainer = _part(card, "data"), _part(card, "energy"), _part(card, "trainer")
    dataset = _part(data, "dataset")
    excluded = _part(data, "excluded")
    lines = [
        "## Data",
        "",
        f"{data['items']} pictures from data set `{dataset['name']}`; one line for each in "
        f"`{data['manifest']}`, SHA-256 `{data['manifest_sha256']}`."
        + (f" The folder was signed by {plain(data['signer'])}." if data.get("signer") else ""),
        "",
        "| source | licence | attribution | pictures |",
        "|---|---|---|---|",
        *_rows(data),
        "",
        "Left out: "
        + (", ".join(f"{n} ({plain(why)})" for why, n in excluded.items()) or "nothing")
        + ".",
        "",
        "## Recipe",
        "",
        f"Trainer `{trainer['name']}` {trainer['version']} (code SHA-256 `{trainer['sha256']}`), "
        + ", ".join(f"{name} {number}" for name, number in _part(card, "code").items())
        + ".",
        "",
        "```json",
        json.dumps(card["recipe"], indent=1, ensure_ascii=False),
        "```",
        "",
        "## Cost",
        "",
        f"{energy['watt_hours']} Wh, {energy['quality']}, by {energy['method'] or 'no method'} "
        f"({energy['assumptions'] or 'nothing was measured'}).",
        "",
    ]
    return "\n".join(lines)


def _rows(data: dict[str, JSON]) -> list[str]:
    sources = data["sources"] if isinstance(data["sources"], list) else []
    keys = ("source", "licence", "attribution", "items")
    return [
        f"| {' | '.join(plain(s[key] or ('unnamed' if key == 'source' else '')) for key in keys)} |"
        for s in sources
        if isinstance(s, dict)
    ]


def _part(card: dict[str, JSON], key: str) -> dict[str, JSON]:
    found = card[key]
    return found if isinstance(found, dict) else {}


def _code() -> dict[str, JSON]:
    found: dict[str, JSON] = {"sdk": VERSION, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _plain(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_plain(one) for one in value)
    return value is None or isinstance(value, (str, bool, int, float))
