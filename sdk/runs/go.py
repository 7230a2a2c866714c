"""One training run from request to signed card: the frame around any trainer plugin.

    go(Asked(trainer="gan", dataset="prepared", settings={"steps": 2000}), folder, watch)

The trainer decides what training is; this decides what is written down about it.  Nothing is
signed unless the trainer finished.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sdk.attest import check_folder, sign_folder
from sdk.energy import Meter
from sdk.errors import Cancelled, PluginError, SDKError, TrainError
from sdk.hookspecs import Trainer
from sdk.keys import SigningCredential
from sdk.registry import Registry, installed
from sdk.runs.cards import model_card, recipe_of, write_card
from sdk.runs.folder import RunFolder, Session
from sdk.runs.live import Events, Live, Nowhere
from sdk.runs.used import Recorded
from sdk.types import JSON, Model, Watch

EXPORT = "export"
PREPARED = "dataset.json"
"""What only folders of `sdk data prepare` have."""
_SUFFIX = "-trainer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to run; on a resume empty names and settings are those that it was begun with."""

    trainer: str = ""
    """Plugin name; `gan` also finds `gan-trainer`."""
    dataset: str = ""
    settings: dict[str, JSON] = field(default_factory=dict)
    data_settings: dict[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What came out."""

    model: Model
    folder: Path
    """The signed one: `export` in the run's folder, or the run's folder itself."""
    card: dict[str, JSON]
    session: Session
    """This session, with its energy."""
    signer: str


def go(
    asked: Asked,
    folder: Path,
    watch: Watch,
    *,
    resume: bool = False,
    registry: Registry | None = None,
    credential: Callable[[], SigningCredential] = SigningCredential.development,
    events: Callable[[Path], Events] = lambda _: Nowhere(),
    tell: Callable[[str], None] = lambda _: None,
) -> Trained:
    """Train, document, sign.  Killed or cancelled, the same call with `resume` goes on.

    Raises:
        TrainError: the folder, the recipe or the loss is wrong; the message says which.
        DataError: the data set cannot be read.
        Cancelled: the caller stopped it; the last checkpoint is kept.
    """
    registry = registry or Registry()
    wanted: dict[str, JSON] = {
        "trainer": trainer_name(asked.trainer) if asked.trainer else "",
        "dataset": asked.dataset,
        "settings": asked.settings,
        "data_settings": asked.data_settings,
    }
    run = RunFolder.open(folder, wanted, resume=resume)
    try:
        changed = asked.settings if run.sessions else {}
        work = _Work(run, registry)
        session = run.begin(changed, os.cpu_count() or 1)
        live = _watched(work, session, watch, events, tell)
        return _signed(work, session, live, credential())
    finally:
        run.close()


def trainer_name(word: str) -> str:
    """The plugin behind a word: `gan-trainer` for `gan` where there is one, else `gan`."""
    return word + _SUFFIX if word + _SUFFIX in installed() else word


def trainers() -> list[str]:
    """Words of the installed trainers, as far as names tell."""
    return sorted(name.removesuffix(_SUFFIX) for name in installed() if name.endswith(_SUFFIX))


class _Work:
    """The parts of a run."""

    def __init__(self, run: RunFolder, registry: Registry) -> None:
        self.run = run
        self.trainer_name, self.data_name = str(run.asked["trainer"]), str(run.asked["dataset"])
        self.settings = _table(run.asked["settings"])
        self.data_settings = _table(run.asked["data_settings"])
        self.signer = _vouched(self.data_settings)
        self.data = Recorded(registry.make("dataset", self.data_name, self.data_settings))
        self.trainer: Trainer = registry.make("trainer", self.trainer_name, self.settings)
        self.trainer_id = registry.identify("trainer", self.trainer_name)
        self.data_id = registry.identify("dataset", self.data_name)
        self.model = Model(name="")


def _watched(
    work: _Work,
    session: Session,
    watch: Watch,
    events: Callable[[Path], Events],
    tell: Callable[[str], None],
) -> Live:
    """Have the trainer train; the session is accounted for however that ends."""
    run = work.run
    meter, started, written = Meter(), time.monotonic(), events(run.path / "tensorboard")

    def beat(steps: int) -> None:
        _account(session, meter, started, steps)
        run.save()

    live = Live(run.path, watch, written, beat, tell)
    try:
        made: object = work.trainer.train(work.data, run.path, live)
        live.look()
        if not isinstance(made, Model):
            found = type(made).__name__
            raise PluginError(f"trainer {work.trainer_name!r} returned {found}, no Model")
        work.model = made
        session.outcome = "finished"
    except Exception as exc:
        session.outcome = "stopped" if isinstance(exc, Cancelled) else type(exc).__name__
        raise _said(exc, work.trainer_name) from exc
    finally:
        beat(live.steps)
        written.close()
    return live


def _signed(work: _Work, session: Session, live: Live, signing: SigningCredential) -> Trained:
    """Write the card into the folder with the weights and sign all of it."""
    target = work.run.path / EXPORT
    if not target.is_dir():
        raise PluginError(
            f"trainer {work.trainer_name!r} left no folder {EXPORT!r} with weights; nothing was "
            "signed"
        )
    card = model_card(
        work.model,
        work.trainer_id,
        work.data_id,
        work.data,
        recipe_of(work.trainer, work.settings),
        work.data_settings,
        work.run.sessions,
        live.last,
        work.signer,
    )
    write_card(target, card, work.data)
    sign_folder(target, signing)
    return Trained(
        model=work.model, folder=target, card=card, session=session, signer=signing.subject
    )


def _vouched(data_settings: dict[str, JSON]) -> str:
    """Who signed the prepared folder that is trained on; empty for other data.

    Raises:
        VerifyError: it has no signature.
        TrainError: something in it is not as it was signed.
    """
    folder = Path(str(data_settings.get("folder", "")) or "/").expanduser()
    if not data_settings.get("folder") or not (folder / PREPARED).is_file():
        return ""
    found = check_folder(folder)
    if not found.intact:
        raise TrainError(
            f"asked to train on {folder.name}, found that it is not as it was signed: "
            f"{'; '.join(found.problems[:3])}; prepare it again, or see sdk card {folder.name}"
        )
    return found.signer


def _account(session: Session, meter: Meter, started: float, steps: int) -> None:
    energy = meter.read()
    session.seconds = round(time.monotonic() - started, 1)
    session.joules = round(energy.joules, 1)
    session.method, session.assumptions = energy.method, energy.assumptions
    session.quality = energy.quality
    session.steps = steps


def _said(exc: Exception, trainer: str) -> Exception:
    """Errors of ours and bugs as they are; a full disk and the like as TrainError."""
    if isinstance(exc, SDKError) or not isinstance(exc, OSError):
        return exc
    return TrainError(
        f"trainer {trainer!r} stopped, found {exc.strerror or exc}; mend that and go on from the "
        "last checkpoint with --resume"
    )


def _table(value: JSON) -> dict[str, JSON]:
    return value if isinstance(value, dict) else {}
