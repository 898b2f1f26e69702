"""Files that are written whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PARTIAL_SUFFIX = ".part"


@contextmanager
def atomically(path: Path) -> Iterator[Path]:
    """Gives the path of a file beside `path` to write to, which takes its place at the end of the block.

    A reader finds what was there before or the new one, never a part. Where the block raises, what was there stays and
    nothing else is left. Raises OSError where the file cannot take its place.
    """
    partial = partial_path(path)
    try:
        yield partial
        os.replace(partial, path)
    finally:
        with suppress(OSError, ValueError):
            partial.unlink(missing_ok=True)


def partial_path(path: Path) -> Path:
    """A name beside `path` that no other writer has; short, as that of `path` may be as long as a name can be."""
    return path.with_name(f".{secrets.token_hex(8)}{PARTIAL_SUFFIX}")
