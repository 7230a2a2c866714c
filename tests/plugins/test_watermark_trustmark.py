"""TrustMark behind the contract, with small networks that have the same interface."""

import hashlib
import random

import numpy as np
import pytest
import sdk_watermark_trustmark as plugin
from sdk_watermark_trustmark.bch import DATA_BITS, LENGTH, decode, encode
from sdk_watermark_trustmark.part import TrustMark
from small_onnx import model, node

from sdk import MarkError, PluginError, Presence, Registry
from sdk.contract import check_watermark, sample

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
ID = bytes.fromhex("01234567")
PICTURE, BITS = (1, 3, 256, 256), (1, 100)
PACKETS = {
    0x1: 0xA4F21D89D1,
    0x1FFFFFFFFFFFFFFF: 0xFFFFFFFFFFFFFFFFAA9A70921,
    0x1E54E9BC52E6B438: 0xF2A74DE29735A1C46976191C1,
    0xCA264E1269E0D37: 0x6513270934F069BEFFFDD9371,
    0x18B8FFAA6A3A450: 0xC5C7FD5351D22804505AC6E1,
    0x3031D02892F902B: 0x1818E814497C815AC48FE1891,
}
"""Data → packet of 100 bits, as trustmark 0.9.2 makes it (schema BCH_5)."""


def stripes():
    y, x = np.mgrid[0:256, 0:256]
    return ((y // 4 + x // 4) % 2 * 2 - 1).astype(np.float32)[None, None]


def encoder():
    """Not TrustMark: ten by ten cells of a fine chequered pattern, each turned by one bit."""
    whole = {
        "two": np.array([2], np.float32), "one": np.array([1], np.float32),
        "cells": np.array([1, 1, 10, 1, 10, 1]), "wide": np.array([1, 1, 10, 24, 10, 24]),
        "flat": np.array([1, 1, 240, 240]), "edge": np.array([0, 0, 0, 0, 0, 0, 16, 16]),
        "stripes": stripes() * np.float32(0.15),
    }  # fmt: skip
    nodes = [
        node("Mul", ["onnx::Gemm_1", "two"], "a"), node("Sub", ["a", "one"], "b"),
        node("Reshape", ["b", "cells"], "c"), node("Expand", ["c", "wide"], "d"),
        node("Reshape", ["d", "flat"], "e"), node("Pad", ["e", "edge"], "f"),
        node("Mul", ["f", "stripes"], "g"), node("Add", ["onnx::Concat_0", "g"], "image"),
    ]  # fmt: skip
    inputs = {"onnx::Concat_0": PICTURE, "onnx::Gemm_1": BITS}
    return model(nodes, inputs, {"image": PICTURE}, whole)


def decoder():
    whole = {"stripes": stripes(), "flat": np.array([1, 100])}
    nodes = [
        node("Mul", ["image", "stripes"], "a"),
        node("AveragePool", ["a"], "b", kernel_shape=[24, 24], strides=[24, 24]),
        node("ReduceMean", ["b"], "c", axes=[1]),
        node("Reshape", ["c", "flat"], "output"),
    ]
    return model(nodes, {"image": PICTURE}, {"output": BITS}, whole)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder, out = tmp_path_factory.mktemp("weights"), {}
    for name, data in (("encoder", encoder()), ("decoder", decoder())):
        (folder / f"{name}.onnx").write_bytes(data)
        out |= {name: str(folder / f"{name}.onnx")}
        out |= {f"{name}_sha256": hashlib.sha256(data).hexdigest()}
    return out


def registry():
    made = Registry()
    made.add(plugin, "trustmark")
    return made


def test_the_mark_keeps_the_contract(settings):
    check_watermark("trustmark", settings, registry=registry())


@pytest.mark.parametrize("data", PACKETS)
def test_the_check_bits_are_trustmarks(data):
    bits = [int(c) for c in format(data, f"0{DATA_BITS}b")]
    packet = [*bits, *encode(bits), 0, 0, 0, 1]
    assert int("".join(map(str, packet)), 2) == PACKETS[data]


def test_five_wrong_bits_are_corrected_and_more_never_pass_for_the_payload():
    dice = random.Random(3)
    for number in range(300):
        data = [dice.randint(0, 1) for _ in range(DATA_BITS)]
        word, wrong = [*data, *encode(data)], number % 9
        heard = list(word)
        for place in dice.sample(range(LENGTH), wrong):
            heard[place] ^= 1
        found = decode(heard)
        assert found == word if wrong <= 5 else found != word


def test_noise_is_no_mark():
    class Noise:
        def __init__(self):
            self.dice = np.random.default_rng(5)

        def get_inputs(self):
            return [type("Input", (), {"name": "image", "shape": list(PICTURE)})]

        def run(self, names, feeds):
            return [self.dice.normal(size=BITS).astype(np.float32)]

    class Inputs(Noise):
        def get_inputs(self):
            bits = type("Input", (), {"name": "bits", "shape": list(BITS)})
            return [*super().get_inputs(), bits]

        def run(self, names, feeds):
            return [feeds["image"]]

    part = TrustMark(Inputs(), Noise())
    small = sample(160, 160)
    assert {part.detect(small).presence for _ in range(300)} == {Presence.ABSENT}
    with pytest.raises(MarkError, match="read its mark back"):
        part.embed(small, ID)
    Inputs.run = Noise.run
    with pytest.raises(PluginError, match="asked TrustMark for a picture"):
        part.embed(small, ID)
    with pytest.raises(PluginError, match="networks that take"):
        TrustMark(Noise(), Noise())


def test_weights_are_loaded_only_when_their_digests_are_the_ones_given(settings, tmp_path):
    asked = (
        ({}, "64 hex digits"),
        ({**settings, "decoder_sha256": "0" * 64}, "was not loaded"),
        ({**settings, "encoder": str(tmp_path / "ghost")}, "No such file"),
        ({**settings, "encoder": settings["decoder"]}, "was not loaded"),
    )
    for given, says in asked:
        with pytest.raises(PluginError, match=says):
            registry().make("watermark", "trustmark", given)
    other = tmp_path / "other.onnx"
    other.write_bytes(b"no network")
    digest = hashlib.sha256(b"no network").hexdigest()
    given = {**settings, "encoder": str(other), "encoder_sha256": digest}
    with pytest.raises(PluginError, match=r"give its \.onnx files"):
        registry().make("watermark", "trustmark", given)


@pytest.mark.parametrize("size", [(149, 200), (200, 401)])
def test_shapes_that_trustmark_does_not_cover_are_refused(settings, size):
    part = registry().make("watermark", "trustmark", settings)
    with pytest.raises(MarkError, match="at most 2:1"):
        part.embed(sample(*size), ID)
