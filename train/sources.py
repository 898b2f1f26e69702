"""Which pictures of a face set belong to domain A and to domain B, read from how the set names or lists them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from cyclegan_core.errors import CycleganError

Domain = Literal["A", "B"]
Split = Literal["train", "test"]
UTKFACE_NAME = re.compile(r"^(?P<age>\d{1,3})_(?P<sex>[01])_(?P<race>[0-4])_\d+\.jpg")


@dataclass(frozen=True)
class Labelled:
    """A picture and the domain that it belongs to; None with the reason where it belongs to neither."""

    path: Path
    domain: Domain | None
    reason: str = ""
    split: Split | None = None  # where the set has a split of its own
    drawn: bool = False  # no photograph: taken as it is, as no detector places the landmarks of a drawing well


def utkface_by_sex(folder: Path, *, ages: tuple[int, int]) -> Iterator[Labelled]:
    """Men as domain A and women as B of a UTKFace folder, of ages from `ages[0]` to `ages[1]`, both included."""
    for path, age, sex in _utkface(folder):
        if not ages[0] <= age <= ages[1]:
            yield Labelled(path, None, "age out of range")
        else:
            yield Labelled(path, "A" if sex == 0 else "B")


def utkface_by_age(folder: Path, *, young: tuple[int, int], old: tuple[int, int]) -> Iterator[Labelled]:
    """The young as domain A and the old as B of a UTKFace folder; ranges include both ends."""
    for path, age, _ in _utkface(folder):
        if young[0] <= age <= young[1]:
            yield Labelled(path, "A")
        elif old[0] <= age <= old[1]:
            yield Labelled(path, "B")
        else:
            yield Labelled(path, None, "age out of range")


def celeba_by_attribute(folder: Path, *, attribute: str) -> Iterator[Labelled]:
    """Pictures with the attribute as domain A and without it as B.

    folder: holds `list_attr_celeba.txt` (a count, the names, then a row of +1 and -1 for each picture) and
    `img_align_celeba/`. Raises CycleganError for a set without them or an attribute that it does not have.
    """
    listing = folder / "list_attr_celeba.txt"
    try:
        lines = listing.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CycleganError(f"{folder.name} holds no readable list_attr_celeba.txt; name CelebA's folder") from error
    names = lines[1].split() if len(lines) > 1 else []
    if attribute not in names:
        raise CycleganError(f"CelebA has no attribute {attribute!r}; it has {', '.join(names) or 'none'}")
    column = names.index(attribute)
    for line in lines[2:]:
        file, *values = line.split()
        path = folder / "img_align_celeba" / file
        if len(values) != len(names):
            yield Labelled(path, None, "malformed row in the list")
        else:
            yield Labelled(path, "A" if values[column] == "1" else "B")


def selfie2anime(folder: Path, *, men: Path | None) -> Iterator[Labelled]:
    """Photographs as domain A and anime faces as B, in the split of selfie2anime: trainA, trainB, testA, testB.

    men: CelebA's folder, whose men are added to domain A, as the selfies are all of women. Raises CycleganError.
    """
    for split in get_args(Split):
        for domain in get_args(Domain):
            paths = sorted((folder / f"{split}{domain}").glob("*.jpg"))
            if not paths:
                raise CycleganError(f"{folder.name} holds no {split}{domain} of .jpg files; name selfie2anime's folder")
            yield from (Labelled(path, domain, split=split, drawn=domain == "B") for path in paths)
    if men is not None:
        yield from (item for item in celeba_by_attribute(men, attribute="Male") if item.domain == "A")


def _utkface(folder: Path) -> Iterator[tuple[Path, int, int]]:
    paths = sorted(folder.glob("*.jpg")) if folder.is_dir() else []
    matches = [(path, UTKFACE_NAME.match(path.name)) for path in paths]
    if not any(match for _, match in matches):
        raise CycleganError(f"{folder.name} holds no UTKFace pictures named age_sex_race_date.jpg; name their folder")
    for path, match in matches:
        if match:
            yield path, int(match["age"]), int(match["sex"])
