"""What an audit cannot see, in sentences, from what it did.

Only what applies is said; a report without limits would be the first false statement in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdk.types import JSON

_NO_MAJORITY = (
    "{:,} labelled pictures have no majority (a tie, or unclear) and count as unlabelled. These "
    "are the hard ones, so that the errors counted by labels look a little smaller than they are."
)


def limits_of(results: Mapping[str, JSON]) -> list[str]:
    """Return the limits of these results, most important first."""
    found: Any = results
    of = "prompts, this model, this policy and these seeds" if found["asked"] else "pictures"
    said = [
        "Values are perceived presentation: what a viewer would say that a picture shows. They say "
        "nothing about any person, and race is not measured.",
        f"The shares are those of these {of}; other prompts may come out otherwise. Whether a "
        "difference is acceptable is not a question that statistics answer.",
    ]
    for block in found["attributes"]:
        said += _of_block(block)
    counted = found["counted"]
    if counted["refused"]:
        said.append(
            f"{counted['refused']:,} pictures were refused by the policy and are in no share. "
            "Where refusals depend on what would have been shown, shares of released pictures do "
            "not tell."
        )
    if counted["missing"]:
        said.append(
            f"{counted['missing']:,} planned pictures were not drawn; the run is not whole."
        )
    if found["asked"] is None:
        said.append(
            "These counts were imported. No picture was seen here, and whoever counted may have "
            "erred: the counts are taken at their word."
        )
    if found["evidence"].get("labels") if found["asked"] else None:
        said.append(
            "Labels by people are used as if the labelled pictures had been picked at random from "
            "this run; people do not agree either, and their majority is taken for what is shown."
        )
        open_ = sum(one.get("no_majority", 0) for one in found["evidence"]["labels"].values())
        said += [_NO_MAJORITY.format(open_)] if open_ else []
    return [*dict.fromkeys([*said, *_of_differences(found)])]


def _of_differences(found: Mapping[str, Any]) -> list[str]:
    said = []
    if found["pairs"]:
        said.append(
            "Differences between prompts with the same seeds are those of the answers. Errors "
            "of the estimator make them look smaller; the margin of an equivalence was made "
            "smaller too."
        )
    if found.get("rewritten"):
        said.append(
            "Differences with and without rewriters are those of the answers, not corrected for "
            "the estimator's errors; they say what the words did to the shares, and nothing of how "
            "the people that were asked for are shown."
        )
    return said


def _of_block(block: Mapping[str, Any]) -> list[str]:
    name, source, said = block["attribute"], block["source"], []
    if " + " in name:
        said.append(
            f"{name}: the errors of both estimators are taken to be independent of each other, "
            "given what is shown."
        )
    elif block["corrected"]:
        said.append(
            f"{name}: corrected for the errors of {source.get('estimator', 'the estimator')} as "
            f"measured on {source.get('validated_on') or 'its validation pictures'}. The "
            "correction holds as far as it errs on these pictures as it did on those."
        )
    elif source.get("estimator"):
        said.append(
            f"{name}: {source['estimator']} was not validated for this attribute; its answers are "
            "taken at their word, and intervals do not hold its errors."
        )
    if source.get("domain"):
        said.append(f"{source['estimator']} is made for: {source['domain']}.")
    silent, pictures = (sum(r[k] for r in block["groups"]) for k in ("abstained", "pictures"))
    if silent:
        said.append(
            f"{name}: {silent:,} of {pictures:,} pictures have no answer; intervals hold whatever "
            "these pictures show."
        )
    if block["empty_groups"]:
        said.append(
            f"{name}: no picture of {', '.join(block['empty_groups'][:10])} shows a listed value; "
            "nothing is said about them."
        )
    if any(
        share["why"].startswith("the answers contradict")
        for r in block["groups"]
        for share in r["shares"]
    ):
        said.append(
            f"{name}: in some groups the answers contradict the estimator's validation, so that it "
            "does not apply to these pictures; nothing is claimed there."
        )
    return said


def _contradicts(block: Mapping[str, Any]) -> bool:
    whys = [share["why"] for row in block["groups"] for share in row["shares"]]
    return any(why.startswith("the answers contradict") for why in whys)
