"""Writes ONNX files by hand, field by field of onnx.proto3: tests need no package for it."""

import numpy as np


def model(nodes, inputs, outputs, constants):
    """ModelProto, opset 13; inputs and outputs as name → shape, constants as name → array."""
    graph = b"".join(_part(1, node) for node in nodes) + _text(2, "g")
    graph += b"".join(_part(5, _tensor(name, value)) for name, value in constants.items())
    graph += b"".join(_part(11, _value(name, shape)) for name, shape in inputs.items())
    graph += b"".join(_part(12, _value(name, shape)) for name, shape in outputs.items())
    return _number(1, 8) + _part(8, _text(1, "") + _number(2, 13)) + _part(7, graph)


def node(kind, inputs, output, **whole):
    """NodeProto; attributes are lists of whole numbers."""
    out = b"".join(_text(1, name) for name in inputs) + _text(2, output) + _text(4, kind)
    for name, values in whole.items():
        numbers = b"".join(_number(8, value) for value in values)
        out += _part(5, _text(1, name) + numbers + _number(20, 7))
    return out


def _tensor(name, value):
    kind = 7 if value.dtype == np.int64 else 1
    dims = b"".join(_number(1, n) for n in value.shape)
    return dims + _number(2, kind) + _text(8, name) + _part(9, value.tobytes())


def _value(name, shape):
    dims = b"".join(_part(1, _number(1, n)) for n in shape)
    return _text(1, name) + _part(2, _part(1, _number(1, 1) + _part(2, dims)))


def _text(field, text):
    return _part(field, text.encode())


def _part(field, content):
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _number(field, value):
    return _varint(field << 3) + _varint(value)


def _varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])
