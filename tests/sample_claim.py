"""Claims that tests sign: the smallest that a signer takes, and one that says everything."""

from dataclasses import replace

from sdk.types import Claim, Model
from sdk.xmp import GENERATED

CLAIM = Claim(
    title="x",
    media_type="image/png",
    created_at="2026-11-23T00:00:00Z",
    digital_source_type=GENERATED,
    edited=False,
    generator="Test SDK",
    generator_version="0.1.0",
    model=Model(name="starter"),
)
FULL = replace(
    CLAIM,
    title="apple.png",
    model=Model(name="starter", version="1", sha256="ab" * 32, licence="Apache-2.0"),
    soft_binding_alg="test.mark",
    soft_binding_value=b"12345678",
    evidence={"policy": "cd" * 32},
)
"""Names its model, its watermark and its policy."""
