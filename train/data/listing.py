"""Where the pictures of a split lie, and which files they are."""

import hashlib
import itertools
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from cyclegan_core import images
from cyclegan_core.errors import CycleganError

SOURCES_FILE = "sources.json"  # beside trainA, trainB, testA and testB: where domains are that are not folders there
MOST_SHARDS = 1_000_000
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
SPLITS = ("trainA", "trainB", "testA", "testB")


def source(data: Path, split: str) -> Path | list[str]:
    """The folder of pictures of a split, or the places of its shards. Raises CycleganError."""
    try:
        named = json.loads((data / SOURCES_FILE).read_text()).get(split, split)
        if not isinstance(named, str):
            raise ValueError(f"{split} is not a text")
    except (FileNotFoundError, NotADirectoryError):
        named = split
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise CycleganError(f"{data.resolve().name}/{SOURCES_FILE} cannot be read ({error}); correct it") from error
    if "://" in named:
        return expand(named)
    folder = data / named
    return local_shards(folder) or folder


def picture_files(folder: Path) -> list[Path]:
    """The pictures of a folder, in the order of their names; those of the folders below it where it has none itself.

    Hidden files and folders are left out. Raises CycleganError where there are none.
    """
    files = listed(folder)
    if not files:
        there = "" if folder.is_dir() else _what_is_there(folder)
        raise CycleganError(
            f"{folder} holds no pictures; prepare it with train/prepare.py or name another folder{there}"
        )
    return files


def count_pictures(place: Path) -> int:
    """How many files `picture_files` gives; 0 where there are none."""
    return len(listed(place))


def listed(folder: Path) -> list[Path]:
    """What `picture_files` returns; an empty list where there are none or no such folder."""
    if not folder.is_dir():
        return []
    own = sorted(path for path in folder.iterdir() if _is_picture(path))
    return own or sorted(path for below in _folders_below(folder) for path in below.iterdir() if _is_picture(path))


def unread_folders(folder: Path) -> list[tuple[str, str]]:
    """Folders with pictures in them that are left out as there are pictures beside them, and why."""
    if not any(_is_picture(path) for path in folder.iterdir()):
        return []
    return [
        (below.relative_to(folder).as_posix(), "a folder beside pictures; move its pictures up to train on them too")
        for below in _folders_below(folder)
        if any(_is_picture(path) for path in below.iterdir())
    ]


def check_apart(data: Path, output: Path) -> None:
    """Raises CycleganError where the sheets that a run writes into `output` would be pictures to train on."""
    for split in SPLITS:
        place = source(data, split)
        if not isinstance(place, Path) or not place.is_dir():
            continue
        at, there = output.resolve(), place.resolve()
        below = there in at.parents and not any(_is_picture(path) for path in place.iterdir())
        if at == there or below:
            raise CycleganError(
                f"{output} lies among the pictures of {split}, to which its sample sheets would be added; name another "
                "--output"
            )


def require_tests(data: Path) -> None:
    """Raises CycleganError where `data` is no folder or has no test pictures to measure on."""
    if not data.is_dir():
        raise CycleganError(f"there is no folder {data}; name one that train/prepare.py has made")
    if empty := [split for split in ("testA", "testB") if not count_pictures(data / split)]:
        raise CycleganError(
            f"{data} has no pictures in {' and '.join(empty)} to measure on; prepare it with a share for testing: "
            "train/prepare.py ... --test 0.1 --output ANOTHER"
        )


def relative_names(files: Sequence[Path], folder: Path) -> list[str]:
    """Names of files in or below a folder that say where they lie in it, with slashes on every system."""
    return [path.relative_to(folder).as_posix() for path in files]


def fingerprint(files: Sequence[Path], folder: Path) -> str:
    """A text that is another one when a file in the folder has another name or size; the same wherever it lies."""
    digest = hashlib.sha256()
    for path, name in zip(files, relative_names(files, folder), strict=True):
        try:
            size = path.stat().st_size
        except OSError:  # a link that leads nowhere
            size = -1
        digest.update(f"{name}\0{size}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in images.SUFFIXES and not path.name.startswith(".")


def _folders_below(folder: Path) -> Iterator[Path]:
    """Each folder once, also where links go round in circles."""
    seen = {os.path.realpath(folder)}
    for root, names, _ in os.walk(folder, followlinks=True):
        names[:] = sorted(name for name in names if not name.startswith(".") and not _is_picture(Path(name)))
        for name in list(names):
            real = os.path.realpath(os.path.join(root, name))
            if real in seen:
                names.remove(name)
            else:
                seen.add(real)
                yield Path(root, name)


def _what_is_there(folder: Path) -> str:
    """The end of a sentence: what lies where a folder should be that is not there."""
    try:
        names = sorted(path.name for path in folder.parent.iterdir() if path.is_dir() and path.name[0] != ".")
    except NotADirectoryError:
        return f": {folder.parent} is a file"
    except OSError:
        return f": there is no folder {folder.parent}" if not folder.parent.exists() else ""
    found = f"only {', '.join(names[:4])}{' and more' if len(names) > 4 else ''}" if names else "no folder at all"
    return f": in {folder.parent.resolve().name} there is no {folder.name}, but {found}"


def expand(pattern: str) -> list[str]:
    """Addresses of shards, from one with ranges in braces: `https://…/a-{000..099}.tar` is a hundred.

    Raises CycleganError for a scheme that cannot be read, or a range that is none.
    """
    if not pattern.startswith(("https://", "http://", "hf://")):
        raise CycleganError(f"{pattern} cannot be read: shards are at https://, http:// or hf://, or in a folder")
    fixed = _RANGE.split(pattern)  # text, first, last, text, first, last, ..., text
    if "{" in "".join(fixed[::3]):
        raise CycleganError(f"{pattern} has braces that are no range such as {{000..099}}; correct it")
    ranges = list(zip(fixed[1::3], fixed[2::3], strict=True))
    count = 1
    for first, last in ranges:
        count *= int(last) - int(first) + 1
        if not 0 < count <= MOST_SHARDS:
            raise CycleganError(f"{{{first}..{last}}} is no range of 1 to {MOST_SHARDS:,} shards; correct it")
    numbers = [[f"{n:0{len(first)}d}" for n in range(int(first), int(last) + 1)] for first, last in ranges]
    texts = fixed[::3]
    return [
        texts[0] + "".join(n + text for n, text in zip(chosen, texts[1:], strict=True))
        for chosen in itertools.product(*numbers)
    ]


def local_shards(folder: Path) -> list[str]:
    """The tar files of a folder in the order of their names; none where it holds none."""
    return [str(path) for path in sorted(folder.glob("*.tar"))] if folder.is_dir() else []
