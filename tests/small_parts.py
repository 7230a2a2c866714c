"""Small real parts, and a house to put them in (fixtures `house` and `shared_house`).

    def test_x(house):
        result = house.studio().generate(Request(prompt="a red apple"))
        assert house.leaves()[-1]["outcome"] == "released"

The parts are small, not fake: the mark is in the pixels and found again, the signature covers
every byte of the file.  A test that needs a broken one adds it: `house.add("signer", Broken())`.
"""

import hashlib
import hmac
import json
import zlib
from pathlib import Path

import numpy as np

from sdk.errors import MarkError, SealError
from sdk.hookspecs import hookimpl
from sdk.ledger import Ledger
from sdk.pipeline import Studio
from sdk.policy import Policy
from sdk.registry import Registry
from sdk.types import Capabilities, Detection, Finding, Model, Presence, Seal
from sdk.vault import Vault

SIDE = 32


class Noise:
    """Seeded noise; one step for each step asked."""

    def __init__(self, max_batch=4):
        self.model = Model(name="tiny", version="1", licence="Apache-2.0")
        self.capabilities = Capabilities(
            width=SIDE, height=SIDE, multiple_of=1, min_side=16, max_side=512, max_batch=max_batch
        )
        self.drawn = []

    def render(self, requests, watch):
        for step in range(requests[0].steps):
            watch.step(step + 1, requests[0].steps)
        self.drawn.append([request.seed for request in requests])
        return [self._draw(request) for request in requests]

    def _draw(self, request):
        rng = np.random.default_rng(request.seed)
        return rng.integers(32, 224, (request.height, request.width, 3), dtype=np.uint8)


class Words:
    """Finds words, in any of the texts of a request."""

    def __init__(self, category="bad", words=("bomb",)):
        self.categories = (category,)
        self._words = tuple(words)

    def inspect(self, request):
        found = any(word in text.lower() for text in request.texts for word in self._words)
        return [Finding(category=self.categories[0], score=float(found), detector="words 1")]


class Bright:
    """Measures how white a picture is."""

    categories = ("white",)

    def inspect(self, picture, request):
        return [Finding(category="white", score=float(picture.pixels.mean()) / 255)]


class Hue:
    """Observes which colour channel is strongest."""

    def audit(self, picture, request):
        share = picture.pixels.reshape(-1, 3).sum(0) / max(1, int(picture.pixels.sum()))
        named = {name: float(s) for name, s in zip(("red", "green", "blue"), share, strict=True)}
        return [Finding(category="hue", score=max(named.values()), distribution=named)]


class LowBits:
    """Writes payload and checksum into the lowest bits; reads them back exactly or not at all."""

    algorithm = "org.example.lowbits.1"
    payload_bytes = 8
    min_side = 16

    def embed(self, pixels, payload):
        if min(pixels.shape[:2]) < self.min_side:
            raise MarkError(f"asked to mark {pixels.shape}, found too few pixels; draw larger")
        bits = np.unpackbits(np.frombuffer(self._framed(payload), np.uint8))
        marked = pixels.copy().reshape(-1)
        marked[: bits.size] = (marked[: bits.size] & 0xFE) | bits
        return marked.reshape(pixels.shape)

    def detect(self, pixels):
        size = 8 * (self.payload_bytes + 4)
        if pixels.size < size:
            return Detection(presence=Presence.ABSENT)
        framed = np.packbits(pixels.reshape(-1)[:size] & 1).tobytes()
        payload = framed[: self.payload_bytes]
        if framed != self._framed(payload):
            return Detection(presence=Presence.ABSENT)
        return Detection(presence=Presence.PRESENT, payload=payload, log10_p=-9.6, margin=1.0)

    @staticmethod
    def _framed(payload):
        return payload + (zlib.crc32(payload) ^ 0x5DEECE66).to_bytes(4, "big")


