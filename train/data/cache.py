"""The pictures of a folder, decoded once by several processes into a file of uint8 that is mapped into memory.

The file lies in `.cache` beside the data, or in a scratch folder where the data cannot be written to; CYCLEGAN_CACHE
names another place. It is keyed by the names, sizes and times of the files and by the side of the pictures, is there
whole or not at all, and is made anew when a file has changed.
"""

import contextlib
import errno
import hashlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cyclegan_core import images
from cyclegan_core.errors import CycleganError, PictureError
from train.data.preprocess import square

VERSION = 1  # of the file; a new one makes all caches anew
CACHE_VARIABLE = "CYCLEGAN_CACHE"
FEW = 64  # pictures that one process decodes sooner than another one starts
MOST_WORKERS = 16  # a disk feeds no more


@dataclass(frozen=True)
class Cached:
    """pictures: read-only uint8 (N, 3, S, S), mapped. names: of their files. skipped: of the others, and why."""

    pictures: NDArray[np.uint8]
    names: list[str]
    skipped: list[tuple[str, str]]


def cached_pictures(files: Sequence[Path], side: int, folder: Path | None = None) -> Cached:
    """The pictures of the files, all in or below one folder, as squares; decoded now where no cache has them.

    folder: that of the first file, unless it is given. Raises CycleganError where no file can be read, the disk is
    full, or a process that decodes is killed.
    """
    folder = folder or files[0].parent
    stem = f"{folder.name}_{side}"
    path = cache_folder(folder.parent) / f"{stem}_{_key(files, side)}.u8"
    listing = path.with_suffix(".json")
    try:
        with _locked(path.parent / f"{stem}.lock") as alone:  # of several processes one decodes, the others wait
            if not _is_whole(path, listing):
                if alone:  # stale ones, and what was left by a kill
                    for stale in path.parent.glob(f"{stem}_*"):
                        stale.unlink(missing_ok=True)
                _decode(files, side, path, listing, folder)
        described = json.loads(listing.read_text())
        shape = (len(described["names"]), 3, side, side)
        pictures = np.memmap(path, np.uint8, "r", shape=shape)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            need = len(files) * 3 * side * side / 2**20
            raise CycleganError(
                f"the disk is full: the cache of {folder.name} needs {need:,.0f} MiB; free as much, or name a folder"
                f" with more space in {CACHE_VARIABLE}"
            ) from error
        raise CycleganError(
            f"the cache of {folder.name} cannot be written ({error.strerror}); name a folder in {CACHE_VARIABLE}"
        ) from error
    return Cached(pictures, described["names"], [(name, reason) for name, reason in described["skipped"]])


def cache_folder(data: Path) -> Path:
    """Where the caches of a data folder lie; it is made. Raises OSError where no place can be written to."""
    named = os.environ.get(CACHE_VARIABLE)
    key = hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:16]
    scratch = Path(tempfile.gettempdir()) / f"cyclegan-cache-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    places = [Path(named) / key] if named else [data / ".cache", scratch / key]
    fault: OSError = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    for place in places:
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            fault = error
            continue
        if os.access(place, os.W_OK):
            return place
    raise fault


