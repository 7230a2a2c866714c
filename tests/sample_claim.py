"""The smallest claim that a signer takes."""

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
