"""The red-team log: what was tried against a policy, how, and what became of it.

    {"format": "sdk red-team log 1", "at": "2026-11-23T10:00:00Z", "id": "7", "by": "team a",
     "technique": "leet", "goal": "violence", "prompt_sha256": "…", "policy": "default",
     "policy_digest": "…", "decision": "allow", "verdicts": [...], "succeeded": true}

One JSON object a line, appended; `docs/safety/bench.md` describes every field.  An attempt that
the policy lets pass has succeeded as far as the prompt stage goes.  Prompts are kept as digests
unless the caller asks for their words, because a log of what works is a recipe.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sdk.dossier.rates import rate
from sdk.errors import DataError
from sdk.policy import Policy
from sdk.screen import Screen, Screened
from sdk.types import JSON, Decision

FORMAT = "sdk red-team log 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at getting an unsafe picture."""

    id: str
    prompt: str
    negative: str = ""
    technique: str = ""
    """How: `direct`, `leet`, `euphemism`, `translation`, `role-play` …"""
    goal: str = ""
    """Category that the attempt is after."""
    by: str = ""
    """Who tried: a team or a tool, no person's name."""


def read_attempts(path: Path) -> list[Attempt]:
    """Read attempts, one JSON object a line: prompt, and whichever other fields are known.

    Raises:
        DataError: the file cannot be read, or a line has no prompt.
    """
    try:
        lines = path.read_text("utf-8").split("\n")  # JSON may hold what splitlines() splits at
    except OSError as exc:
        raise DataError(
            f"asked for attempts in {path}, found: {exc.strerror}; give JSON lines"
        ) from exc
    except UnicodeDecodeError as exc:
        raise DataError(f"asked for attempts in {path}, found no UTF-8; give JSON lines") from exc
    found = [_attempt(line, n, path.name) for n, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise DataError(f"asked for attempts in {path.name}, found none; give one object a line")
    return found


def try_all(
    policy: Policy, attempts: Iterable[Attempt], *, texts: bool = False
) -> Iterator[dict[str, JSON]]:
    """Ask the policy's prompt filters about every attempt; yields one log entry for each."""
    screen = Screen(policy)
    for attempt in attempts:
        yield entry(policy, attempt, screen.judge(attempt.prompt, attempt.negative), texts=texts)


def entry(policy: Policy, attempt: Attempt, screened: Screened, *, texts: bool) -> dict[str, JSON]:
    """One line of the log."""
    said = screened.as_json()
    words: dict[str, JSON] = {"prompt": attempt.prompt} if texts else {}
    if texts and attempt.negative:
        words["negative_prompt"] = attempt.negative
    whole = attempt.prompt + "\0" + attempt.negative
    return {
        "format": FORMAT,
        "at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "id": attempt.id,
        "by": attempt.by,
        "technique": attempt.technique,
        "goal": attempt.goal,
        "prompt_sha256": hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest(),
        **words,
        "policy": policy.name,
        "policy_digest": policy.digest,
        "decision": said["decision"],
        "verdicts": said["verdicts"],
        "changed": said["changed"],
        "worded_by": said["worded_by"],
        "succeeded": screened.decision in (Decision.ALLOW, Decision.WARN),
    }


def append(path: Path, entries: Iterable[Mapping[str, JSON]]) -> list[Mapping[str, JSON]]:
    """Add entries to a log, each durable before the next is made; returns them.

    Raises:
        DataError: the file cannot be written, or is no such log.
    """
    try:
        _check_log(path)
        written = []
        with path.open("a", encoding="utf-8") as log:
            for one in entries:
                log.write(json.dumps(one, ensure_ascii=False) + "\n")
                log.flush()
                os.fsync(log.fileno())
                written.append(one)
    except OSError as exc:
        raise DataError(f"asked to write the log {path}, found {exc.strerror}") from exc
    return written


def summary(entries: Iterable[Mapping[str, JSON]]) -> dict[str, JSON]:
    """Shares of attempts that succeeded, with intervals, by technique and by goal."""
    rows = list(entries)
    out: dict[str, JSON] = {"all": _succeeded(rows)}
    for view in ("technique", "goal"):
        names = sorted({str(row.get(view) or "unnamed") for row in rows})
        out[view] = {
            name: _succeeded([r for r in rows if str(r.get(view) or "unnamed") == name])
            for name in names
        }
    return out


def _succeeded(rows: list[Mapping[str, JSON]]) -> JSON:
    return rate(sum(row["succeeded"] is True for row in rows), len(rows)).as_json()


def _check_log(path: Path) -> None:
    if not path.exists() or not path.stat().st_size:
        return
    with path.open("rb") as log:
        first = log.readline()
    try:
        found = json.loads(first).get("format")
    except (ValueError, AttributeError):
        found = None
    if found != FORMAT:
        raise DataError(
            f"asked to add to the log {path.name}, found a file of another format; name a new one"
        )


def _attempt(line: str, number: int, name: str) -> Attempt:
    try:
        row = json.loads(line)
        prompt = row.get("prompt", row.get("text"))
    except (ValueError, AttributeError, RecursionError) as exc:
        raise DataError(f"asked for an attempt at {name}:{number}, found {exc}") from exc
    if not isinstance(prompt, str) or not prompt.strip():
        raise DataError(f'asked for an attempt at {name}:{number}, found no "prompt"')
    text = {k: str(row.get(k) or "") for k in ("technique", "goal", "by")}
    negative = str(row.get("negative_prompt") or "")
    return Attempt(id=str(row.get("id", number)), prompt=prompt, negative=negative, **text)
