"""Which pictures of a set belong to domain A and to domain B, read from how the set names, lists or files them.

And which of them are kept for testing: decided by their names.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from cyclegan_core import images
from cyclegan_core.errors import CycleganError
from train.preparation.labels import ANCESTRIES, person

Domain = Literal["A", "B"]
Split = Literal["train", "test"]
Sex = Literal["male", "female"]
UTKFACE_NAME = re.compile(r"^(?P<age>\d{1,3})_(?P<sex>[01])_(?P<race>[0-4])_\d+\.jpg")
UTKFACE_SEX: dict[str, Sex] = {"0": "male", "1": "female"}
AGE_BAND = 8  # years
FEWEST_TESTS = 8  # pictures of a domain, or a fifth of a small one: a share may come to none of them


@dataclass(frozen=True)
class Labelled:
    """A picture and the domain that it belongs to; None with the reason where it belongs to neither."""

    path: Path
    domain: Domain | None
    reason: str = ""
    split: Split | None = None  # where the set has a split of its own
    drawn: bool = False  # no photograph: taken as it is, as no detector places the landmarks of a drawing well
    within: str = ""  # its path within the domain's folder, where that is more than its name
    person: str = ""  # who it shows, where the set tells: all pictures of a person are on one side of the split
    stratum: str = ""  # its labels that are not the subject, where the set has them: what `matched` evens out

    @property
    def key(self) -> str:
        """The text whose hash decides whether it is for training or for testing."""
        return self.person or self.within or self.path.name


def in_test_split(key: str, share: float, seed: int) -> bool:
    """Whether a picture belongs to the test split: decided by its key alone, so that adding pictures moves none.

    Pictures of the same key in both domains, as pairs have, are on the same side of the split.
    """
    return _hash(key, seed) < share * 2**64


def _hash(key: str, seed: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{key}".encode(errors="surrogateescape")).digest()[:8], "big")


def in_order(pictures: Iterable[Labelled], test: float | int, seed: int) -> list[Labelled]:
    """The pictures in the order in which they are cut: by a hash of their keys where `test` is a count.

    The first ones that are kept of each domain are then for testing, so that there are as many as were asked for.
    Raises CycleganError where a count leaves none for training.
    """
    items = list(pictures)
    if isinstance(test, float):
        return items
    for domain in get_args(Domain):
        free = sum(item.domain == domain and item.split is None for item in items)
        if free and test >= free:
            raise CycleganError(f"--test {test} leaves none of the {free:,} pictures of {domain} for training")
    return sorted(items, key=lambda item: (_hash(item.key, seed), str(item.path)))


def splits(kept: Sequence[Labelled], share: float, seed: int) -> list[Split]:
    """For each of the pictures that were kept its side, where a share is for testing.

    It is that of `in_test_split`, but where the share comes to fewer than FEWEST_TESTS of a domain, and to less than a
    fifth, the next keys in the order of the hash fill up, with their pairs in the other domain. So in a small set, and
    there alone, a picture that is added may move others: it makes the fifth larger, or comes before one that fills up.
    At least one picture of a domain is for training. A share of 0 keeps none for testing.
    """
    testing = {item.key for item in kept if in_test_split(item.key, share, seed)}
    ranked = sorted((item for item in kept if item.split is None), key=lambda item: _hash(item.key, seed))
    for domain in get_args(Domain):
        own = [item for item in kept if item.domain == domain]
        tests = sum(item.split == "test" or (item.split is None and item.key in testing) for item in own)
        fewest = min(FEWEST_TESTS, -(-len(own) // 5), len(own) - 1) if share else 0
        for item in ranked:
            if tests < fewest and item.domain == domain and item.key not in testing:
                testing.add(item.key)
                tests += 1
    sides: list[Split] = [item.split or ("test" if item.key in testing else "train") for item in kept]
    for domain in get_args(Domain):
        if not any(item.domain == domain and side == "train" for item, side in zip(kept, sides, strict=True)):
            last = [item for item in ranked if item.domain == domain][-1:]
            sides = ["train" if item in last else side for item, side in zip(kept, sides, strict=True)]
    return sides


def matched(pictures: Iterable[Labelled], ratio: float, seed: int) -> Iterator[Labelled]:
    """The pictures, of which no stratum has more than `ratio` times as many in one domain as in the other.

    Then the domains differ in the subject and in little else, and a translation learns the subject alone. Which ones
    are left out is decided by a hash of their names, another one than decides the split, which would else keep all test
    pictures. A ratio below 1 makes no sense.
    """
    items = list(pictures)
    members: dict[tuple[str, str], list[Labelled]] = {}
    for item in sorted((i for i in items if i.domain), key=lambda i: _hash(f"matched {i.key}", seed)):
        members.setdefault((item.stratum, item.domain or ""), []).append(item)
    kept: set[int] = set()
    for (stratum, domain), own in members.items():
        others = members.get((stratum, "B" if domain == "A" else "A"), [])
        kept.update(id(item) for item in own[: int(ratio * len(others))])
    for item in items:
        known = item.domain is None or id(item) in kept
        yield item if known else replace(item, domain=None, reason="matched by another one")


def listed(file: Path) -> set[str]:
    """Names of pictures from a file with one a line; lines that begin with # are for people. Raises CycleganError."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CycleganError(f"{file.name} cannot be read as a list of names; check the name") from error
    return {line.strip() for line in lines if line.strip() and not line.startswith("#")}


