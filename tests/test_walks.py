"""A walk is one animation: every frame is looked at, marked and read back, or nothing leaves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_parts import Bright, LowBits, Noise, Words

from sdk.animation import decode_frames, encode_frames
from sdk.credentials import Repository
from sdk.errors import MarkError, OutputError, Refused, RequestError
from sdk.manifests import read_manifests
from sdk.pipeline import Studio
from sdk.registry import Registry
from sdk.request import Request
from sdk.types import Finding
from sdk.verify import verify
from sdk.walks import walk

ONE, OTHER = Request(prompt="a red heart", seed=1), Request(prompt="a green tree", seed=2)
WEBP = {"output": {"media_type": "image/webp"}, "signer": {"plugin": "c2pa"}}


class Walking(Noise):
    """Mixes the pictures of both ends."""

    def between(self, first, second, shares, watch):
        a, b = (self._draw(request).astype(float) for request in (first, second))
        watch.step(1, 1)
        return [(a + (b - a) * share).round().astype(np.uint8) for share in shares]


def walking(house, **changes):
    house.add("backend", Walking(), "walking")
    return house.studio(**{"backend": {"plugin": "walking"}, **WEBP, **changes})


def test_every_frame_of_a_walk_carries_the_same_mark_under_one_signature(house, tmp_path):
    studio = walking(house)
    released = walk(studio, ONE, OTHER, frames=5, to=tmp_path / "w.webp")
    frames = decode_frames((tmp_path / "w.webp").read_bytes())
    found = [LowBits().detect(frame).payload for frame in frames]
    assert len(frames) == 5
    assert set(found) == {released.sealed.marked.payload}
    assert released.sealed.seal.intact
    (leaf,) = house.leaves()
    assert leaf["outcome"] == "released"
    assert leaf["output_sha256"] == released.sealed.sha256


KINDS = {"image/gif": ("w.gif", b"XMP DataXMP"), "video/mp4": ("w.mp4", b"uuid\xbe\x7a\xcf\xcb")}


@pytest.mark.parametrize("kind", KINDS)
def test_what_keeps_the_mark_is_released_and_what_loses_it_is_not(house, tmp_path, kind: str):
    name, packet = KINDS[kind]
    output = {"output": {"media_type": kind}}
    with pytest.raises(MarkError):  # the lowest bits survive neither 256 colours nor a film
        walk(walking(house, **output), ONE, OTHER, frames=3, to=tmp_path / f"lost{name}")
    assert not (tmp_path / f"lost{name}").exists()
    ends = (replace(end, width=256, height=256) for end in (ONE, OTHER))
    kept = walking(house, **output, watermark={"plugin": "tile"})
    released = walk(kept, *ends, frames=3, to=tmp_path / name)
    data = (tmp_path / name).read_bytes()
    assert packet in data
    assert read_manifests(data, kind)
    tile = Registry().make("watermark", "tile", {})
    marks = {tile.detect(frame).payload for frame in decode_frames(data)}
    assert marks == {released.sealed.marked.payload}
    axes = verify(tmp_path / name, detectors=[tile]).axes
    assert (axes["integrity"].state, axes["watermark"].state) == ("intact", "matches")


def test_a_film_with_one_changed_byte_is_not_intact(house, tmp_path):
    film = walking(house, output={"media_type": "video/mp4"}, watermark={"plugin": "tile"})
    ends = (replace(end, width=256, height=256) for end in (ONE, OTHER))
    walk(film, *ends, frames=2, to=tmp_path / "w.mp4")
    data = bytearray((tmp_path / "w.mp4").read_bytes())
    data[-20] ^= 1
    (tmp_path / "changed.mp4").write_bytes(data)
    assert verify(tmp_path / "changed.mp4").axes["integrity"].state == "content-changed"


@pytest.mark.parametrize("kind", ["image/webp", "video/mp4"])
def test_a_stripped_walk_whose_other_frames_were_replaced_is_not_called_the_same(
    house, tmp_path, kind: str
):
    policy = walking(house, output={"media_type": kind}, watermark={"plugin": "tile"}).policy
    ends = (replace(end, width=256, height=256) for end in (ONE, OTHER))
    with Repository.open(tmp_path / "credentials.db") as repository:
        studio = Studio(policy, house.ledger, registry=house.registry, credentials=repository)
        first, *others = decode_frames(walk(studio, *ends, frames=3).sealed.data)
        forged = [first, *(np.zeros_like(frame) + 40 * i for i, frame in enumerate(others))]
        (tmp_path / "forged.webp").write_bytes(encode_frames(forged, fps=8))
        tile = Registry().make("watermark", "tile", {})
        report = verify(tmp_path / "forged.webp", detectors=[tile], credentials=repository)
    assert report.axes["provenance"].state == "recovered:watermark"
    assert report.axes["content_match"].state == "unclear"
    assert "one frame compared" in report.headline


def test_a_walk_there_and_back_ends_beside_where_it_began(house, tmp_path):
    walk(walking(house), ONE, OTHER, frames=4, there_and_back=True, to=tmp_path / "w.webp")
    frames = decode_frames((tmp_path / "w.webp").read_bytes())
    assert len(frames) == 6
    assert np.array_equal(frames[1], frames[5])


def test_one_refused_frame_refuses_the_walk(house, tmp_path):
    class Late(Bright):
        seen = 0

        def inspect(self, picture, request):
            self.seen += 1
            return [Finding(category="white", score=1.0 if self.seen == 3 else 0.0)]

    house.add("image_filter", Late(), "late")
    studio = walking(house, image_filters=[{"plugin": "late"}])
    with pytest.raises(Refused):
        walk(studio, ONE, OTHER, frames=4, to=tmp_path / "w.webp")
    assert not (tmp_path / "w.webp").exists()
    assert {leaf["outcome"] for leaf in house.leaves()} == {"refused"}


def test_a_refused_prompt_at_either_end_refuses_the_walk(house):
    studio = walking(house)
    for ends in ((Request(prompt="a bomb"), OTHER), (ONE, Request(prompt="a bomb"))):
        with pytest.raises(Refused):
            walk(studio, *ends, frames=3)
    assert "released" not in {leaf["outcome"] for leaf in house.leaves()}


@pytest.mark.parametrize("end", [0, 1])
def test_a_rule_that_changed_the_words_of_either_end_stands_in_the_receipt(house, end):
    class Points(Words):
        def inspect(self, request):
            at = request.prompt.find("Rembrandt")
            (found,) = super().inspect(request)
            return [replace(found, span=(at, at + 9) if at >= 0 else None)]

    house.add("prompt_filter", Points("bad", ("rembrandt",)), "words")
    change = {"replace": "an old master", "apply": True}
    rules = [
        {"id": "p.bad", "stage": "prompt", "category": "bad", "transform": 0.5, "rewrite": change},
        {"id": "i.white", "stage": "image", "category": "white", "review": 0.99},
    ]
    ends = [ONE, OTHER]
    ends[end] = replace(ends[end], prompt="a cat by Rembrandt")
    walk(walking(house, rules=rules), *ends, frames=3)
    (leaf,) = house.leaves()
    assert leaf["changed_by"] == ["p.bad"]


def test_a_mark_that_one_frame_lost_is_not_released(house):
    class Forgetful(LowBits):
        calls = 0

        def embed(self, pixels, payload):
            self.calls += 1
            return pixels if self.calls == 2 else super().embed(pixels, payload)

    house.add("watermark", Forgetful(), "forgetful")
    studio = walking(house, watermark={"plugin": "forgetful"})
    with pytest.raises(MarkError, match="no mark again"):
        walk(studio, ONE, OTHER, frames=3)


def test_a_backend_without_latents_is_told_so(house):
    with pytest.raises(RequestError, match="cannot draw"):
        walk(house.studio(**WEBP), ONE, OTHER)


def test_a_walk_in_another_format_is_refused_before_any_work(house):
    studio = walking(house, output={"media_type": "image/png"})
    with pytest.raises(OutputError, match=r"\.webp"):
        walk(studio, ONE, OTHER)
    assert house.size == 0


def test_frames_come_back_as_they_were():
    frames = [Noise()._draw(Request(prompt="x", seed=i, width=32, height=32)) for i in range(3)]
    again = decode_frames(encode_frames(frames, fps=8))
    assert all(np.array_equal(a, b) for a, b in zip(frames, again, strict=True))
    same = decode_frames(encode_frames([frames[0]] * 3, fps=8))
    assert len(same) in (1, 3)


@pytest.mark.parametrize("fps", [0, 31])
def test_a_walk_at_a_speed_that_nobody_plays_is_refused_before_anything_is_drawn(house, fps: int):
    with pytest.raises(RequestError, match=f"asked for {fps} frames a second; give 1..30"):
        walk(walking(house), ONE, OTHER, frames=3, fps=fps)
    assert house.size == 0


@pytest.mark.parametrize(("count", "fps"), [(1, 8), (241, 8), (3, 0), (3, 31)])
def test_animations_that_nobody_plays_are_refused(count: int, fps: int):
    frame = np.zeros((16, 16, 3), np.uint8)
    with pytest.raises(OutputError, match="frames"):
        encode_frames([frame] * count, fps=fps)


def test_a_gif_shows_its_frames_in_order_with_its_packet_inside():
    frames = [np.full((16, 16, 3), 40 * i, np.uint8) for i in range(4)]
    frames[2][:8] = (200, 10, 10)
    packet = b"<x:xmpmeta/>" * 30
    data = encode_frames(frames, fps=8, xmp=packet, media_type="image/gif")
    assert packet in data
    assert all(map(np.array_equal, decode_frames(data), frames))
    with pytest.raises(OutputError, match=r"image/webp or image/gif or video/mp4"):
        encode_frames(frames, fps=8, media_type="image/png")


def test_a_film_without_the_encoder_names_what_to_do(monkeypatch):
    monkeypatch.setattr("sdk.animation.features.check", lambda feature: False)
    frames = [np.full((16, 16, 3), 40 * i, np.uint8) for i in range(2)]
    with pytest.raises(OutputError, match=r"without AVIF.*name the file \.webp"):
        encode_frames(frames, fps=8, media_type="video/mp4")


def test_a_damaged_animation_is_an_error_of_ours():
    with pytest.raises(OutputError, match="damaged"):
        decode_frames(b"RIFF....WEBPVP8 ")
