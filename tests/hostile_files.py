"""Files that somebody made to hurt: changed at random, and built by hand.

for data in mutants(signed, seed=1, count=300): ...
HANDMADE["loop.tif"]
"""

import io
import random
import struct
import zipfile
import zlib

EXTREMES = (0, 1, 7, 8, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


def mutants(data, *, seed, count):
    """Changed copies: bits, numbers, pieces taken out, doubled, moved, and cut off."""
    rng = random.Random(seed)
    for _ in range(count):
        changed = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
            rng.choice(CHANGES)(changed, rng)
        yield bytes(changed)


def place(data, rng):
    """Structures stand at the beginning and around the manifest; pixels can wait."""
    low = rng.choice((0, 0, max(0, data.find(b"jumb") - 16)))
    return min(max(0, len(data) - 1), low + int(rng.expovariate(1 / 400)))


def flip(data, rng):
    if data:
        data[place(data, rng)] ^= 1 << rng.randrange(8)


def number(data, rng):
    at, order = place(data, rng), rng.choice("<>")
    kind, most = rng.choice((("B", 0xFF), ("H", 0xFFFF), ("I", 0xFFFFFFFF)))
    packed = struct.pack(order + kind, rng.choice(EXTREMES) & most)
    data[at : at + len(packed)] = packed


def take(data, rng):
    at = place(data, rng)
    del data[at : at + rng.choice((1, 4, 12, 100, 5000))]


def double(data, rng):
    at, size = place(data, rng), rng.choice((1, 8, 64, 4000))
    data[at:at] = data[at : at + size]


def move(data, rng):
    one, other = place(data, rng), place(data, rng)
    size = rng.choice((4, 32, 512))
    data[one : one + size] = data[other : other + size]


def noise(data, rng):
    at = place(data, rng)
    data[at : at + 8] = rng.randbytes(8)


def cut(data, rng):
    del data[rng.randrange(len(data) + 1) :]


CHANGES = (flip, flip, number, number, number, take, double, move, noise, cut)


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(*chunks, width=8, height=8):
    head = struct.pack(">II", width, height) + b"\x08\x02\0\0\0"
    rows = zlib.compress((b"\0" + bytes(3 * 8)) * 8)
    parts = [chunk(b"IHDR", head), *chunks, chunk(b"IDAT", rows), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def box(kind, body):
    return struct.pack(">I", 8 + len(body)) + kind + body


def jumbf(label, *inner):
    kind = b"c2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"
    return box(b"jumb", box(b"jumd", kind + b"\x03" + label + b"\0") + b"".join(inner))


def nested(depth):
    made = jumbf(b"c2pa")
    for _ in range(depth):
        made = jumbf(b"c2pa", made)
    return made


def deep_cbor(depth):
    claim = box(b"cbor", b"\x81" * depth + b"\0")
    return jumbf(b"c2pa", jumbf(b"urn:c2pa:x", jumbf(b"c2pa.claim.v2", claim)))


def lengths(depth):
    """Boxes whose lengths say that each holds the whole file."""
    return (b"\xff\xff\xff\xffjumb" + b"\xff\xff\xff\xffjumd") * depth


def packed_bomb(megabytes):
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()


def xmp(body):
    return b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + body + b"</x:xmpmeta>"


def itxt(body, *, packed=0):
    return chunk(b"iTXt", b"XML:com.adobe.xmp\0" + bytes([packed, 0]) + b"\0\0" + body)


def tiff(entries, following=0, order="<"):
    table = b"".join(struct.pack(order + "HHII", *entry) for entry in entries)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return (
        head + struct.pack(order + "H", len(entries)) + table + struct.pack(order + "I", following)
    )


def segment(kind, body):
    return b"\xff" + bytes([kind]) + struct.pack(">H", len(body) + 2) + body


def jpeg(*segments):
    return b"\xff\xd8" + b"".join(segments) + b"\xff\xda\0\2\0\xff\xd9"


def app11(number, body, instance=1):
    return segment(0xEB, b"JP" + struct.pack(">HI", instance, number) + body)


def riff(kind, *chunks):
    body = kind + b"".join(n + struct.pack("<I", len(b)) + b + bytes(len(b) % 2) for n, b in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def avif(*inner):
    return box(b"ftyp", b"avif\0\0\0\0avifmif1") + b"".join(inner)


def iloc(offset, length, items=1):
    head = bytes(4) + b"\x44\0" + struct.pack(">H", items)
    return box(b"iloc", head + struct.pack(">HHHII", 1, 0, 1, offset, length) * min(items, 99))


def zip_bomb():
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("content_credential.c2pa", bytes(64 << 20))
    return made.getvalue()


UUID = b"\xd8\xfe\xc3\xd6\x1b\x0e\x48\x3c\x92\x97\x58\x28\x87\x7e\xc4\x81"
LOL = (
    b'<!DOCTYPE x [<!ENTITY a "lol">'
    + b"".join(
        b'<!ENTITY %c "&%c;&%c;&%c;&%c;&%c;&%c;&%c;&%c;&%c;&%c;">' % ((new, *[old] * 10))
        for old, new in zip(b"abcdefghi", b"bcdefghij", strict=True)
    )
    + b"]>"
)
HANDMADE = {
    "nested-60.png": lambda: png(chunk(b"caBX", nested(60))),
    "nested-20000.png": lambda: png(chunk(b"caBX", nested(20_000))),
    "deep-cbor.png": lambda: png(chunk(b"caBX", deep_cbor(100_000))),
    "lengths.png": lambda: png(chunk(b"caBX", lengths(50_000))),
    "many-manifests.png": lambda: png(
        chunk(b"caBX", jumbf(b"c2pa", *[jumbf(b"urn:c2pa:%d" % i) for i in range(20_000)]))
    ),
    "two-stores.png": lambda: png(chunk(b"caBX", jumbf(b"c2pa")), chunk(b"caBX", jumbf(b"c2pa"))),
    "million-chunks.png": lambda: png(chunk(b"tEXt", b"a\0b") * 500_000),
    "text-bomb.png": lambda: png(chunk(b"zTXt", b"parameters\0\0" + packed_bomb(64))),
    "xmp-bomb.png": lambda: png(itxt(packed_bomb(64), packed=1)),
    "huge-xmp.png": lambda: png(itxt(xmp(b"<a>" * 3_000_000))),
    "open-xmp.png": lambda: png(itxt(b"<x:xmpmeta " * 200_000)),
    "label-bomb.png": lambda: png(itxt(b'AIGC{"Label"' * 300_000)),
    "entities.png": lambda: png(itxt(LOL + xmp(b"&j;"))),
    "no-pixels.png": lambda: png(width=0, height=0),
    "many-pixels.png": lambda: png(width=0x7FFFFFFF, height=0x7FFFFFFF),
    "profile-bomb.png": lambda: png(chunk(b"iCCP", b"x\0\0" + packed_bomb(64))),
    "same-segment.jpg": lambda: jpeg(app11(1, jumbf(b"c2pa")), app11(1, jumbf(b"c2pa"))),
    "far-segment.jpg": lambda: jpeg(app11(0xFFFFFFFF, jumbf(b"c2pa"))),
    "short-segments.jpg": lambda: b"\xff\xd8" + b"\xff\xeb\0\2" * 200_000 + b"\xff\xd9",
    "fill-bytes.jpg": lambda: b"\xff\xd8" + b"\xff" * 3_000_000,
    "scans.jpg": lambda: b"\xff\xd8" + segment(0xDA, b"\0") * 100_000,
    "riff-size.webp": lambda: b"RIFF\xff\xff\xff\xffWEBP" + riff(b"", (b"C2PA", nested(9)))[8:],
    "odd.webp": lambda: riff(b"WEBP", (b"C2PA", b"x"), (b"VP8X", b"")),
    "empty-chunks.webp": lambda: riff(b"WEBP", *[(b"C2PA", b"")] * 100_000),
    "loop.tif": lambda: tiff([(256, 3, 1, 8)], following=8),
    "self.tif": lambda: tiff([(330, 4, 1, 8), (34665, 4, 1, 8), (52545, 7, 64, 0)]),
    "wild.tif": lambda: tiff([(52545, 7, 0xFFFFFFFF, 0xFFFFFFF0), (273, 4, 0x40000000, 0xFFFF)]),
    "count.tif": lambda: tiff([(279, 4, 0xFFFFFFFF, 8), (256, 3, 1, 0), (257, 3, 1, 0)], order=">"),
    "table.tif": lambda: b"II*\0\x08\0\0\0\xff\xff" + b"\xff" * 200,
    "big.tif": lambda: (
        b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 0xFFFFFFFFFFFFFFFF) + b"\xff" * 99
    ),
    "wild.avif": lambda: avif(
        box(b"meta", bytes(4) + iloc(0xFFFFFFFF, 0xFFFFFFFF)), box(b"mdat", b"")
    ),
    "items.avif": lambda: avif(box(b"meta", bytes(4) + iloc(0, 1, 0xFFFF)), box(b"mdat", b"x")),
    "to-the-end.avif": lambda: avif(b"\0\0\0\0uuid" + UUID + bytes(4) + b"manifest\0" + bytes(8)),
    "nested.avif": lambda: avif(
        box(b"uuid", UUID + bytes(4) + b"manifest\0" + bytes(8) + nested(5000))
    ),
    "boxes.avif": lambda: avif(box(b"free", b"") * 300_000),
    "in-itself.mp4": lambda: box(b"ftyp", b"isom\0\0\0\0isom") + b"\0\0\0\x10moov" * 50_000,
    "large-size.mp4": lambda: box(b"ftyp", b"isom\0\0\0\0") + b"\0\0\0\1mdat" + b"\xff" * 8,
    "merkle.mp4": lambda: (
        box(b"ftyp", b"isom\0\0\0\0") + box(b"uuid", UUID + bytes(4) + b"merkle\0" + b"\xff" * 200)
    ),
    "comments.gif": lambda: (
        b"GIF89a\x08\0\x08\0\x80\0\0" + bytes(6) + b"!\xfe\1x\0" * 200_000 + b";"
    ),
    "open.gif": lambda: (
        b"GIF89a\xff\xff\xff\xff\xf7\0\0" + b"!\xff\x0bC2PA_GIF\1\0\0" + b"\xff" * 99_999
    ),
    "entities.svg": lambda: LOL + b"<svg>&j;</svg>",
    "deep.svg": lambda: b"<svg>" * 200_000,
    "manifest.svg": lambda: b"<svg><metadata><c2pa:manifest>" + b"A" * 3_000_000,
    "outside.svg": lambda: b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg>&a;</svg>',
    "loop.pdf": lambda: (
        b"%PDF-1.7\n1 0 obj\n<</Type/Catalog/Pages 1 0 R/AF[1 0 R]>>\nendobj\n"
        b"xref\n0 2\n0000000000 65535 f \n0000000009 00000 n \n"
        b"trailer\n<</Size 2/Root 1 0 R/Prev 78>>\nstartxref\n78\n%%EOF\n"
    ),
    "deep.pdf": lambda: b"%PDF-1.7\n1 0 obj\n" + b"[" * 100_000 + b"\nstartxref\n9\n%%EOF\n",
    "sizes.wav": lambda: b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff" + bytes(64),
    "tags.mp3": lambda: b"ID3\4\0\0\x7f\x7f\x7f\x7fGEOB\x7f\x7f\x7f\x7f\0\0" + bytes(999),
    "blocks.flac": lambda: b"fLaC" + b"\x7f\xff\xff\xff" * 99_999,
    "boxes.jxl": lambda: b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0\0\0\1brob" + b"\xff" * 64,
    "brob.jxl": lambda: b"\0\0\0\x0cJXL \r\n\x87\n" + box(b"brob", b"jumb" + b"\xff" * 9999),
    "archive.png": zip_bomb,
    "zeros.png": lambda: bytes(8 << 20),
    "newlines.svg": lambda: b"\n" * 60 + b"<svg>",
    "text.jpg": lambda: b"just words\n",
}
"""Name → a file that claims, loops, nests or unpacks more than it should."""