def chosen(pictures: Iterable[Labelled], *, only: set[str] | None, exclude: set[str] | None) -> Iterator[Labelled]:
    """The pictures, of which those that are not in `only`, or are in `exclude`, belong to no domain."""
    for item in pictures:
        out = (only is not None and item.path.name not in only) or (exclude is not None and item.path.name in exclude)
        yield replace(item, domain=None, reason="not in the list") if out and item.domain else item


def utkface_by_sex(folder: Path, *, ages: tuple[int, int]) -> Iterator[Labelled]:
    """Men as domain A and women as B of a UTKFace folder, of ages from `ages[0]` to `ages[1]`, both included."""
    for path, age, sex, ancestry in _utkface(folder):
        if not ages[0] <= age <= ages[1]:
            yield Labelled(path, None, "age out of range")
        else:
            band = age // AGE_BAND * AGE_BAND
            stratum = f"{band} to {band + AGE_BAND - 1} years, {ancestry}"
            yield Labelled(path, "A" if sex == "male" else "B", stratum=stratum)


def utkface_by_age(
    folder: Path, *, young: tuple[int, int], old: tuple[int, int], sex: Sex | None = None
) -> Iterator[Labelled]:
    """The young as domain A and the old as B of a UTKFace folder; ranges include both ends; of one sex or of both."""
    for path, age, its_sex, ancestry in _utkface(folder):
        if sex not in (None, its_sex):
            yield Labelled(path, None, "another sex")
        elif young[0] <= age <= young[1]:
            yield Labelled(path, "A", stratum=f"{its_sex}, {ancestry}")
        elif old[0] <= age <= old[1]:
            yield Labelled(path, "B", stratum=f"{its_sex}, {ancestry}")
        else:
            yield Labelled(path, None, "age out of range")


def celeba_by_attribute(folder: Path, *, attribute: str, against: str | None = None) -> Iterator[Labelled]:
    """Pictures with all of the attributes as domain A, and those of `against` as domain B.

    folder: holds `list_attr_celeba.txt` (a count, the names, then a row of +1 and -1 for each picture) and
    `img_align_celeba/`. attribute, against: names joined by commas; a minus before one asks that a picture has it not.
    Without `against`, B is what differs from A in the first attribute alone: `Male,-Eyeglasses` puts men without
    glasses against women without glasses. Where `identity_CelebA.txt` lies beside the list, nobody is on both sides of
    the split. Raises CycleganError for a set without these files, an attribute that it does not have, or domains that
    overlap.
    """
    listing = folder / "list_attr_celeba.txt"
    try:
        lines = listing.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CycleganError(f"{folder.name} holds no readable list_attr_celeba.txt; name CelebA's folder") from error
    names = lines[1].split() if len(lines) > 1 else []
    a = _combination(attribute, names)
    if against is not None:
        b = _combination(against, names)
    else:
        first = next(iter(a))
        b = {**a, first: not a[first]}
    if all(a[name] == b[name] for name in a.keys() & b.keys()):
        raise CycleganError(f"a picture can be both {attribute} and {against}; name an attribute that tells them apart")
    people = _celeba_people(folder)
    for line in lines[2:]:
        if not line.strip():
            continue
        file, *values = line.split()
        path = folder / "img_align_celeba" / file
        if len(values) != len(names):
            yield Labelled(path, None, "malformed row in the list")
            continue
        has = {name: value == "1" for name, value in zip(names, values, strict=True)}
        if all(has[name] == wanted for name, wanted in a.items()):
            yield Labelled(path, "A", person=people.get(file, ""))
        elif all(has[name] == wanted for name, wanted in b.items()):
            yield Labelled(path, "B", person=people.get(file, ""))
        else:
            yield Labelled(path, None, "other attributes")


def _celeba_people(folder: Path) -> dict[str, str]:
    """Who each picture of CelebA shows; nothing without the list, which is published apart from the others."""
    listing = folder / "identity_CelebA.txt"
    try:
        rows = [line.split() for line in listing.read_text(encoding="utf-8").splitlines()] if listing.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        raise CycleganError(f"{listing.name} cannot be read; mend it or take it away") from error
    return {row[0]: f"person {row[1]}" for row in rows if len(row) == 2}


def utkface_evenly(folder: Path, *, each: int, seed: int) -> Iterator[Labelled]:
    """At most `each` pictures for every sex, band of ages and ancestry of a UTKFace folder, as domain A.

    Which ones is decided by a hash of their names, and not by the one that decides the split. Raises CycleganError for
    a folder without UTKFace's pictures.
    """
    taken: Counter[tuple[str, ...]] = Counter()
    for path in sorted((path for path, *_ in _utkface(folder)), key=lambda path: _hash(f"evenly {path.name}", seed)):
        who = person(path.name)
        group = (who.sex, who.band, who.ancestry) if who else ()
        if who and taken[group] < each:
            taken[group] += 1
            yield Labelled(path, "A", stratum=", ".join(group))


