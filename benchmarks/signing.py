"""What signing one 1024 x 1024 PNG costs, and what of it is whose: CPU milliseconds, median.

    python benchmarks/signing.py [--rounds 31]

`one pixel` is what no file escapes: CBOR, ES256, the chain.  `SHA-256 of the file` is what the
specification asks for.  What is left is copying and the library's reads and writes, which come to
Python in pieces of 8 KB.  Beside it the same library with its defaults (thumbnail, verifying what
it signed).  Process time, so that other processes do not count; the clock of a busy core still runs
slower.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import statistics
import tempfile
import time
from collections.abc import Callable

import c2pa

from sdk.contract import sample
from sdk.encode import encode
from sdk.keys import SigningCredential
from sdk.registry import Registry
from sdk.types import Claim, Model
from sdk.xmp import GENERATED

MEDIA_TYPE = "image/png"
CLAIM = Claim(
    title="bench.png",
    media_type=MEDIA_TYPE,
    generator="bench",
    generator_version="0.1.0",
    digital_source_type=GENERATED,
    edited=False,
    model=Model(name="noise", version="1", licence="Apache-2.0"),
    created_at="2026-11-23T00:00:00Z",
    soft_binding_alg="bench.mark",
    soft_binding_value=b"12345678",
    evidence={"policy": "bench"},
)


def main() -> None:
    """Measure and print one row each."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=31)
    rounds = options.parse_args().rounds
    whole, pixel = (encode(sample(side, side), MEDIA_TYPE) for side in (1024, 1))
    with tempfile.TemporaryDirectory() as home:
        signer = Registry().make("signer", "c2pa", {"home": home})
        stock = _stock(signer.credential)
        sealed = signer.seal(whole, CLAIM)
        works: dict[str, Callable[[], object]] = {
            "SHA-256 of the file": lambda: hashlib.sha256(whole).digest(),
            "sign one pixel": lambda: signer.seal(pixel, CLAIM),
            "sign": lambda: signer.seal(whole, CLAIM),
            "sign, the library's defaults": lambda: stock(whole),
            "read the signature back": lambda: signer.check(sealed),
        }
        print(f"{len(whole):,} bytes, {rounds} rounds       median   least")
        for name, work in works.items():
            times = _times(work, rounds)
            print(f"{name:32}{statistics.median(times):10.2f}{min(times):8.2f}")


def _stock(credential: SigningCredential) -> Callable[[bytes], bytes]:
    info = c2pa.C2paSignerInfo(credential.alg, credential.chain, credential.key, None)
    context = c2pa.Context.from_dict({"version": 1, "verify": {"remote_manifest_fetch": False}})
    signer = c2pa.Signer.from_info(info)
    created = {"action": "c2pa.created", "digitalSourceType": CLAIM.digital_source_type}
    said = {"assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}]}

    def sign(data: bytes) -> bytes:
        out = io.BytesIO()
        with c2pa.Builder(said, context) as builder:
            builder.sign(signer, MEDIA_TYPE, io.BytesIO(data), out)
        return out.getvalue()

    return sign


def _times(work: Callable[[], object], rounds: int) -> list[float]:
    work()
    times = []
    for _ in range(rounds):
        began = time.process_time_ns()
        work()
        times.append((time.process_time_ns() - began) / 1e6)
    return times


if __name__ == "__main__":
    main()
