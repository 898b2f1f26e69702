"""The sets of the CycleGAN paper by name: downloaded, taken up where a download was cut, unpacked without harm."""

import errno
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from cyclegan_core import images
from cyclegan_core.atomic import atomically
from cyclegan_core.errors import CycleganError
from train.data.remote import Remote

ADDRESS = "http://efrosgans.eecs.berkeley.edu/cyclegan/datasets/"
MIRROR_VARIABLE = "CYCLEGAN_DATASETS"
NAMES = (
    *("apple2orange", "summer2winter_yosemite", "horse2zebra", "monet2photo", "cezanne2photo", "ukiyoe2photo"),
    *("vangogh2photo", "maps", "cityscapes", "facades", "iphone2dslr_flower", "ae_photos"),
)
SCRATCH = ".download"  # in the output, until the set is prepared
CHUNK = 2**18
MOST_FILES = 100_000
MOST_BYTES = 20 * 2**30  # unpacked; the largest of these sets has 2
SPLITS = {f"{split}{domain}" for split in ("train", "test", "val") for domain in "AB"}
_ERRORS = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, ValueError, RuntimeError),
    *(NotImplementedError, LookupError, OverflowError),
)


def fetch(name: str, output: Path, *, mirror: str = ADDRESS) -> Path:
    """Downloads NAME.zip and unpacks it within `output`; returns the folder that holds trainA, trainB, ...

    What an earlier call has downloaded is not downloaded again. Raises CycleganError in a sentence.
    """
    scratch = output / SCRATCH
    archive = scratch / f"{name}.zip"
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        if not archive.is_file():
            try:
                download(f"{mirror.rstrip('/')}/{name}.zip", archive)
            except CycleganError as error:
                if name == "cityscapes":  # has been withdrawn for its licence
                    raise CycleganError(
                        f"{error}; cityscapes may have to be asked for at cityscapes-dataset.com: prepare it with"
                        " `train/prepare.py folder`"
                    ) from error
                raise
        unpack(archive, scratch / name)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CycleganError(
                f"the disk is full; free some space, and the same command goes on from here with {name}"
            ) from error
        raise
    return scratch / name


def clean(output: Path) -> None:
    """Deletes what `fetch` has left in the output."""
    shutil.rmtree(output / SCRATCH, ignore_errors=True)


def download(address: str, target: Path) -> None:
    """Writes the file at the address, whole or not at all; a partial one beside it is taken up.

    Raises CycleganError where the network stays away or the size is not what the server has announced.
    """
    partial = target.with_name(f"{target.name}.part")
    have = partial.stat().st_size if partial.is_file() else 0
    with Remote(address, have) as remote, partial.open("ab", buffering=0) as file:
        bar = tqdm(initial=have, unit="B", unit_scale=True, desc=target.name, disable=None)
        with bar:
            while part := remote.read_some(CHUNK):
                file.write(part)
                bar.total = remote.total
                bar.update(len(part))
    size = partial.stat().st_size
    if remote.total is not None and size != remote.total:
        partial.unlink()
        raise CycleganError(
            f"{target.name} has {size:,} bytes and should have {remote.total:,}; it is deleted, start again"
        )
    if not zipfile.is_zipfile(partial):  # a page that says sorry, or another file since the first part came
        partial.unlink()
        raise CycleganError(f"what lies at {address} is no ZIP file; try again later, or name another --mirror")
    partial.replace(target)


def unpack(archive: Path, folder: Path) -> None:
    """Writes the pictures of trainA, trainB, testA, testB, valA and valB, wherever in the ZIP these folders are.

    Only their own names are taken from the ZIP. Raises CycleganError for a ZIP that is damaged (it is deleted then, so
    that the next call downloads it anew), too large, or holds links or names that lead out of it.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            files = [info for info in packed.infolist() if not info.is_dir()]
            _refuse_harm(archive.name, files)
            chosen = [(info, place) for info in files if (place := _place(info.filename))]
            if not chosen:
                raise CycleganError(f"{archive.name} holds no pictures in trainA or trainB; name another --mirror")
            for info, place in tqdm(chosen, unit=" pictures", desc=f"unpacking {archive.name}", disable=None):
                target = folder / place
                if target.is_file() and target.stat().st_size == info.file_size:
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                _write(packed, info, target)
    except _ERRORS as error:
        archive.unlink(missing_ok=True)
        raise CycleganError(
            f"{archive.name} is damaged ({error}) and deleted; start again to download it anew"
        ) from error


def _refuse_harm(name: str, files: list[zipfile.ZipInfo]) -> None:
    if len(files) > MOST_FILES or sum(info.file_size for info in files) > MOST_BYTES:
        raise CycleganError(
            f"{name} is larger than {MOST_FILES:,} files or {MOST_BYTES // 2**30} GiB; it is not unpacked"
        )
    for info in files:
        path = PurePosixPath(info.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise CycleganError(f"{name} holds a path that leads out of it ({info.filename!r}); it is not unpacked")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise CycleganError(f"{name} holds a link ({info.filename!r}); it is not unpacked")


def _place(filename: str) -> str | None:
    """`trainA/name.jpg` for a picture that belongs to the set."""
    path = PurePosixPath(filename)
    split = path.parent.name
    if split not in SPLITS or path.suffix.lower() not in images.SUFFIXES or path.name.startswith("."):
        return None
    return f"{split}/{path.name}"


def _write(packed: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    left = min(info.file_size, images.MAX_FILE_BYTES)
    with atomically(target) as partial, packed.open(info) as source, partial.open("wb") as file:
        while chunk := source.read(CHUNK):
            left -= len(chunk)
            if left < 0:  # whatever the ZIP says of its size
                raise zipfile.BadZipFile(f"{info.filename} is larger than it says, or than is allowed")
            file.write(chunk)
