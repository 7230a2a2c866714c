"""What the responsible layer costs around one 1024 x 1024 PNG, stage by stage, on one core.

    python benchmarks/layer.py [--rounds 15] [--json]

Beside it, in the same run, the naive stack of the same libraries with their defaults: Pillow's
PNG, C2PA with thumbnails, one durable commit per receipt.  CPU milliseconds (process time) of one
thread, median; read the ratios, not the absolute numbers of a busy machine.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import secrets
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from PIL import Image

from sdk.contract import sample
from sdk.decide import asked, judge
from sdk.encode import decode, encode
from sdk.keys import SigningCredential
from sdk.leaf import now
from sdk.ledger import Ledger
from sdk.parts import build
from sdk.pixels import Picture, admit_pixels
from sdk.policy import parse
from sdk.registry import Registry
from sdk.request import Request
from sdk.types import Claim, Model
from sdk.xmp import GENERATED, xmp_packet

POLICY = """
name = "bench"
unsafe_without = ["image_filters"]
backend = { plugin = "noise" }
prompt_filters = [{ plugin = "lists" }]
watermark = { plugin = "tile" }
signer = { plugin = "c2pa" }
record = { personal = "none" }
rules = [
    { id = "1", stage = "prompt", category = "sexual", block = 0.9 },
    { id = "2", stage = "prompt", category = "sexual_minors", block = 0.9 },
    { id = "3", stage = "prompt", category = "violence", block = 0.9 },
    { id = "4", stage = "prompt", category = "hate", block = 0.9 },
    { id = "5", stage = "prompt", category = "self_harm", block = 0.9 },
    { id = "6", stage = "prompt", category = "illegal", block = 0.9 },
]
"""
SIDE = 1024
LEAF = {"type": "generation", "note": "x" * 1300}


def main() -> None:
    """Time every stage of both stacks and print them side by side."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SDK_HOME"] = folder
        stages = _stages(Path(folder))
        naive = _naive(Path(folder))
        ours_ms = {name: _median(work, given.rounds) for name, work in stages.items()}
        naive_ms = {name: _median(work, given.rounds) for name, work in naive.items()}
    _print(ours_ms, naive_ms, given.json)


def _stages(folder: Path) -> dict[str, Callable[[], object]]:
    parts = build(parse(POLICY), Registry())
    policy = parse(POLICY)
    assert parts.watermark is not None
    assert parts.signer is not None
    mark, signer, screen = parts.watermark.part, parts.signer.part, parts.prompt_filters[0]
    pixels = sample(SIDE, SIDE)
    payload = secrets.token_bytes(mark.payload_bytes)
    marked = admit_pixels(mark.embed(pixels, payload))
    packet = xmp_packet(digital_source_type=GENERATED, ai_system="bench")
    plain = encode(marked, "image/png", xmp=packet)
    claim = _claim(mark.algorithm, payload)
    signed = signer.seal(plain, claim)
    request = Request(prompt="a red apple on a table")
    ledger = Ledger.open(folder / "bench.db")
    return {
        "screen prompt": lambda: judge(
            policy, "prompt", [asked(screen, lambda: screen.part.inspect(request))]
        ),
        "embed mark": lambda: admit_pixels(mark.embed(pixels, payload)),
        "hash pixels": lambda: Picture(marked).sha256,
        "encode PNG": lambda: encode(marked, "image/png", xmp=packet),
        "sign C2PA": lambda: signer.seal(plain, claim),
        "read back signature": lambda: signer.check(signed),
        "decode": lambda: decode(signed),
        "read back mark": lambda: mark.detect(marked),
        "receipt": lambda: ledger.append(LEAF),
    }


def _claim(algorithm: str, payload: bytes) -> Claim:
    return Claim(
        title="bench",
        media_type="image/png",
        created_at=now(),
        digital_source_type=GENERATED,
        edited=False,
        generator="bench",
        generator_version="1.0.0",
        model=Model(name="bench"),
        soft_binding_alg=algorithm,
        soft_binding_value=payload,
    )


def _naive(folder: Path) -> dict[str, Callable[[], object]]:
    """The same libraries as their first examples use them."""
    from c2pa import Builder, C2paSignerInfo, Reader, Signer

    credential = SigningCredential.development(folder)
    info = C2paSignerInfo(b"es256", credential.chain, credential.key, None)
    signer = Signer.from_info(info)
    pixels = sample(SIDE, SIDE)
    floats = pixels.astype(np.float32) / 255
    png = _pillow(pixels)
    database = sqlite3.connect(folder / "naive.db", isolation_level=None)
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE receipts (leaf TEXT)")
    manifest = {
        "claim_generator_info": [{"name": "naive", "version": "1.0.0"}],
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": GENERATED}]},
            }
        ],
    }

    def sign() -> bytes:
        out = io.BytesIO()
        Builder(manifest).sign(signer, "image/png", io.BytesIO(png), out)
        return out.getvalue()

    signed = sign()
    return {
        "to 8 bit": lambda: (floats * 255).round().astype("uint8"),
        "encode PNG": lambda: _pillow(pixels),
        "sign C2PA": sign,
        "read back signature": lambda: Reader("image/png", io.BytesIO(signed)).json(),
        "decode": lambda: np.asarray(Image.open(io.BytesIO(signed)).convert("RGB")),
        "receipt": lambda: database.execute("INSERT INTO receipts VALUES (?)", [json.dumps(LEAF)]),
    }


def _pillow(pixels: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def _median(work: Callable[[], object], rounds: int) -> float:
    work()
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append((time.process_time() - start) * 1000)
    return statistics.median(times)


def _print(ours: dict[str, float], naive: dict[str, float], as_json: bool) -> None:
    total, naive_total = sum(ours.values()), sum(naive.values())
    if as_json:
        print(json.dumps({"ours_ms": ours, "naive_ms": naive, "ratio": naive_total / total}))
        return
    print(f"{'stage':<22}{'ours, ms':>10}{'naive, ms':>11}")
    for name in [*naive, *(n for n in ours if n not in naive)]:
        left = f"{ours[name]:.2f}" if name in ours else "–"
        right = f"{naive[name]:.2f}" if name in naive else "–"
        print(f"{name:<22}{left:>10}{right:>11}")
    print(f"{'total':<22}{total:>10.2f}{naive_total:>11.2f}")
    print(
        f"naive / ours, though the naive stack does not mark or screen: {naive_total / total:.2f}"
    )


if __name__ == "__main__":
    main()
