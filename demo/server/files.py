"""The pictures that the page shows and offers for download: in one folder, under names that nobody can guess."""

import secrets
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cyclegan_core import images

KEPT_SECONDS = 9 * 60
SWEEP_SECONDS = 15


class Files:
    """folder: gradio's own for temporary files, which it serves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def new(self, name: str) -> Path:
        """Where a file of that name may be written, in a new folder of its own."""
        folder = self.folder / secrets.token_hex(20)
        folder.mkdir(parents=True)
        return folder / name

    def write(self, picture: NDArray[np.uint8], name: str, *, made_by: str | None = None) -> str:
        """Writes an RGB uint8 (H, W, 3) picture and returns its path; `made_by` as in `images.save`."""
        path = self.new(name)
        images.save(picture, path, made_by=made_by)
        return str(path)

    def sweep(self, age: float) -> None:
        """Deletes what is older than `age` seconds. gradio's `delete_cache` misses aborted uploads, leaves folders."""
        oldest = time.time() - age
        for path in sorted(self.folder.rglob("*"), reverse=True):
            with suppress(OSError):  # a folder that is not empty, or what gradio has just deleted itself
                if path.stat().st_ctime < oldest:
                    delete = path.rmdir if path.is_dir() else path.unlink
                    delete()

    def sweep_forever(self) -> None:
        while True:
            time.sleep(SWEEP_SECONDS)
            with suppress(OSError):
                self.sweep(KEPT_SECONDS + 2 * SWEEP_SECONDS)
