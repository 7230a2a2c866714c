"""TrustMark from two ONNX files that you have, each checked by its SHA-256.

    [watermark.settings]                    # plugin = "trustmark"
    encoder = "~/encoder_Q.onnx"            # and encoder_sha256
    decoder = "~/decoder_Q.onnx"            # and decoder_sha256

Needs onnxruntime (extra `safety`) and variant Q's files, which Adobe publishes (MIT) and which are
neither shipped nor downloaded here.  The package `trustmark` is not used: it brings `lightning`,
and where it cannot fetch its weights it goes on without them.

Not run with Adobe's weights here: they cannot be had without a network.  Tests use small models of
the same interface; the code of 61 bits is compared with TrustMark's own.  There is no key.
"""

from __future__ import annotations

from sdk import Settings, Watermark, hookimpl

from .part import TrustMark, opened

__all__ = ["TrustMark", "watermark"]


@hookimpl
def watermark(settings: Settings) -> Watermark:
    """Make it; settings: `encoder`, `decoder` and the SHA-256 of each."""
    return opened(**settings)  # type: ignore[arg-type]
