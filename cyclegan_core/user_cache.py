"""Where this program keeps what it can make or fetch again."""

import os
from pathlib import Path


def user_cache() -> Path:
    """The folder of this program in the user's cache, by XDG_CACHE_HOME. It need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cyclegan"
