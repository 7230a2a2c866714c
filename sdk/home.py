"""The one folder where keys and state lie."""

from __future__ import annotations

import os
from pathlib import Path

APP = "responsible-generation-sdk"


def default_home() -> Path:
    """Return $SDK_HOME, or the user's data folder (XDG Base Directory, `XDG_DATA_HOME`)."""
    named = os.environ.get("SDK_HOME")
    if named:
        return Path(named).expanduser()
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / APP
