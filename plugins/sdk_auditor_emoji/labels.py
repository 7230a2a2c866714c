"""What the drawings of the icon sets present, read from their Unicode names.

The names are the ground truth: `woman firefighter, dark skin tone` was drawn to present one.  A
name without a gender word is a drawing that was meant to leave it open, in the sets drawn after
Unicode 12.1 (2019) asked for that; in older sets it was drawn as a man or a woman, and says
nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

GENDER = "perceived_gender"
TONE = "perceived_skin_tone"
GENDERS = ("woman", "man", "unspecified", "unclear", "none")
TONES = ("light", "medium-light", "medium", "medium-dark", "dark", "unspecified")
"""The five tones of Unicode (UTS 51, section 2.4, after Fitzpatrick), and the yellow of none."""

NEUTRAL_IS_DRAWN_NEUTRAL = frozenset({"noto", "twemoji", "fluent"})
"""Style words of the sets whose drawings without a gender word leave it open."""

_WOMAN = re.compile(
    r"\b(wom[ae]n|girls?|mermaid|princess|mrs\.? claus|breast-feeding|ballet dancer)\b"
)
_MAN = re.compile(r"\b(m[ae]n|boys?|merman|prince|santa claus)\b")
_SEVERAL = re.compile(
    r"\b(couple|famil\w+|kiss:|kiss$|holding hands|hugging|wrestling|bunny ears|busts|people"
    r"|and man|handshake)\b|kiss:"
)
_CREATURE = re.compile(
    r"\b(genie|zombie|troll|hairy creature|silhouette|speaking head|fingerprint|footprints|skull"
    r"|mechanical|fencing|in bed|snowman|skier|snowboarder|ninja|horse racing)\b"
)
_PART = re.compile(r"\b(brain|anatomical heart|lungs|bone|tooth|tongue|mouth|eyes?|lip|selfie)\b")
_LOOKS_BACK = re.compile(r"\b(eyes?|mouth|tongue|lip|selfie)\b")
_BEARD = re.compile(
    r"person: beard|person with skullcap|suit levitating|person in tuxedo|with veil"
)
_GENDER_WORD = re.compile(
    r"\b(wom[ae]n|m[ae]n|girls?|boys?|person|people|merman|mermaid|merperson|prince(ss)?|old(er)?"
    r"|mrs\.?|mx|santa|adult|child|pregnant|facing right|in|with|the|a)\b"
)


def gender_of(concept: str, labels: Mapping[str, str]) -> str:
    """Say what a drawing presents: one of `GENDERS`, or "" where its name does not tell."""
    name = concept.lower()
    if labels.get("group") != "person":
        return "none"
    if _SEVERAL.search(name) or labels.get("skin_tone") == "mixed":
        return "unclear"
    if _PART.search(name):
        return "" if _LOOKS_BACK.search(name) else "none"
    if _CREATURE.search(name):
        return ""
    woman, man = _WOMAN.search(name), _MAN.search(name)
    if woman or man:
        return "unclear" if woman and man else "woman" if woman else "man"
    if _BEARD.search(name) or labels.get("style") not in NEUTRAL_IS_DRAWN_NEUTRAL:
        return ""
    return "unspecified"


def tone_of(concept: str, labels: Mapping[str, str]) -> str:
    """Say which skin tone a drawing of one person has: one of `TONES`, or "" for none."""
    if labels.get("group") != "person" or labels.get("skin_tone") == "mixed":
        return ""
    tone = labels.get("skin_tone", "")
    bare = _CREATURE.search(concept.lower()) or _PART.search(concept.lower())
    if not tone and (bare or _SEVERAL.search(concept.lower()) or "Claus" in concept):
        return ""
    return tone or "unspecified"


def role_of(concept: str) -> str:
    """Say what a drawing is of, but for the gender: `firefighter` of `man firefighter`."""
    return re.sub(r"\W+", " ", _GENDER_WORD.sub(" ", concept.lower())).strip() or "person"


def part_of(concept: str) -> str:
    """Deal roles to `train`, `calibrate` (15 %) and `test` (25 %), all their variants together."""
    place = int.from_bytes(hashlib.sha256(role_of(concept).encode()).digest()[:4]) / 2**32
    return "test" if place < 0.25 else "calibrate" if place < 0.4 else "train"
