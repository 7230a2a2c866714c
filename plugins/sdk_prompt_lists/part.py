"""The list filter: what is listed, how hits become findings, how negative prompts are read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sdk import Finding, PluginError, Request, readings

from .lexicon import CATEGORIES, STRENGTHS, Lexicon, builtin, take_file, take_terms
from .matcher import Hit, Matcher

VERSION = "1"
MAX_FINDINGS = 20
"""For one category; a longer prompt of nothing but hits says nothing more."""
MINORS_SCORES: Mapping[tuple[str, str], float] = {
    ("clear", "certain"): 0.99,
    ("clear", "likely"): 0.97,
    ("clear", "hint"): 0.60,
    ("open", "certain"): 0.90,
    ("open", "likely"): 0.40,
    ("open", "hint"): 0.05,
}
"""Word for a minor × strength of the sexual word.  Not calibrated: no text of that kind is kept,
so these are chosen, on the side of refusing."""
TURNED_SCORE = 0.60
PROTECTED_SCORE = 0.40
"""For a hint next to a word of teaching or protection: 23 of 2,923 look-alike prompts of OVERT."""
KINDS = frozenset({"minors", "protective", "avoided", "turned"})
"""What is listed without being a finding."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What a term stands for."""

    category: str
    """A category, or a kind of phrase: `minors`, `innocent` …."""
    score: float
    open: bool = False
    """A word for minors that is used for adults too."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A listed term in one text of a request."""

    listed: Listed
    span: tuple[int, int]
    kind: str
    """The reading that showed it."""


class ListsFilter:
    """Measures a request by the listed terms in it.

    Args:
        allow: phrases in which a listed term does not count, beside the built-in ones.
        files: further lists, each `{path, category, score}`; a new category needs a rule.
        terms: further terms, `{category: [term, …]}`; `minors` takes words for children.
        builtin: False leaves the shipped lists out.

    Raises:
        PluginError: a setting or file is not as described, or nothing is listed at all.
    """

    def __init__(
        self,
        *,
        allow: Sequence[str] = (),
        files: Sequence[Mapping[str, object]] = (),
        terms: Mapping[str, Sequence[str]] | None = None,
        builtin: bool = True,
    ) -> None:
        if isinstance(allow, str) or not all(isinstance(phrase, str) for phrase in allow):
            raise PluginError(f"asked for allow {allow!r}; give a list of phrases")
        if isinstance(files, (str, Mapping)):
            raise PluginError(f"asked for files {files!r}; give a list of tables")
        lexicon = _start(builtin)
        take_terms(lexicon, terms or {})
        for entry in files:
            take_file(lexicon, entry)
        lexicon.phrases["innocent"].update(phrase.lower() for phrase in allow)
        if not any(lexicon.scored.values()):
            raise PluginError(
                "asked for a list filter, found no terms; give terms, files or builtin"
            )
        self.categories: Sequence[str] = tuple(
            dict.fromkeys([*(CATEGORIES if builtin else ()), "sexual_minors", *lexicon.scored])
        )
        self._sha256 = lexicon.sha256
        self._matcher = Matcher(_entries(lexicon))

    def inspect(self, request: Request) -> Sequence[Finding]:
        """Return the strongest hits of every category, or one of score 0."""
        seen: dict[str, list[Seen]] = {"prompt": self._search(request.prompt)}
        seen["purpose"] = self._search(request.purpose)
        for lora in request.loras:
            seen.setdefault("LoRA name", []).extend(self._search(_spaced(lora)))
        asked = [hit for hits in seen.values() for hit in hits]
        seen["negative prompt"] = negative = self._search_negative(request.negative_prompt)
        findings = [
            self._finding(hit, place) for place, hits in seen.items() for hit in _scored(hits)
        ]
        findings += [*self._minors(asked), *self._minors(negative)]
        return _strongest(findings, self.categories, self._empty)

    def _search(self, text: str) -> list[Seen]:
        if not text:
            return []
        seen: dict[tuple[str, int, int], Seen] = {}
        for reading in readings(text):
            for hit in _counting(self._matcher.search(reading)):
                span = reading.span(hit.start, hit.end)
                seen.setdefault((hit.value.category, *span), Seen(hit.value, span, reading.kind))
        ages = [Seen(Listed("minors", 0.0), match.span(), "age") for match in _ages(text)]
        return [*seen.values(), *ages]

    def _search_negative(self, text: str) -> list[Seen]:
        """Leave out what is usual there, and count what asks for the opposite."""
        kept: list[Seen] = []
        at = 0
        for item in re.split(r"([,;\n|]+)", text):
            seen = self._search(item)
            usual = [s for s in seen if s.listed.category in ("avoided", "turned")]
            whole = _covers(usual, item)
            for hit in seen if not whole else _turned(usual):
                span = (hit.span[0] + at, hit.span[1] + at)
                kept.append(Seen(hit.listed, span, hit.kind))
            at += len(item)
        return kept

    def _minors(self, seen: Iterable[Seen]) -> Iterable[Finding]:
        """A word for a minor with a sexual word: one finding for the worst pair."""
        hits = list(seen)
        minors = [hit for hit in hits if hit.listed.category == "minors"]
        sexual = [hit for hit in hits if hit.listed.category == "sexual"]
        if not minors or not sexual:
            return
        worst = max(hit.listed.score for hit in sexual)
        who = "open" if all(hit.listed.open for hit in minors) else "clear"
        strength = next((s for s, score in STRENGTHS.items() if score <= worst), "hint")
        score = MINORS_SCORES[who, strength]
        if strength == "hint" and any(hit.listed.category == "protective" for hit in hits):
            score = min(score, PROTECTED_SCORE)
        yield Finding(
            category="sexual_minors",
            score=score,
            detector=f"lists {VERSION} minors rule",
            weights_sha256=self._sha256,
            note=f"a word for a minor ({who}) together with a sexual word ({strength})",
        )

    def _finding(self, hit: Seen, place: str) -> Finding:
        how = {"raw": "", "age": ""}.get(hit.kind, f", after undoing a disguise ({hit.kind})")
        return Finding(
            category=hit.listed.category,
            score=hit.listed.score,
            span=hit.span if place == "prompt" else None,
            detector=f"lists {VERSION}",
            weights_sha256=self._sha256,
            note=f"a term of the list {hit.listed.category!r} in the {place}{how}",
        )

    def _empty(self, category: str) -> Finding:
        return Finding(
            category=category,
            score=0.0,
            detector=f"lists {VERSION}",
            weights_sha256=self._sha256,
        )