def selfie2anime(
    folder: Path,
    *,
    celeba: Path | None = None,
    attributes: Sequence[str] = (),
    utkface: Path | None = None,
    each: int = 25,
    seed: int = 0,
) -> Iterator[Labelled]:
    """Photographs as domain A and anime faces as B, in the split of selfie2anime: trainA, trainB, testA, testB.

    celeba: CelebA's folder, whose people are added to domain A, as the selfies are nearly all of young women.
    attributes: which of them, each as `celeba_by_attribute` takes it (`Male`, `-Male,-Young`); none: all. utkface:
    UTKFace's folder, of which `utkface_evenly` adds children, old people and all skin tones. Raises CycleganError.
    """
    for split in get_args(Split):
        for domain in get_args(Domain):
            paths = sorted((folder / f"{split}{domain}").glob("*.jpg"))
            if not paths:
                raise CycleganError(f"{folder.name} holds no {split}{domain} of .jpg files; name selfie2anime's folder")
            yield from (Labelled(path, domain, split=split, drawn=domain == "B") for path in paths)
    if celeba is not None:
        taken: set[Path] = set()
        for attribute in attributes or ("Male", "-Male"):
            for item in celeba_by_attribute(celeba, attribute=attribute):
                if item.domain == "A" and item.path not in taken:
                    taken.add(item.path)
                    yield item
    if utkface is not None:
        yield from utkface_evenly(utkface, each=each, seed=seed)


def folders(a: Path, b: Path | None = None) -> Iterator[Labelled]:
    """The pictures of two folders, with all that is in them, as domains A and B.

    One folder holds both: as `trainA` and `trainB`, with `testA` and `testB` where the set is split already, or as `A`
    and `B`. Raises CycleganError where there are no pictures or the two folders share some.
    """
    if b is not None:
        if a.resolve() == b.resolve() or {a.resolve(), b.resolve()} & {*a.resolve().parents, *b.resolve().parents}:
            raise CycleganError(f"{a.name} and {b.name} share pictures; name two folders apart from each other")
        for folder, domain in ((a, "A"), (b, "B")):
            for path in _pictures(folder):
                yield Labelled(path, domain, within=path.relative_to(folder).as_posix())  # type: ignore[arg-type]
        return
    if (a / "trainA").is_dir() or (a / "testA").is_dir():
        yield from _split_folders(a)
    elif (a / "A").is_dir() and (a / "B").is_dir():
        yield from folders(a / "A", a / "B")
    else:
        raise CycleganError(f"{a.name} holds neither trainA and trainB nor A and B; name two folders of pictures")


def _split_folders(folder: Path) -> Iterator[Labelled]:
    for domain in get_args(Domain):
        # A set with validation pictures keeps them for whoever tunes by them; here they are tests.
        tests = [path for name in ("test", "val") for path in _listed(folder / f"{name}{domain}")]
        for path in _listed(training := folder / f"train{domain}"):
            within = path.relative_to(training).as_posix()
            yield Labelled(path, domain, split="train" if tests else None, within=within)
        yield from (Labelled(path, domain, split="test") for path in tests)


def _pictures(folder: Path) -> list[Path]:
    """The pictures of a folder and of the folders in it. Raises CycleganError where there are none."""
    if not folder.is_dir():
        if folder.is_file():
            raise CycleganError(f"{folder.name} is a file; name the folder that it is in")
        raise CycleganError(f"there is no folder {folder}; check the name")
    files = _listed(folder)
    if not files:
        raise CycleganError(f"{folder.name} holds no pictures that can be read here; name another folder")
    return files


def _listed(folder: Path) -> list[Path]:
    """Files with a picture's suffix, hidden ones left out, in the order of their names."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in images.SUFFIXES
        and (path.is_file() or path.is_symlink())  # one that leads nowhere is reported
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def _combination(text: str, names: list[str]) -> dict[str, bool]:
    """What each attribute of `Male,-Eyeglasses` must be."""
    wanted: dict[str, bool] = {}
    for term in (part.strip() for part in text.split(",")):
        name = term.removeprefix("-")
        if name not in names:
            raise CycleganError(f"CelebA has no attribute {name!r}; it has {', '.join(names) or 'none'}")
        if name in wanted:
            raise CycleganError(f"{name} is named twice in {text}; name it once")
        wanted[name] = not term.startswith("-")
    return wanted


def _utkface(folder: Path) -> Iterator[tuple[Path, int, Sex, str]]:
    paths = sorted(folder.glob("*.jpg")) if folder.is_dir() else []
    matches = [(path, UTKFACE_NAME.match(path.name)) for path in paths]
    if not any(match for _, match in matches):
        raise CycleganError(f"{folder.name} holds no UTKFace pictures named age_sex_race_date.jpg; name their folder")
    for path, match in matches:
        if match:
            yield path, int(match["age"]), UTKFACE_SEX[match["sex"]], ANCESTRIES[int(match["race"])]