class HmacSigner:
    """Signs PNG files with HMAC-SHA-256 over every byte, in a chunk before IEND."""

    media_types = frozenset({"image/png"})
    provides = ("signed",)
    _end = b"\0\0\0\0IEND\xaeB`\x82"

    def __init__(self, key="k"):
        self._key = key.encode()

    def seal(self, data, claim):
        body = json.dumps({"mark": claim.soft_binding_value.hex(), "title": claim.title}).encode()
        head = data.removesuffix(self._end)
        return head + self._chunk(body + self._mac(head + body)) + self._end

    def check(self, data):
        at = data.rfind(b"hmAc")
        if at < 0:
            raise SealError("asked to check a signature, found none; sign the file")
        size = int.from_bytes(data[at - 4 : at], "big")
        content, head = data[at + 4 : at + 4 + size], data[: at - 4]
        body, mac = content[:-32], content[-32:]
        whole = data == head + self._chunk(content) + self._end
        intact = whole and hmac.compare_digest(mac, self._mac(head + body))
        said = json.loads(body)
        return Seal(
            intact=intact,
            manifest=f"urn:hmac:{mac.hex()[:16]}",
            issuer="tests",
            trusted=False,
            soft_binding_value=bytes.fromhex(said["mark"]),
        )

    def _mac(self, data):
        return hmac.digest(self._key, data, "sha256")

    @staticmethod
    def _chunk(body):
        crc = zlib.crc32(body, zlib.crc32(b"hmAc"))
        return len(body).to_bytes(4, "big") + b"hmAc" + body + crc.to_bytes(4, "big")


RULES = [
    {"id": "p.bad", "stage": "prompt", "category": "bad", "warn": 0.3, "block": 0.9},
    {"id": "i.white", "stage": "image", "category": "white", "review": 0.9},
]
WHOLE = {
    "name": "test",
    "backend": {"plugin": "tiny"},
    "prompt_filters": [{"plugin": "words"}],
    "image_filters": [{"plugin": "bright"}],
    "auditors": [{"plugin": "hue"}],
    "watermark": {"plugin": "lowbits"},
    "signer": {"plugin": "hmac"},
    "rules": RULES,
    "record": {"personal": "none"},
}
PARTS = {
    "tiny": ("backend", Noise),
    "words": ("prompt_filter", Words),
    "bright": ("image_filter", Bright),
    "hue": ("auditor", Hue),
    "lowbits": ("watermark", LowBits),
    "hmac": ("signer", HmacSigner),
}


def plugin(kind, make):
    """A plugin whose one hook calls `make` with its settings."""

    def hook(self, settings):
        return make(**settings)

    hook.__name__ = kind
    return type("Plugin", (), {kind: hookimpl(hook)})()


def policy_of(**changes):
    """The whole test policy, with other values for some keys; None takes a key away."""
    table = {key: value for key, value in {**WHOLE, **changes}.items() if value is not None}
    return Policy.model_validate_json(json.dumps(table))


class House:
    """A ledger, a vault and a registry with the small parts."""

    def __init__(self, home):
        self.home = Path(home)
        self.registry = Registry()
        self.ledger = Ledger.open(self.home / "ledger.db", busy_timeout_s=0.3)
        self._vaults = []
        for name, (kind, make) in PARTS.items():
            self.registry.add(plugin(kind, make), name)

    def add(self, kind, part, name="mine"):
        """Install a part under a name; one already there is replaced."""
        self.registry._managers.pop(name, None)
        self.registry.add(plugin(kind, lambda **settings: part), name)
        return name

    def vault(self, keep="commit"):
        self._vaults.append(Vault.open(self.home / f"{keep}.db", keep=keep))
        return self._vaults[-1]

    def studio(self, *, vault=None, **changes):
        return Studio(policy_of(**changes), self.ledger, vault=vault, registry=self.registry)

    @property
    def size(self):
        """How many leaves the ledger has."""
        return int(self.ledger.checkpoint().splitlines()[1])

    def leaves(self, since=0):
        """The leaves of the ledger from an index on, oldest first."""
        return [dict(self.ledger.entry(index).leaf) for index in range(since, self.size)]

    def has_receipt(self, sha256):
        return bool(self.ledger.find(sha256=sha256))

    def pictures(self):
        """Every file below the home that is a picture, hidden ones too."""
        return [p for p in self.home.rglob("*") if p.is_file() and p.read_bytes()[:4] == b"\x89PNG"]

    def close(self):
        for vault in self._vaults:
            vault.close()
        self.ledger.close()


def sha256(data):
    return hashlib.sha256(data).hexdigest()
