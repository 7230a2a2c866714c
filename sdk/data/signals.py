"""What a file, its headers and its folder say about training on it.

    do_not_train(data, {"x-robots-tag": "noai"})        # "x-robots-tag: noai"; "" where nothing is

Read: C2PA `c2pa.training-mining` (C2PA 1.4, 18.21) and `cawg.training-mining` (CAWG 1.1) in any
manifest of the chain; IPTC Data Mining (Photo Metadata 2023.1, PLUS LDF `DMI-…`) and TDMRep's
`tdm:reservation` in XMP; `noai` and `noimageai` in robots headers or columns; the headers of
TDMRep (W3C community report 2024, section 5); and for folders `tdmrep.json` and `ai.txt`.
What is not clear counts as no: constrained uses, and manifests or rules that cannot be read.
A file without a signal says nothing; that is not permission, its licence is.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sdk.errors import DataError
from sdk.formats import HEAD_BYTES, media_type_of
from sdk.manifests import State, as_object, read_manifests

_USES = ("ai_generative_training", "ai_training", "data_mining")
"""Entries that concern training; `ai_inference` does not."""
_ASSERTIONS = ("c2pa.training-mining", "cawg.training-mining")
_DMI = re.compile(rb"ldf/vocab/(DMI-PROHIBITED[A-Z-]*)")
_TDM_XMP = re.compile(rb"""\btdm(?:rep)?:reservation\s*(?:=\s*["']|>)\s*1\b""", re.IGNORECASE)
_ROBOTS = re.compile(r"\bno(?:image)?ai\b", re.IGNORECASE)
_WELL_KNOWN = (".well-known/tdmrep.json", "tdmrep.json")
_AI_TXT = "ai.txt"


def do_not_train(data: bytes, fields: Mapping[str, str] | None = None) -> str:
    """Say which signal forbids training on a picture; empty where none does.

    `data` is the file, empty where only headers or columns are known; `fields` are those.
    """
    return _in_fields(fields or {}) or (data and (_in_manifests(data) or _in_xmp(data))) or ""


def _in_fields(fields: Mapping[str, str]) -> str:
    for name, value in fields.items():
        key = name.lower().replace("_", "-")
        if "robots" in key and (found := _ROBOTS.search(value)):
            return f"{key}: {found[0].lower()}"
        if key == "tdm-reservation" and value.strip() not in ("", "0"):
            return f"tdm-reservation: {value.strip()[:20]}"
        if key in ("noai", "noimageai") and value.strip().lower() not in ("", "0", "false", "no"):
            return key
        if "datamining" in key.replace("-", "") and "prohibited" in value.lower():
            return f"iptc {value.rsplit('/', 1)[-1][:60]}"
    return ""


def _in_manifests(data: bytes) -> str:
    media_type = media_type_of(data[:HEAD_BYTES])
    store = read_manifests(data, media_type) if media_type else None
    if store is None:
        return ""
    if store.state is State.UNREADABLE:
        return "c2pa manifest that cannot be read"
    for label in store.manifests:
        for assertion in _ASSERTIONS:
            for found in store.assertions(assertion, label):
                if why := _forbidden(as_object(found.get("entries"))):
                    return f"{assertion}: {why}"
    return ""


def _forbidden(entries: Mapping[str, object]) -> str:
    for name, entry in entries.items():
        kind = name.rsplit(".", 1)[-1]
        use = entry.get("use") if isinstance(entry, dict) else entry
        if kind in _USES and use != "allowed":
            return f"{kind} {use}"
    return ""


def _in_xmp(data: bytes) -> str:
    """Look at the file as it is, then at the packet that Pillow unpacks (compressed in PNG)."""
    from PIL import Image

    packets = [data]
    with suppress(Exception):  # whoever decodes the picture says what is wrong with it
        with Image.open(io.BytesIO(data)) as image:
            packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
        packets.append(packet.encode() if isinstance(packet, str) else bytes(packet))
    for raw in packets:
        plain = raw.replace(b"\0", b"")  # UTF-16 packets
        if found := _DMI.search(plain):
            return f"iptc {found[1].decode('ascii')}"
        if _TDM_XMP.search(plain):
            return "tdm:reservation in xmp"
    return ""


def reserved(folder: Path) -> Callable[[str], str]:
    """Read the rules of a folder; the answer says which file forbids a path in it, or "".

    Raises:
        DataError: `tdmrep.json` or `ai.txt` is there and cannot be read.
    """
    return Reservations.of(folder).forbid


@dataclass(frozen=True, slots=True)
class Reservations:
    """Rules of a folder: path patterns with what they say."""

    rules: tuple[tuple[str, bool, str], ...] = ()
    """(pattern, whether training is forbidden, the file that says so)."""

    @classmethod
    def of(cls, folder: Path) -> Reservations:
        """Read `tdmrep.json` and `ai.txt` of a folder.

        Raises:
            DataError: one of them is there and cannot be read.
        """
        rules: list[tuple[str, bool, str]] = []
        for name in _WELL_KNOWN:
            if (folder / name).is_file():
                rules += _tdmrep(folder / name, name)
        if (folder / _AI_TXT).is_file():
            rules += _ai_txt(folder / _AI_TXT)
        return cls(tuple(rules))

    def forbid(self, path: str) -> str:
        """Say which file forbids a path relative to the folder; the longest pattern decides."""
        fitting = [rule for rule in self.rules if _fits(rule[0], "/" + path)]
        if not fitting:
            return ""
        longest = max(len(pattern) for pattern, _, _ in fitting)
        no = [rule for rule in fitting if len(rule[0]) == longest and rule[1]]
        return f"{no[0][2]}: {no[0][0]}" if no else ""


def _tdmrep(path: Path, name: str) -> list[tuple[str, bool, str]]:
    """TDMRep section 4: an array of objects with `location` and `tdm-reservation`."""
    try:
        listed = json.loads(path.read_text("utf-8"))
        if not isinstance(listed, list):
            raise TypeError("no array")
        return [(str(r["location"]), int(r["tdm-reservation"]) != 0, name) for r in listed]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise DataError(
            f"asked for the rules in {name}, found no such file as TDMRep describes ({exc}); "
            "mend it: a reservation must not be guessed"
        ) from exc


def _ai_txt(path: Path) -> list[tuple[str, bool, str]]:
    """Spawning's ai.txt: `Disallow:` and `Allow:` with path patterns, for any user agent."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, ValueError) as exc:
        raise DataError(f"asked for the rules in {_AI_TXT}, found {exc}; mend the file") from exc
    rules = []
    for line in lines:
        word, _, pattern = line.partition("#")[0].partition(":")
        if word.strip().lower() in ("allow", "disallow") and pattern.strip():
            rules.append((pattern.strip(), word.strip().lower() == "disallow", _AI_TXT))
    return rules


def _fits(pattern: str, path: str) -> bool:
    """RFC 9309, 2.2.3: `*` is anything, `$` the end; else a prefix."""
    end = pattern.endswith("$")
    body = pattern.removesuffix("$")
    expression = ".*".join(re.escape(part) for part in body.split("*"))
    start = "" if body.startswith(("/", "*")) else ".*/"
    return re.match(start + expression + ("$" if end else ""), path) is not None