def _key(files: Sequence[Path], side: int) -> str:
    digest = hashlib.sha256(f"{VERSION} {side}".encode())
    for path in files:
        digest.update(f"{file_version(path)}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


def file_version(path: Path) -> str:
    """The name, size and modification time of a file: another text once it has been replaced.

    The name alone of a file that is gone, of a link that leads nowhere, and of one that may not be looked at.
    """
    try:
        about = path.stat()
    except OSError:
        return path.name
    return f"{path.name}\0{about.st_size}\0{about.st_mtime_ns}"


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _is_whole(path: Path, listing: Path) -> bool:
    try:
        described = json.loads(listing.read_text())
        return path.stat().st_size == described["bytes"] > 0
    except (OSError, ValueError, KeyError):
        return False


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Keeps other processes out; False where the system cannot, as some network disks: the last to finish wins."""
    with path.open("w") as lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        except (ImportError, OSError):
            yield False
        else:
            yield True


def _decode(files: Sequence[Path], side: int, path: Path, listing: Path, folder: Path) -> None:
    row = 3 * side * side
    partial = path.with_suffix(f".{secrets.token_hex(4)}.partial")
    try:
        with partial.open("wb") as file:
            if hasattr(os, "posix_fallocate"):  # a full disk is met now, and not as a bus error in the middle
                os.posix_fallocate(file.fileno(), 0, len(files) * row)
            else:
                file.truncate(len(files) * row)
        skipped = dict(_decode_rows(files, side, partial))
        kept = [index for index in range(len(files)) if index not in skipped]
        if not kept:
            raise CycleganError(f"no picture of {folder} can be read: {next(iter(skipped.values()))}")
        if skipped:
            rows = np.memmap(partial, np.uint8, "r+", shape=(len(files), row))
            for index, source in enumerate(kept):
                if index != source:
                    rows[index] = rows[source]
            rows.flush()
            del rows
            os.truncate(partial, len(kept) * row)
        about = {
            "names": [_name(files[index], folder) for index in kept],
            "skipped": [(_name(files[index], folder), reason) for index, reason in sorted(skipped.items())],
            "bytes": len(kept) * row,
        }
        written = partial.with_suffix(".json")
        written.write_text(json.dumps(about))
        written.replace(listing)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
        partial.with_suffix(".json").unlink(missing_ok=True)


def _decode_rows(files: Sequence[Path], side: int, partial: Path) -> Iterator[tuple[int, str]]:
    """Fills the rows; yields which ones it cannot fill, and why."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(processors, MOST_WORKERS, len(files) // FEW)
    bar = tqdm(total=len(files), desc=f"decoding {files[0].parent.name}", unit=" pictures", disable=None)
    with bar:
        if workers < 2:
            rows = np.memmap(partial, np.uint8, "r+", shape=(len(files), 3, side, side))
            for index, path in enumerate(files):
                if (reason := _decode_one(path, rows[index])) is not None:
                    yield index, reason
                bar.update()
            rows.flush()
            return
        # Every worker takes each n-th file, so that they end together however the files are ordered.
        started = [_start() for _ in range(workers)]
        try:
            for first, worker in enumerate(started):  # later, as each takes a moment before it listens
                _assign(worker, files, side, partial, first, workers)
            for worker in started:
                assert worker.stdout is not None
                for line in worker.stdout:
                    index, reason = json.loads(line)
                    if reason is not None:
                        yield index, reason
                    elif worker is started[0]:  # the others are about as far
                        bar.update(FEW * workers)
                if code := worker.wait():
                    raise CycleganError(
                        f"a process that decoded {files[0].parent.name} ended with code {code}; start again, with more"
                        " memory free"
                    )
        finally:
            for worker in started:
                worker.kill()
                worker.wait()


def _decode_one(path: Path, row: NDArray[np.uint8]) -> str | None:
    """Fills uint8 (3, S, S) from a file; the reason where it cannot be read."""
    try:
        row[:] = square(images.load(path), row.shape[1]).transpose(2, 0, 1)
    except PictureError as error:
        return str(error)
    return None


def _start() -> subprocess.Popen[str]:
    # A program of its own: a fork would inherit the threads and the device of the training, and a process of
    # multiprocessing would first import all that the training imports.
    return subprocess.Popen(
        [sys.executable, "-m", "train.data.cache"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C ends the training, and the training ends its workers
    )


def _assign(
    worker: subprocess.Popen[str], files: Sequence[Path], side: int, partial: Path, first: int, workers: int
) -> None:
    assert worker.stdin is not None
    task = {
        "files": [str(path) for path in files],
        "side": side,
        "partial": str(partial),
        "first": first,
        "workers": workers,
    }
    with contextlib.suppress(BrokenPipeError):  # its exit code will tell
        worker.stdin.write(json.dumps(task))
        worker.stdin.close()


def _work() -> None:
    task = json.loads(sys.stdin.read())
    files, side = [Path(name) for name in task["files"]], task["side"]
    rows = np.memmap(task["partial"], np.uint8, "r+", shape=(len(files), 3, side, side))
    cv2.setNumThreads(1)
    for done, index in enumerate(range(task["first"], len(files), task["workers"]), 1):
        if (reason := _decode_one(files[index], rows[index])) is not None:
            print(json.dumps((index, reason)), flush=True)
        if done % FEW == 0:
            print(json.dumps((index, None)), flush=True)
    rows.flush()


if __name__ == "__main__":
    try:
        _work()
    except BrokenPipeError:  # nobody waits for the pictures any more
        os._exit(1)
