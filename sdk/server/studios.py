"""One studio for each picture format, on parts that are built once.

A client may ask for PNG and the next for WebP; the model must not be loaded twice for that.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sdk.config import Config, open_stores
from sdk.credentials import Repository
from sdk.encode import SUFFIXES
from sdk.errors import RequestError
from sdk.ledger import Ledger
from sdk.pipeline import Studio
from sdk.policy import Policy
from sdk.registry import Registry
from sdk.reviews import Reviews
from sdk.types import NO_SETTINGS, Settings
from sdk.vault import Vault


class SharedParts(Registry):
    """A registry that makes each part once for each setting of it; threads share parts anyway."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[tuple[str, str, str], Any] = {}
        self._making = threading.RLock()

    def make(self, kind: str, name: str, settings: Settings = NO_SETTINGS) -> Any:
        """Return the part, made before or now; errors as `Registry.make`."""
        key = (kind, name, json.dumps(dict(settings), sort_keys=True, default=repr))
        with self._making:
            if key not in self._made:
                self._made[key] = super().make(kind, name, settings)
            return self._made[key]


class OpenStudios:
    """Studios of one policy on one ledger; threads may share this."""

    def __init__(
        self,
        policy: Policy,
        ledger: Ledger,
        *,
        credentials: Repository,
        vault: Vault | None = None,
        reviews: Callable[[], Reviews] | None = None,
        registry: Registry | None = None,
    ) -> None:
        """Build the studio of the policy's own format; errors as `Studio`."""
        self.policy = policy
        self.credentials = credentials
        self.ledger = ledger
        self._vault = vault
        self._reviews = reviews
        self._registry = registry or SharedParts()
        self._building = threading.Lock()
        self._studios: dict[str, Studio] = {}
        self.studio(policy.output.media_type)

    def studio(self, media_type: str) -> Studio:
        """Return the studio that writes this format.

        Raises:
            RequestError: no such format.
        """
        if media_type not in SUFFIXES:
            raise RequestError(
                f"asked for {media_type}, found no such format; known: {', '.join(SUFFIXES)}"
            )
        with self._building:
            if media_type not in self._studios:
                policy = self.policy
                if media_type != policy.output.media_type:
                    policy = policy.with_output(media_type)
                self._studios[media_type] = Studio(
                    policy,
                    self.ledger,
                    vault=self._vault,
                    credentials=self.credentials,
                    reviews=self._reviews,
                    registry=self._registry,
                )
            return self._studios[media_type]


@contextmanager
def open_studios(policy: Policy, config: Config | None = None) -> Iterator[OpenStudios]:
    """Open the configured ledger, vault and repository, and close them at the end."""
    with open_stores(policy.record.personal, config) as stores:
        yield OpenStudios(
            policy,
            stores.ledger,
            vault=stores.vault,
            credentials=stores.credentials,
            reviews=stores.reviews,
        )
