"""`sdk train`: fits a model to a data set and signs what came out; `sdk card` checks that."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from sdk.errors import ConfigError
from sdk.options import credential_of, pairs
from sdk.terminal import FAILED, AsJson, Stop, answer, errors, leave, note, say
from sdk.types import JSON

if TYPE_CHECKING:
    from sdk.runs.live import Events

_LINE_EVERY_S = 30.0


def train(
    trainer: Annotated[
        str,
        typer.Argument(
            help="Trainer plugin: diffusion, gan, vae …; a run that goes on needs none.",
            show_default=False,
        ),
    ] = "",
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of the run; new, or with --resume.")
    ] = Path("run"),
    data: Annotated[
        str, typer.Option(help="Data set plugin, or a folder of pictures, prepared or not.")
    ] = "",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Setting of the trainer; repeatable."),
    ] = None,
    data_set: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Setting of the data set; repeatable."),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(help="TOML: trainer, data, and tables [settings] and [data_settings]."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the folder's run stopped.")
    ] = False,
    tensorboard: Annotated[
        bool | None,
        typer.Option(help="Write TensorBoard events; by default where it is installed."),
    ] = None,
    certificate: Annotated[str, typer.Option(help="Chain that signs the card, PEM.")] = "",
    key: Annotated[str, typer.Option(help="Its key, PEM; without both, development.")] = "",
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a model, with its papers: data manifest, recipe, energy, signed card.

    Ctrl-C stops at the next step; so may SIGKILL.  `--resume` goes on from the last checkpoint.
    """
    from sdk.runs.go import Asked, go

    with errors(as_json):
        given = _recipe(recipe)
        name, settings = _data(data or str(given.get("data", "")))
        asked = Asked(
            trainer=trainer or str(given.get("trainer", "")),
            dataset=name,
            settings={**_table(given, "settings"), **pairs(set_)},
            data_settings={**settings, **_table(given, "data_settings"), **pairs(data_set)},
        )
        if not resume:
            _check(asked.trainer, asked.dataset)
        with Stop("train", quiet=quiet) as stop:
            done = go(
                asked,
                output,
                _Lines(stop, quiet=quiet or as_json),
                resume=resume,
                credential=credential_of(certificate, key),
                events=_events(tensorboard),
                tell=stop.tell,
            )
        if as_json:
            answer({"folder": str(done.folder), "signer": done.signer, "card": done.card})
            return
        count = cast("dict[str, JSON]", done.card["data"])["items"]
        say(f"trained  {done.model.name} {done.model.version}, SHA-256 {done.model.sha256[:16]}…")
        say(f"weights  {done.folder}")
        say(f"data     {count} pictures, licence {done.model.licence or 'not said'}")
        cost = done.session
        say(f"energy   {cost.joules / 3600:.2f} Wh in this session, by {cost.method}")
        say(f"signed   by {done.signer}")


def card(
    folder: Annotated[Path, typer.Argument(help="Folder with a model or data set, signed.")],
    trust: Annotated[str, typer.Option(help="PEM roots that you trust as signers.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check who signed a model's or data set's folder; exit code 1 when a file was changed."""
    from sdk.attest import check_folder, is_development
    from sdk.trust import TrustList

    with errors(as_json):
        roots = TrustList.open(trust).pem if trust else b""
        found = check_folder(folder, roots)
        if as_json:
            answer(
                {
                    "intact": found.intact,
                    "signer": found.signer,
                    "trusted": found.trusted,
                    "development": is_development(found),
                    "files": found.files,
                    "problems": list(found.problems),
                }
            )
        else:
            who = "you trust" if found.trusted else "nobody you trust vouches for"
            say(f"signer   {found.signer or 'unknown'} ({who})")
            say(f"files    {found.files} signed, {'all unchanged' if found.intact else 'CHANGED'}")
            for problem in found.problems:
                say(f"         {problem}")
        if not found.intact:
            leave(FAILED)


class _Lines:
    """Progress without a terminal: a line on stderr twice a minute."""

    def __init__(self, stop: Stop, *, quiet: bool) -> None:
        self._stop = stop
        self._quiet = quiet
        self._said = time.monotonic()

    def step(self, done: int, total: int, /) -> None:
        """Pass the step on."""
        now = time.monotonic()
        if not self._quiet and not self._stop.shows and now - self._said >= _LINE_EVERY_S:
            self._said = now
            note(f"step {done} of {total}  {self._stop.told}")
        self._stop.step(done, total)


def _check(trainer: str, dataset: str) -> None:
    from sdk.runs.go import trainers

    if not trainer:
        raise ConfigError(f"asked to train nothing; name a trainer: {', '.join(trainers())}")
    if not dataset:
        raise ConfigError(
            "asked to train on nothing; give --data, a data set plugin or a folder that "
            "`sdk data prepare` wrote"
        )


def _data(name: str) -> tuple[str, dict[str, JSON]]:
    """A plugin's name stays; a folder is read by the plugin `prepared`, or `folder`."""
    from sdk.registry import installed

    if name and (Path(name) / "dataset.json").is_file():
        return "prepared", {"folder": str(Path(name).resolve())}
    if name and name not in installed() and Path(name).is_dir():
        return "folder", {"folder": str(Path(name).resolve())}
    return name, {}


def _recipe(path: Path | None) -> dict[str, JSON]:
    if path is None:
        return {}
    try:
        found: dict[str, JSON] = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ConfigError(f"asked to read recipe {path}, found {exc}; mend it") from exc
    known = {"trainer", "data", "settings", "data_settings"}
    if unknown := sorted(found.keys() - known):
        raise ConfigError(
            f"asked to read recipe {path}, found unknown keys {', '.join(unknown)}; known: "
            f"{', '.join(sorted(known))}"
        )
    return found


def _table(given: dict[str, JSON], key: str) -> dict[str, JSON]:
    found = given.get(key, {})
    if not isinstance(found, dict):
        raise ConfigError(f"asked for {key} = {found!r}; make it a table: [{key}]")
    return found


def _events(wanted: bool | None) -> Callable[[Path], Events]:
    from importlib.util import find_spec

    from sdk.runs.live import Nowhere, tensorboard

    if wanted or (wanted is None and find_spec("tensorboard") and find_spec("torch")):
        return tensorboard
    return lambda _: Nowhere()
