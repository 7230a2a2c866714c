"""What the checks look at: the active manifest of a crJSON document."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from sdk.manifests import as_list, as_object
from sdk.types import JSON


@cache
def words(name: str) -> frozenset[str]:
    """Return a list of words.toml."""
    text = (files("sdk.rubric") / "words.toml").read_text("utf-8")
    return frozenset(tomllib.loads(text)[name])


@dataclass(frozen=True, slots=True)
class Facts:
    """The active manifest, and what the checks ask of it."""

    manifest: Mapping[str, JSON]

    @classmethod
    def of(cls, crjson: Mapping[str, JSON]) -> Facts:
        """Take the active manifest, which comes first in crJSON."""
        listed = as_list(crjson.get("manifests"))
        return cls(as_object(listed[0]) if listed else {})

    @property
    def label(self) -> str:
        """Its label."""
        return str(self.manifest.get("label") or "")

    @property
    def assertions(self) -> dict[str, dict[str, JSON]]:
        """Label → data of every assertion."""
        found = as_object(self.manifest.get("assertions"))
        return {label: as_object(data) for label, data in found.items()}

    @property
    def claim(self) -> dict[str, JSON]:
        """The claim, of the second kind."""
        return as_object(self.manifest.get("claim.v2"))

    @property
    def generator(self) -> dict[str, JSON]:
        """The program that signed."""
        info = self.claim.get("claim_generator_info")
        return as_object(info[0]) if isinstance(info, list) and info else as_object(info)

    @property
    def action_lists(self) -> list[dict[str, JSON]]:
        """Every assertion that lists actions."""
        return [data for data in self.assertions.values() if data.get("actions") is not None]

    @property
    def actions(self) -> list[dict[str, JSON]]:
        """Every action, in order."""
        return [as_object(a) for data in self.action_lists for a in as_list(data["actions"])]

    @property
    def ingredients(self) -> list[dict[str, JSON]]:
        """Every assertion about a file that went in."""
        return [a for a in self.assertions.values() if a.get("relationship") is not None]

    @property
    def created(self) -> list[str]:
        """References to the assertions that the signer vouches for, in order."""
        listed = as_list(self.claim.get("created_assertions"))
        return [str(as_object(entry).get("url") or "") for entry in listed]

    @property
    def failures(self) -> list[str]:
        """Status codes that failed."""
        results = self.manifest.get("validationResults")
        if results is None:
            return ["MISSING_VALIDATION_RESULTS"]
        listed = as_list(as_object(results).get("failure"))
        return [str(as_object(entry).get("code")) for entry in listed]


def name(action: Mapping[str, JSON]) -> str:
    """Return what an action is called."""
    return str(action.get("action") or "")
