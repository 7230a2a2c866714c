"""The index: a hash, features and the papers of every training picture, in one npz file."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdk import PluginError

from .pdq import differing_bits
from .search import Buckets, Cells

EXACT = 30_000
"""Pictures up to which every one is compared."""
_STEPS = 127
"""Features are unit vectors, kept as int8 in steps of their largest component / 127."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A training picture's papers."""

    id: str
    """`set:name`."""
    licence: str
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The nearest training pictures by the two methods; often the same one."""

    by_features: Entry
    cosine: float
    """Of the features, at most 1 + rounding."""
    by_pdq: Entry
    bits: int
    """Of 256 that differ."""


class Index:
    """Exact up to `EXACT` pictures (14,277 take 2 ms of one core), buckets and cells above."""

    def __init__(
        self,
        entries: Sequence[Entry],
        hashes: NDArray[np.uint8],
        features: NDArray[np.float32],
        network_sha256: str,
        sha256: str = "",
    ) -> None:
        self.entries = entries
        self.network_sha256 = network_sha256
        self.sha256 = sha256
        """Of the file, which names the network's."""
        self._hashes = hashes
        self._large = (Cells(features), Buckets(hashes)) if len(entries) > EXACT else None
        self._features = np.ascontiguousarray(features.T)  # (128, N): three times as fast

    def nearest(self, hashes: NDArray[np.uint8], features: NDArray[np.float32]) -> Match:
        """Compare (M, 32) hashes and (K, 128) features of one picture with all entries."""
        if self._large is not None:
            like, cosine = self._large[0].nearest(features)
            same, differ = self._large[1].nearest(hashes)
        else:
            cosines = (features @ self._features).max(0)
            bits = np.min([differing_bits(self._hashes, one) for one in hashes], axis=0)
            like, same = int(cosines.argmax()), int(bits.argmin())
            cosine, differ = float(cosines[like]), int(bits[same])
        return Match(
            by_features=self.entries[like],
            cosine=cosine,
            by_pdq=self.entries[same],
            bits=differ,
        )

    def write(self, path: Path) -> None:
        """Write the npz; no pickles, so that reading it runs nothing."""
        scale = float(np.abs(self._features).max()) / _STEPS
        papers = [[e.id, e.licence, e.caption] for e in self.entries]
        np.savez_compressed(
            path,
            hashes=self._hashes,
            features=np.round(self._features.T / scale).astype(np.int8),
            scale=np.float32(scale),
            papers=np.frombuffer(json.dumps(papers, ensure_ascii=False).encode(), np.uint8),
            network_sha256=np.frombuffer(bytes.fromhex(self.network_sha256), np.uint8),
        )

    @classmethod
    def read(cls, path: Path) -> Index:
        """Read what `write` wrote.

        Raises:
            PluginError: the file is missing, damaged or of another kind.
        """
        try:
            data = path.read_bytes()
            with np.load(io.BytesIO(data), allow_pickle=False) as found:
                papers = json.loads(found["papers"].tobytes())
                features = found["features"].astype(np.float32) * found["scale"]
                return cls(
                    [Entry(id=i, licence=licence, caption=c) for i, licence, c in papers],
                    found["hashes"],
                    features / np.linalg.norm(features, axis=1, keepdims=True),
                    found["network_sha256"].tobytes().hex(),
                    hashlib.sha256(data).hexdigest(),
                )
        except Exception as exc:
            raise PluginError(
                f"asked for the index {path.name} in {path.parent.name!r}, found "
                f"{type(exc).__name__}: {exc}; build it with sdk_auditor_copies.build"
            ) from exc
