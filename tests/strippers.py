"""What programs do to files that lose their manifest, by byte surgery.

stripped = STRIPPERS["image/webp"]["everything"](data)
"""

import struct

C2PA_BOX = b"\xd8\xfe\xc3\xd6\x1b\x0e\x48\x3c\x92\x97\x58\x28\x87\x7e\xc4\x81"


def png_chunks(data):
    at = 8
    while at < len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        yield name, data[at : at + 12 + length]
        at += 12 + length


def manifest_in_png(data):
    """First byte of the manifest's chunk, and the byte after it."""
    at = data.index(b"caBX") - 4
    return at, at + 12 + struct.unpack_from(">I", data, at)[0]


def png(data, keep):
    return data[:8] + b"".join(chunk for name, chunk in png_chunks(data) if keep(name))


def png_in_pieces(data, size=1000):
    """As a program writes it that keeps the compressed rows but not their one chunk."""
    from zlib import crc32

    out = [data[:8]]
    for name, chunk in png_chunks(data):
        if name != b"IDAT":
            out += [chunk] if name != b"caBX" else []
            continue
        body = chunk[8:-4]
        for at in range(0, len(body), size):
            piece = name + body[at : at + size]
            out.append(struct.pack(">I", len(piece) - 4) + piece)
            out.append(struct.pack(">I", crc32(piece)))
    return b"".join(out)


def jpeg(data, keep):
    out, at = [data[:2]], 2
    while data[at + 1] != 0xDA:
        end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        if keep(data[at + 1]):
            out.append(data[at:end])
        at = end
    return b"".join([*out, data[at:]])


def webp(data, keep):
    out, at = [], 12
    while at < len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        end = at + 8 + length + length % 2
        if keep(name):
            out.append(data[at:end])
        at = end
    body = b"WEBP" + b"".join(out)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def avif(data, *, freed):
    """Take the manifest's box out and move what follows, or call it free space."""
    at = data.index(b"uuid" + C2PA_BOX) - 4
    (length,) = struct.unpack_from(">I", data, at)
    if freed:
        return data[: at + 4] + b"free" + bytes(length - 8) + data[at + length :]
    moved = bytearray(data[:at] + data[at + length :])
    place = moved.index(b"iloc") + 12
    for _ in range(struct.unpack_from(">H", moved, place - 2)[0]):
        (offset,) = struct.unpack_from(">I", moved, place + 6)
        struct.pack_into(">I", moved, place + 6, offset - length)
        place += 14
    return bytes(moved)


def tiff(data, tags):
    """Take entries out of the table; what the last one pointed at ends the file and goes too."""
    (table,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, table)
    entries = [data[at : at + 12] for at in range(table + 2, table + 2 + 12 * count, 12)]
    kept = [entry for entry in entries if struct.unpack_from("<H", entry)[0] not in tags]
    fresh = struct.pack("<H", len(kept)) + b"".join(kept) + bytes(4)
    _, _, _, manifest = struct.unpack("<HHII", entries[-1])
    return data[:table] + fresh + data[table + len(fresh) : manifest]


STRIPPERS = {
    "image/png": {
        "manifest": lambda data: png(data, lambda name: name != b"caBX"),
        "everything": lambda data: png(data, lambda name: name in (b"IHDR", b"IDAT", b"IEND")),
        "in pieces": png_in_pieces,
    },
    "image/jpeg": {
        "manifest": lambda data: jpeg(data, lambda kind: kind != 0xEB),
        "everything": lambda data: jpeg(data, lambda kind: not 0xE1 <= kind <= 0xEF),
    },
    "image/webp": {
        "manifest": lambda data: webp(data, lambda name: name != b"C2PA"),
        "everything": lambda data: webp(data, lambda name: name in (b"VP8 ", b"VP8L")),
    },
    "image/avif": {
        "manifest": lambda data: avif(data, freed=False),
        "freed": lambda data: avif(data, freed=True),
    },
    "image/tiff": {
        "manifest": lambda data: tiff(data, {52545}),
        "everything": lambda data: tiff(data, {52545, 700}),
    },
}
"""Media type → name → what a program takes out; the coded picture stays as it is."""
CASES = [(media_type, name) for media_type, table in STRIPPERS.items() for name in table]
