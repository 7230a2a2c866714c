"""No single bit of a signed file changes what it says or shows unseen."""

import random

import pytest
from sample_claim import FULL as CLAIM
from strippers import manifest_in_png

from sdk.contract import sample
from sdk.encode import encode
from sdk.manifests import ManifestStore, State, read_manifests
from sdk.registry import Registry
from sdk.xmp import GENERATED, xmp_packet


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    part = Registry().make("signer", "c2pa", {"home": str(tmp_path_factory.mktemp("home"))})
    packet = xmp_packet(digital_source_type=GENERATED, ai_system="starter")
    data: bytes = part.seal(encode(sample(32, 24), "image/png", xmp=packet), CLAIM)
    return data


def is_seen_or_says_the_same(changed: bytes, original: ManifestStore) -> bool:
    """Whether a change is noticed, or stands where nothing is said (padding, box lengths)."""
    store = read_manifests(changed, "image/png")
    if store is None or store.state in (State.INVALID, State.UNREADABLE) or store.broken:
        return True
    return store.manifests == original.manifests


def flipped(data: bytes, at: int, bit: int) -> bytes:
    return data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_bit_of_the_manifest_is_seen_or_says_nothing(sealed: bytes) -> None:
    original = read_manifests(sealed, "image/png")
    assert original is not None
    bad = [
        (at, bit)
        for at in range(*manifest_in_png(sealed))
        for bit in range(8)
        if not is_seen_or_says_the_same(flipped(sealed, at, bit), original)
    ]
    assert bad == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_bit_outside_the_manifest_is_seen(sealed: bytes) -> None:
    inside = range(*manifest_in_png(sealed))
    outside = [at for at in range(len(sealed)) if at not in inside]
    chosen = random.Random(0).choices([(at, bit) for at in outside for bit in range(8)], k=10_000)
    for at, bit in chosen:
        store = read_manifests(flipped(sealed, at, bit), "image/png")
        seen = store is None or store.state in (State.INVALID, State.UNREADABLE)
        assert seen, (at, bit)


def test_a_bit_in_each_chunk_is_seen(sealed: bytes) -> None:
    for name in (b"IHDR", b"sRGB", b"iTXt", b"IDAT", b"IEND"):
        at = sealed.index(name) + 4
        store = read_manifests(flipped(sealed, at, 0), "image/png")
        assert store is None or store.state in (State.INVALID, State.UNREADABLE), name
