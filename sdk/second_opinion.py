"""Asks a second engine, of another code base, whether a file is what was signed.

    second_opinion(path, media_type)        # Opinion(engine="encypher-c2pa 1.7.1", …)

c2pa-rs signs and verifies here; a bug of its own would pass both ways.  encypher-c2pa is
independent of it.  It reports home and uses lists of its own by default: both are switched off,
and only its judgement of the content is used.  Who is trusted stays with `sdk.trust`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from sdk.errors import RequestError, VerifyError
from sdk.report import Axis, harmless
from sdk.types import JSON

ENGINE = "encypher-c2pa"
_SAYS = {"valid": "intact", "invalid": "changed"}
_OURS = {
    "intact": "intact",
    "content-changed": "changed",
    "manifest-changed": "changed",
    "unreadable": "changed",
    "unchecked": "absent",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What another engine says about the file as it is."""

    engine: str
    """Name and version."""
    says: str
    """`intact`, `changed`, `absent`, or `failed` when it could not tell."""
    detail: str = ""


def second_opinion(path: str | Path, media_type: str) -> Opinion:
    """Ask the second engine; what it cannot do is an opinion too.

    Raises:
        VerifyError: it is not installed.
    """
    require_engine()
    import encypher_c2pa

    engine = f"{ENGINE} {version(ENGINE)}"
    if not media_type:  # it would go by the file's name
        return Opinion(engine=engine, says="failed", detail="an unknown kind of file")
    try:
        found = encypher_c2pa.verify(
            str(path), media_type, no_default_trust=True, telemetry=False, online=False
        )
    except Exception as exc:  # noqa: BLE001  another engine may raise anything; it then failed
        return Opinion(
            engine=engine, says="failed", detail=harmless(f"{type(exc).__name__}: {exc}")
        )
    if not found.get("present"):
        return Opinion(engine=engine, says="absent")
    failures = (found.get("validation_results") or {}).get("failure") or ()
    if any(failure.get("code") == "manifest.inaccessible" for failure in failures):
        return Opinion(engine=engine, says="absent", detail="the manifest lies elsewhere")
    parts = [f"{name} {found.get(name)}" for name in ("integrity", "signature", "hard_binding")]
    says = _SAYS.get(str(found.get("integrity")), "failed")
    return Opinion(engine=engine, says=says, detail=harmless(", ".join(parts)))


def asks_second(engines: str) -> bool:
    """Say whether a list such as `c2pa,encypher` names the second engine.

    Raises:
        RequestError: it names others, or leaves out c2pa, which signs here and always judges.
    """
    names = sorted(name.strip() for name in engines.split(","))
    if names not in (["c2pa"], ["c2pa", "encypher"]):
        raise RequestError(
            f"asked for the engines {harmless(engines)!r}; give c2pa, or c2pa,encypher"
        )
    return len(names) == 2


def require_engine() -> None:
    """Make sure that there is a second engine.

    Raises:
        VerifyError: it is not installed.
    """
    try:
        import encypher_c2pa  # noqa: F401
    except ImportError as exc:
        raise VerifyError(
            f"asked for a second engine, found no {ENGINE}; install the extra 'engines'"
        ) from exc


def compared(axis: Axis, opinion: Opinion) -> Axis:
    """Return the integrity axis with the second opinion, and say where the two differ."""
    agrees = _OURS.get(axis.state) == opinion.says
    said: JSON = {
        "engine": opinion.engine,
        "says": opinion.says,
        "agrees": agrees,
        "detail": opinion.detail,
    }
    views = "agrees" if agrees else f"DISAGREES and says {opinion.says}"
    if opinion.says == "failed":
        views = f"could not tell ({opinion.detail})"
    return Axis(
        state=axis.state,
        reason=f"{axis.reason}; {opinion.engine} {views}",
        more={**axis.more, "second_opinion": said},
    )
