"""Which product and version made a picture."""

from __future__ import annotations

VERSION = "0.1.0"
GENERATOR = "responsible-generation-sdk"
"""Name in every manifest's claim generator."""
