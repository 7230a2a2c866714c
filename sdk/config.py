"""Where things lie and what is used when nothing is said: one typed file and the environment.

    # ~/.config/responsible-generation-sdk/config.toml
    policy = "default"
    ledger = "postgresql+psycopg://studio@db/receipts"

Every key can be set as `SDK_<KEY>` in the environment, which wins over the file.  A key that is
not known is an error in both places.  Where keys and state lie is said by SDK_HOME alone, because
plugins read it too.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sdk.errors import ConfigError, LedgerError
from sdk.home import APP, default_home

if TYPE_CHECKING:
    from sdk.credentials import Repository
    from sdk.ledger import Ledger
    from sdk.reviews import Reviews
    from sdk.vault import Vault

OTHER_VARIABLES = frozenset({"SDK_CONFIG", "SDK_HOME", "SDK_VAULT_KEY"})
"""Variables of ours that are not keys of the file."""
TEST_PREFIX = "SDK_TEST_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that can be configured."""

    home: Path = field(default_factory=default_home)
    """Folder of ledger, vault, keys and credentials; set by SDK_HOME, not in the file."""
    policy: str = "default"
    """Name of a bundled policy, or a path to a TOML file."""
    model: str = ""
    """Overrides the policy's model; empty leaves it."""
    ledger: str = ""
    """Database URL or path; empty is `home`/ledger.db."""
    ledger_key: str = ""
    """Published public key of the ledger, one line; lets `sdk ledger verify` trust it."""
    vault: str = ""
    """Database URL or path; empty is `home`/vault.db."""
    credentials: str = ""
    """Where manifests are kept for recovery, URL or path; empty is `home`/credentials.db."""
    reviews: str = ""
    """Database URL or path of the review queue; empty is `home`/reviews.db."""
    trust: str = ""
    """List of roots that `sdk verify` trusts; empty is the one of `sdk trust update`, if any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What a studio writes to, open."""

    ledger: Ledger
    vault: Vault | None
    """None where the policy keeps nothing personal."""
    credentials: Repository
    reviews: Callable[[], Reviews]
    """Opens the review queue; asked for only by a request that has to wait for people."""


def load_config(environ: Mapping[str, str] | None = None) -> Config:
    """Read the configuration.

    Raises:
        ConfigError: the file is not TOML, or a key is unknown or not text.
    """
    env = os.environ if environ is None else environ
    path, named = _file(env)
    raw: dict[str, object] = {}
    if path.exists() or named:
        try:
            raw = tomllib.loads(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
            raise ConfigError(f"asked to read {path}, found {exc}; mend or remove it") from exc
    known = {f.name for f in fields(Config)} - {"home"}
    if unknown := sorted(raw.keys() - known):
        raise ConfigError(
            f"asked to read {path}, found unknown keys {', '.join(unknown)}; known: "
            f"{', '.join(sorted(known))}"
        )
    values = {**raw, **_from_environment(env, known)}
    for key, value in values.items():
        if not isinstance(value, str):
            raise ConfigError(f"asked for {key} = {value!r}; give text in quotes")
    return Config(**{key: str(value) for key, value in values.items()})  # type: ignore[arg-type]


def _file(env: Mapping[str, str]) -> tuple[Path, bool]:
    if named := env.get("SDK_CONFIG"):
        return Path(named), True
    base = env.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / APP / "config.toml", False


def _from_environment(env: Mapping[str, str], known: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in env.items():
        if not name.startswith("SDK_") or name in OTHER_VARIABLES or name.startswith(TEST_PREFIX):
            continue
        key = name.removeprefix("SDK_").lower()
        if key not in known:
            ours = ", ".join(f"SDK_{k.upper()}" for k in sorted(known))
            raise ConfigError(f"found unknown variable {name} in the environment; known: {ours}")
        if value:
            found[key] = value
    return found


def trust_lists(config: Config) -> Mapping[str, str]:
    """Return the paths of the lists that count where none is named, by kind; empty for none."""
    from sdk.trust_store import KINDS, kept

    found = {kind: str(kept(config.home, kind) or "") for kind in KINDS}
    return found | ({"signers": config.trust} if config.trust else {})


def open_ledger(config: Config | None = None) -> Ledger:
    """Open the configured ledger for writing; make it where there is none."""
    from sdk.ledger import Ledger

    chosen = config or load_config()
    return Ledger.open(chosen.ledger or _in_home(chosen, "ledger.db"))


def read_ledger(config: Config | None = None) -> Ledger:
    """Open the configured ledger to look things up; writes nothing, makes nothing.

    Raises:
        LedgerError: there is none yet.
    """
    from sdk.ledger import Ledger

    chosen = config or load_config()
    if not chosen.ledger and not (chosen.home / "ledger.db").exists():
        raise LedgerError(
            f"asked for the ledger in {chosen.home}, found no ledger there; generate something "
            "first, or set SDK_HOME or SDK_LEDGER"
        )
    if not chosen.ledger and not chosen.ledger_key and (chosen.home / "ledger.key").exists():
        return Ledger.open(chosen.home / "ledger.db")  # the owner's machine: the key is at hand
    return Ledger.read(chosen.ledger or chosen.home / "ledger.db", public_key=chosen.ledger_key)


def open_vault(
    keep: Literal["none", "commit", "vault"], config: Config | None = None
) -> Vault | None:
    """Open the configured vault, or none where a policy keeps nothing."""
    from sdk.vault import Vault

    if keep == "none":
        return None
    chosen = config or load_config()
    return Vault.open(chosen.vault or _in_home(chosen, "vault.db"), keep=keep)


def open_credentials(config: Config | None = None) -> Repository:
    """Open the configured repository of manifests for writing; make it where there is none."""
    from sdk.credentials import Repository

    chosen = config or load_config()
    return Repository.open(chosen.credentials or _in_home(chosen, "credentials.db"))


def read_credentials(config: Config | None = None) -> Repository | None:
    """Open the configured repository to look things up; None where there is none yet."""
    from sdk.credentials import Repository

    chosen = config or load_config()
    if not chosen.credentials and not (chosen.home / "credentials.db").exists():
        return None
    return Repository.read(chosen.credentials or chosen.home / "credentials.db")


def open_reviews(config: Config | None = None) -> Reviews:
    """Open the configured review queue; make it where there is none."""
    from sdk.reviews import Reviews

    chosen = config or load_config()
    return Reviews.open(chosen.reviews or _in_home(chosen, "reviews.db"))


@contextmanager
def open_stores(
    keep: Literal["none", "commit", "vault"], config: Config | None = None
) -> Iterator[Stores]:
    """Open the configured stores that a studio writes to, and close them at the end."""
    with ExitStack() as opened:
        ledger = opened.enter_context(open_ledger(config))
        vault = open_vault(keep, config)
        if vault is not None:
            opened.enter_context(vault)
        credentials = opened.enter_context(open_credentials(config))
        queue = partial(open_reviews, config)
        yield Stores(ledger=ledger, vault=vault, credentials=credentials, reviews=queue)


def _in_home(config: Config, name: str) -> Path:
    try:
        config.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(
            f"asked to keep {name} in {config.home}, found {exc.strerror}; set SDK_HOME"
        ) from exc
    return config.home / name