def _start(use_builtin: object) -> Lexicon:
    if not isinstance(use_builtin, bool):
        raise PluginError(f"asked for builtin {use_builtin!r}; give true or false")
    return builtin() if use_builtin else Lexicon()


def _entries(lexicon: Lexicon) -> Iterable[tuple[str, tuple[Listed, ...]]]:
    """Every term once, with all it stands for."""
    stands: dict[str, list[Listed]] = {}
    for category, terms in lexicon.scored.items():
        for term, score in terms.items():
            stands.setdefault(term, []).append(Listed(category, score))
    for kind, minors in lexicon.minors.items():
        for term in minors:
            stands.setdefault(term.lower(), []).append(Listed("minors", 0.0, kind == "open"))
    for kind, phrases in lexicon.phrases.items():
        for term in phrases:
            stands.setdefault(term.lower(), []).append(
                Listed(kind, TURNED_SCORE if kind == "turned" else 0.0)
            )
    return [(term, tuple(listed)) for term, listed in stands.items()]


def _counting(hits: Sequence[Hit[tuple[Listed, ...]]]) -> list[Hit[Listed]]:
    """Split hits by what they stand for, less those inside an innocent phrase."""
    single = [Hit(hit.start, hit.end, listed) for hit in hits for listed in hit.value]
    innocent = [(hit.start, hit.end) for hit in single if hit.value.category == "innocent"]
    return [
        hit
        for hit in single
        if hit.value.category != "innocent"
        and not any(start <= hit.start and hit.end <= end for start, end in innocent)
    ]


def _scored(hits: Iterable[Seen]) -> Iterable[Seen]:
    return (hit for hit in hits if hit.listed.category not in KINDS)


def _turned(usual: Iterable[Seen]) -> list[Seen]:
    return [
        Seen(Listed("sexual", hit.listed.score), hit.span, "turned around")
        for hit in usual
        if hit.listed.category == "turned"
    ]


def _covers(hits: Sequence[Seen], item: str) -> bool:
    """Whether listed words are all that an item of a negative prompt says."""
    left = list(item)
    for hit in hits:
        left[hit.span[0] : hit.span[1]] = " " * (hit.span[1] - hit.span[0])
    words = set(re.findall(r"[^\W\d_]+", "".join(left).lower()))
    return bool(hits) and words <= _FILLERS


def _spaced(lora: str) -> str:
    """The last two parts of a LoRA's path, or its hub id, as words."""
    name = " ".join(re.split(r"[/\\]", lora)[-2:])
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_\-.]+", " ", name)


def _strongest(
    findings: Sequence[Finding], categories: Sequence[str], empty: object
) -> list[Finding]:
    assert callable(empty)
    out: list[Finding] = []
    for category in categories:
        found = [finding for finding in findings if finding.category == category]
        found.sort(key=lambda finding: -finding.score)
        out += found[:MAX_FINDINGS] or [empty(category)]
    return out


_FILLERS = frozenset(
    [
        "a",
        "an",
        "and",
        "any",
        "the",
        "no",
        "of",
        "or",
        "with",
        "in",
        "too",
        "very",
        "bad",
        "more",
        "extra",
        "all",
    ]
)
_AGE = re.compile(
    r"(?<!\w)(\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen"
    r"|fifteen|sixteen|seventeen)[\s\-]*(?:yo|y/o|yrs?|years?[\s\-]*olds?|yrs?[\s\-]*olds?)(?!\w)"
    r"|(?<!\w)aged?\s+(\d{1,2})(?!\w)"
    r"|(?<!\d)(\d{1,2})[\s\-]*(?:(?:ans|años|anos|anni|jahre\s+alt|jährig\w*|jaar\s+oud|jarige?|lat|letni\w*"
    r"|let|yaş\w*|лет|летн\w*|سنوات|سنة|साल|tahun|tuổi)(?!\w)|岁|歲|歳|才|살|세|ปี|ขวบ)",
    re.IGNORECASE,
)


def _ages(text: str) -> Iterable[re.Match[str]]:
    """Ages below 18, in figures or words."""
    for match in _AGE.finditer(text):
        number = match[1] or match[2] or match[3]
        if not number.isdigit() or int(number) < 18:
            yield match
