"""Many outcomes in few words: a line each, and how many of each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from sdk.batch.asked import Outcome
from sdk.errors import RequestError
from sdk.report import harmless

SIGNS: Mapping[int, str] = {
    0: "ok",
    1: "error",
    3: "no provenance",
    4: "CHANGED",
    5: "untrusted",
    6: "rule failed",
}
"""Exit code → word."""
WORDS: Mapping[str, int] = {
    "error": 1,
    "absent": 3,
    "changed": 4,
    "untrusted": 5,
    "rule": 6,
}
"""What may be named to fail on → exit code."""
GRAVEST = (4, 1, 6, 5, 3)
"""Exit codes from the gravest on: that one file changed must not hide behind one untrusted."""


def line(outcome: Outcome) -> str:
    """Say in one line what came of a file."""
    return f"{SIGNS[outcome.exit_code]:<14} {harmless(outcome.file)}: {outcome.headline}"


def table(counts: Mapping[int, int]) -> list[str]:
    """Return how many files ended how, as lines for people."""
    total = sum(counts.values())
    width = len(f"{total:,}")
    lines = [f"{counts[code]:>{width},}  {SIGNS[code]}" for code in SIGNS if counts.get(code)]
    return ["", *(f"  {text}" for text in lines), f"  {total:>{width},}  files"]


def failing(words: str) -> frozenset[int]:
    """Return the exit codes that count, from words with commas between; all when empty.

    Raises:
        RequestError: an unknown word.
    """
    named = [word.strip() for word in words.split(",") if word.strip()]
    if unknown := sorted(set(named) - set(WORDS)):
        raise RequestError(
            f"asked to fail on {', '.join(map(harmless, unknown))}; give some of "
            f"{', '.join(WORDS)}, with commas between"
        )
    return frozenset(WORDS[word] for word in named) or frozenset(WORDS.values())


def overall(counts: Mapping[int, int], failing_on: frozenset[int]) -> int:
    """Return the exit code of the batch: the gravest that occurred and counts, see GRAVEST."""
    return next((code for code in GRAVEST if counts.get(code) and code in failing_on), 0)


def counted(outcomes: Iterable[Outcome]) -> Counter[int]:
    """Count the exit codes."""
    return Counter(outcome.exit_code for outcome in outcomes)
