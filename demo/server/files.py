"""Temporary files: what visitors upload, what the page shows and what it offers for download."""

import os
import secrets
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from cyclegan_core import images

FILE_LIFETIME_SECONDS = 9 * 60
SWEEP_SECONDS = 15  # between two clean-ups


class Files:
    """One folder of temporary files under names that nobody can guess. Safe for many threads.

    folder: gradio's own for temporary files, which it serves.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._needed: WeakKeyDictionary[object, tuple[Path, ...]] = WeakKeyDictionary()

    def new(self, name: str) -> Path:
        """Returns a path with that file name in a new folder of its own; the file itself is not created."""
        folder = self.folder / secrets.token_hex(20)
        folder.mkdir(parents=True)
        return folder / name

    def write(
        self,
        picture: NDArray[np.uint8],
        name: str,
        *,
        made_by: str | None = None,
        alpha: NDArray[np.uint8] | None = None,
    ) -> str:
        """Writes an RGB uint8 (H, W, 3) picture and returns its path; `made_by` and `alpha` as in `images.save`."""
        path = self.new(name)
        images.save(picture, path, made_by=made_by, alpha=alpha)
        return str(path)

    def protect(self, owner: object, paths: Iterable[Path]) -> None:
        """Keeps files from being deleted until `release(owner)`, or until `owner` is garbage collected.

        Work may wait in the queue for longer than files live, and needs its uploads when its turn comes.
        """
        with self._lock:
            self._needed[owner] = tuple(paths)

    def release(self, owner: object) -> None:
        """Lets the files that were protected for `owner` grow old from now on."""
        with self._lock:
            self._needed.pop(owner, None)

    def sweep(self, age: float) -> None:
        """Deletes files and empty folders older than `age` seconds, but for those that are protected.

        gradio's `delete_cache` deletes by age as well, but misses aborted uploads and leaves folders behind.
        """
        with self._lock:
            needed = {path for paths in self._needed.values() for path in paths}
        for path in needed:
            with suppress(OSError):
                os.utime(path)  # makes it new, which gradio's own clean-up respects, too
        oldest = time.time() - age
        for path in sorted(self.folder.rglob("*"), reverse=True):
            with suppress(OSError):  # a folder that is not empty, or what gradio has just deleted itself
                if path not in needed and path.stat().st_ctime < oldest:
                    delete = path.rmdir if path.is_dir() else path.unlink
                    delete()

    def sweep_forever(self) -> None:
        """Sweeps every SWEEP_SECONDS; never returns."""
        while True:
            time.sleep(SWEEP_SECONDS)
            with suppress(OSError):
                self.sweep(FILE_LIFETIME_SECONDS + 2 * SWEEP_SECONDS)
