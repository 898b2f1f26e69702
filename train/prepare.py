"""Makes trainA, trainB, testA and testB out of a set: aligned crops of faces, or other pictures as they are.

python train/prepare.py utkface UTKFACE_DIR --by sex --ages 18-75 --match --output crops/gender
python train/prepare.py utkface UTKFACE_DIR --by age --young 18-32 --old 55-80 --match --output crops/age
python train/prepare.py celeba CELEBA_DIR --attribute Male,-Eyeglasses --output crops/celeba_male
python train/prepare.py selfie2anime SELFIE2ANIME_DIR --celeba CELEBA_DIR --output crops/anime
python train/prepare.py folder MY_CATS MY_DOGS --test 0.1 --output data/cats2dogs
python train/prepare.py classic horse2zebra --output data/horse2zebra

Faces go through the same rooms that the demo uses. What is kept and dropped, and why, is printed and written into the
output as report.json and contact_sheet.jpg.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cyclegan_core import images
from cyclegan_core.errors import CycleganError, PictureError
from train.data.folders import CROPS_FILE
from train.preparation import cyclegan_datasets as classic
from train.preparation import datasets, report
from train.preparation.cutting import WINDOWS, Cut, Window, as_it_is, face_cutter
from train.preparation.datasets import Labelled
from train.preparation.report import FOLDERS, Report


def prepare(
    pictures: Iterable[Labelled], output: Path, *, test: float | int, seed: int, cutter: Cut, found: Report
) -> None:
    """Makes a file of every labelled picture, and counts in `found` what went where and why others did not.

    What an earlier, interrupted run wrote is kept, so the same command goes on where it stopped.
    """
    items = datasets.in_order(pictures, test, seed)
    named = Counter((item.domain, item.split, _name(item, cutter)) for item in items)
    seen: set[str] = set()
    taken: dict[Path, Labelled] = {}
    tests: Counter[str] = Counter()
    for folder in FOLDERS:
        (output / folder).mkdir(parents=True, exist_ok=True)
    for item in tqdm(items, unit=" pictures", smoothing=0.05, disable=None):
        if item.domain is None:
            found.drop(item.reason, item.path, asked=True)
            continue
        try:
            digest = hashlib.sha256(item.path.read_bytes()).hexdigest()
        except OSError as error:
            tqdm.write(f"{item.path.name} cannot be read: {error.strerror}", file=sys.stderr)
            found.drop("unreadable", item.path)
            continue
        for_test = (
            datasets.in_test_split(item.key, test, seed) if isinstance(test, float) else tests[item.domain] < test
        )
        split = item.split or ("test" if for_test else "train")
        name = _name(item, cutter)
        target = output / f"{split}{item.domain}" / name
        if named[item.domain, item.split, name] > 1 or target in taken:  # another folder has a picture of this name
            target = target.with_name(f"{target.stem}-{digest[:12]}{target.suffix}")
        reason = "duplicate" if digest in seen else ""  # the same photo on both sides of the split would leak
        if not reason and not target.exists():
            other = output / f"{'train' if split == 'test' else 'test'}{item.domain}" / target.name
            if item.split is None and other.is_file() and other not in taken:  # an earlier run had it on that side
                other.replace(target)
            else:
                reason = _make(item, cutter, target)
        if reason:
            found.drop(reason, item.path)
        else:
            taken[target] = item
            tests[item.domain] += split == "test"
            seen.add(digest)
    if isinstance(test, float):
        taken = _settled(taken, datasets.splits(list(taken.values()), test, seed))
    for path in taken:
        found.keep(path.parent.name, path)
    for folder in FOLDERS:  # what an earlier run wrote of files that are gone, or are seen as duplicates now
        for path in (output / folder).iterdir():
            if path not in taken and path.is_file():
                path.unlink()


def _name(item: Labelled, cutter: Cut) -> str:
    return f"{item.path.stem}{item.path.suffix.lower() if cutter is as_it_is else '.png'}"


def _make(item: Labelled, cutter: Cut, target: Path) -> str:
    """Writes the picture, or returns why it is dropped."""
    try:
        picture, reason = cutter(item)
    except PictureError as error:
        tqdm.write(str(error), file=sys.stderr)
        return "unreadable"
    if not reason:
        _write(picture, item.path, target)
    return reason


def _settled(taken: dict[Path, Labelled], splits: list[datasets.Split]) -> dict[Path, Labelled]:
    """Moves the pictures to their sides of the split, and returns where they are then."""
    settled = {}
    for (path, item), split in zip(taken.items(), splits, strict=True):
        place = path.parent.with_name(f"{split}{item.domain}") / path.name
        if place != path and place not in taken:
            path.replace(place)
            path = place
        settled[path] = item
    return settled


def _write(picture: NDArray[np.uint8] | None, source: Path, target: Path) -> None:
    if picture is not None:
        images.save(picture, target)
        return
    partial = target.with_name(f".{target.name}.partial")
    try:
        shutil.copyfile(source, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _range(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    if not (low.isdigit() and high.isdigit() and int(low) <= int(high)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a range like 18-32")
    return int(low), int(high)


def _ratio(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a ratio of at least 1")
    return value


def _share(text: str) -> float | int:
    if re.fullmatch(r"[1-9][0-9]{0,8}", text):
        return int(text)
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a share from 0 to below 1 nor a count")
    return value


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--output", type=Path, required=True, help="gets trainA, trainB, testA, testB and a report")
    common.add_argument("--test", type=_share, default=0.1, help="share, or count a domain, kept for testing (0.1)")
    common.add_argument("--seed", type=int, default=0, help="which pictures are kept for testing (0)")
    common.add_argument("--size", type=int, default=128, help="side of a crop in pixels (128)")
    published = argparse.ArgumentParser(add_help=False, parents=[common])
    published.add_argument("folder", type=Path, help="the set as it was published")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    published.add_argument("--only", type=Path, metavar="FILE", help="use the pictures named in it alone, one a line")
    published.add_argument("--exclude", type=Path, metavar="FILE", help="leave the pictures named in it out")
    sets = parser.add_subparsers(dest="set", required=True)
    utkface = sets.add_parser("utkface", parents=[published], help="pictures named age_sex_race_date.jpg")
    utkface.add_argument("--by", choices=("sex", "age"), default="sex")
    utkface.add_argument("--ages", type=_range, default=(18, 116), help="with --by sex (18-116)")
    utkface.add_argument("--young", type=_range, default=(18, 32), help="domain A with --by age (18-32)")
    utkface.add_argument("--old", type=_range, default=(55, 80), help="domain B with --by age (55-80)")
    utkface.add_argument("--sex", choices=get_args(datasets.Sex), help="with --by age: of one sex alone (both)")
    utkface.add_argument(
        "--match", nargs="?", type=_ratio, const=1.3, metavar="RATIO",
        help="make the domains alike in the labels that are not the subject (age and ancestry, or sex and ancestry): "
        "at most so many in one for each in the other (1.3)",
    )  # fmt: skip
    celeba = sets.add_parser("celeba", parents=[published], help="img_align_celeba and list_attr_celeba.txt")
    celeba.add_argument("--attribute", default="Male", help="what domain A has, such as Male,-Eyeglasses (Male)")
    celeba.add_argument("--against", help="what domain B has (what differs from A in the first attribute alone)")
    anime = sets.add_parser("selfie2anime", parents=[published], help="trainA, trainB, testA and testB of U-GAT-IT")
    anime.add_argument("--celeba", type=Path, metavar="CELEBA_DIR", help="adds its people: selfies show young women")
    anime.add_argument(
        "--attributes", type=lambda text: text.split(";"), default=[], metavar="A;B", help="which of them, such as "
        "'Male;-Male,-Young': men, and women who are not young (all)",
    )  # fmt: skip
    anime.add_argument(
        "--utkface", type=Path, metavar="UTKFACE_DIR", help="adds people of every sex, age and skin tone evenly"
    )
    anime.add_argument("--each", type=int, default=25, metavar="N", help="of them, at most so many of a group (25)")
    folder = sets.add_parser("folder", parents=[common], help="two folders of anything, or one that holds both")
    folder.add_argument("folder", type=Path, metavar="DIR_A", help="domain A; or trainA and trainB, or A and B in it")
    folder.add_argument("folder_b", type=Path, metavar="DIR_B", nargs="?", help="domain B")
    folder.add_argument("--faces", choices=tuple(WINDOWS), default="no", help="cut faces out, without or with hair")
    named = sets.add_parser("classic", parents=[common], help="a set of the CycleGAN paper, downloaded")
    named.add_argument("name", choices=classic.NAMES)
    named.add_argument(
        "--mirror", default=os.environ.get(classic.MIRROR_VARIABLE, classic.ADDRESS), help="where NAME.zip lies"
    )
    return parser.parse_args(arguments)


def _window(options: argparse.Namespace) -> Window | None:
    """How faces are cut out of this set; None where pictures are taken as they are."""
    ways = {"selfie2anime": "head", "classic": "no", "folder": getattr(options, "faces", "")}
    return WINDOWS[ways.get(options.set, "tight")]


def _labelled(options: argparse.Namespace) -> Iterable[Labelled]:
    """The pictures that are asked for. Raises CycleganError."""
    pictures = _of_set(options)
    lists = {name: vars(options).get(name) for name in ("only", "exclude")}
    if any(lists.values()):
        pictures = datasets.chosen(pictures, **{name: file and datasets.listed(file) for name, file in lists.items()})
    ratio = vars(options).get("match")
    return datasets.matched(pictures, ratio, options.seed) if ratio else pictures


def _of_set(options: argparse.Namespace) -> Iterable[Labelled]:
    match options.set:
        case "selfie2anime":
            return datasets.selfie2anime(
                options.folder, celeba=options.celeba, attributes=options.attributes, utkface=options.utkface,
                each=options.each, seed=options.seed,
            )  # fmt: skip
        case "celeba":
            return datasets.celeba_by_attribute(options.folder, attribute=options.attribute, against=options.against)
        case "folder":
            return datasets.folders(options.folder, options.folder_b)
        case "classic":
            return datasets.folders(classic.fetch(options.name, options.output, mirror=options.mirror))
    if options.by == "sex":
        if options.sex:
            raise CycleganError("--sex goes with --by age; with --by sex both sexes are needed")
        return datasets.utkface_by_sex(options.folder, ages=options.ages)
    return datasets.utkface_by_age(options.folder, young=options.young, old=options.old, sex=options.sex)


def _made_by(options: argparse.Namespace, window: Window | None) -> dict[str, object]:
    """What decides which picture goes where and how it looks."""
    told = json.loads(json.dumps(vars(options), default=lambda path: str(path.resolve())))
    places = [told.pop(name, None) for name in ("folder", "folder_b", "celeba", "utkface", "only", "exclude")]
    for name in ("output", "mirror", *(() if window else ("size",))):
        told.pop(name, None)
    # A hash, as nobody who gets the set needs to know where on this machine it came from.
    return {**told, "source": hashlib.sha256(json.dumps(places).encode()).hexdigest()[:12]}


def _refuse_output(options: argparse.Namespace, made_by: dict[str, object]) -> None:
    """Raises CycleganError where the output is no place for these pictures."""
    output: Path = options.output
    if output.exists() and not output.is_dir():
        raise CycleganError(f"--output {output.name} is a file; name a folder")
    mine = output.resolve()
    for place in (vars(options).get(name) for name in ("folder", "folder_b")):
        theirs = place.resolve() if place else None
        if theirs and (
            mine == theirs or (options.set == "folder" and (mine in theirs.parents or theirs in mine.parents))
        ):
            raise CycleganError(f"--output {output.name} overlaps with the set; name a folder apart from it")
    report.refuse_a_mixture(output, made_by)


def _run(options: argparse.Namespace) -> None:
    output: Path = options.output
    window = _window(options)
    made_by = _made_by(options, window)
    _refuse_output(options, made_by)
    pictures = list(_labelled(options))
    output.mkdir(parents=True, exist_ok=True)
    found = Report(made_by)
    found.begin(output)
    cutter = face_cutter(options.size, window) if window else as_it_is
    prepare(pictures, output, test=options.test, seed=options.seed, cutter=cutter, found=found)
    if window:
        described = asdict(window) | {
            "margin": 0.0,
            "size": options.size,
            "test": options.test,
            "seed": options.seed,
            "counts": dict(sorted(found.counts.items())),
        }
        (output / CROPS_FILE).write_text(json.dumps(described, indent=2) + "\n")
    found.finish(output)
    print("\n".join(found.lines()))
    print(f"Look at {output.name}/{report.SHEET_FILE}; {output.name}/{report.REPORT_FILE} lists what was dropped")
    if options.set == "classic":
        classic.clean(output)
    for domain in "AB":
        if not found.counts[f"train{domain}"] and (tests := found.counts[f"test{domain}"]):
            raise CycleganError(
                f"no picture was left for train{domain}, as all {tests:,} that can be used are for testing; give a"
                " smaller --test and another --output"
            )
    if empty := [f"train{domain}" for domain in "AB" if not found.counts[f"train{domain}"]]:
        raise CycleganError(f"no picture was left for {' and '.join(empty)}; the report says why")


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    for name in ("output", "folder", "folder_b", "celeba", "only", "exclude"):
        if place := vars(options).get(name):
            setattr(options, name, place.absolute())  # so that `.` has a name for messages
    try:
        if not 16 <= options.size <= 1024:
            raise CycleganError(f"--size must be 16 to 1024 pixels, not {options.size}")
        _run(options)
    except CycleganError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {options.output.name} cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from here.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
