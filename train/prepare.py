"""Cuts aligned crops out of a face set, through the same rooms that the demo uses, into trainA, trainB, testA, testB.

python train/prepare.py utkface UTKFACE_DIR --by sex --ages 18-116 --output crops/gender
python train/prepare.py utkface UTKFACE_DIR --by age --young 18-32 --old 55-80 --output crops/age
python train/prepare.py celeba CELEBA_DIR --attribute Male --output crops/celeba_male
python train/prepare.py selfie2anime SELFIE2ANIME_DIR --men CELEBA_DIR --output crops/anime
"""

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cyclegan_core import images
from cyclegan_core.errors import CycleganError, PictureError
from cyclegan_core.faces.alignment import TIGHT_TEMPLATE, WIDE_TEMPLATE, align
from cyclegan_core.faces.detection import Detector, find_detector, find_faces
from train.data import CROPS_FILE
from train.sources import Labelled, celeba_by_attribute, selfie2anime, utkface_by_age, utkface_by_sex

Template = tuple[tuple[float, float], ...]

BLUR_SIDE = 64  # sharpness is measured at the size that a first stage trains on
# Mean distance between the channels below which a picture counts as grey, in units of 1/255.
GREY_CHROMA = 4.0
# Variance of the Laplacian at BLUR_SIDE, in units of (1/255)^2: UTKFace's blurriest percents lie below.
BLURRED = 60.0


def cut(
    picture: NDArray[np.uint8], detector: Detector, size: int, template: Template = TIGHT_TEMPLATE
) -> tuple[NDArray[np.uint8] | None, str]:
    """The aligned crop, RGB uint8 (size, size, 3), of the largest face, or None and the reason."""
    faces = find_faces(detector, picture)
    if not faces:
        return None, "no face found"
    crop = align(max(faces, key=lambda face: face.width).landmarks, np.array(template), size).crop(picture)
    small = cv2.resize(crop, (BLUR_SIDE, BLUR_SIDE), interpolation=cv2.INTER_AREA)
    if np.ptp(small.astype(np.float32), axis=2).mean() < GREY_CHROMA:
        return None, "grey"
    if cv2.Laplacian(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var() < BLURRED:
        return None, "blurred"
    return crop, ""


def whole(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The middle square of an RGB uint8 (H, W, 3) picture at the size of a crop."""
    side = min(picture.shape[:2])
    top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    square = picture[top : top + side, left : left + side]
    return cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_CUBIC)


def in_test_split(name: str, share: float, seed: int) -> bool:
    """Whether a picture belongs to the test split: decided by its name alone, so that adding pictures moves none."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def prepare(
    pictures: Iterable[Labelled],
    output: Path,
    *,
    size: int,
    test: float,
    seed: int,
    template: Template = TIGHT_TEMPLATE,
) -> Counter[str]:
    """Cuts every labelled picture; returns how many went where and why the others did not.

    A crop that an earlier, interrupted run wrote is kept, so the same command goes on where it stopped.
    """
    detector = find_detector()
    print(f"Detector: {detector.name}", flush=True)
    counts: Counter[str] = Counter()
    seen: set[str] = set()
    for domain in "AB":
        for split in ("train", "test"):
            (output / f"{split}{domain}").mkdir(parents=True, exist_ok=True)
    for item in tqdm(list(pictures), unit=" pictures", smoothing=0.05, disable=None):
        if item.domain is None:
            counts[f"dropped: {item.reason}"] += 1
            continue
        try:
            digest = hashlib.sha256(item.path.read_bytes()).hexdigest()
        except OSError as error:
            tqdm.write(f"{item.path.name} cannot be read: {error.strerror}", file=sys.stderr)
            counts["dropped: unreadable"] += 1
            continue
        if digest in seen:  # the same photo on both sides of the split would leak
            counts["dropped: duplicate"] += 1
            continue
        seen.add(digest)
        split = item.split or ("test" if in_test_split(item.path.name, test, seed) else "train")
        target = output / f"{split}{item.domain}" / f"{item.path.stem}.png"
        if not target.exists():
            try:
                picture = images.load(item.path)
                crop, reason = (whole(picture, size), "") if item.drawn else cut(picture, detector, size, template)
            except PictureError as error:
                tqdm.write(str(error), file=sys.stderr)
                crop, reason = None, "unreadable"
            if crop is None:
                counts[f"dropped: {reason}"] += 1
                continue
            images.save(crop, target)
        counts[f"{split}{item.domain}"] += 1
    return counts


def _range(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    if not (low.isdigit() and high.isdigit() and int(low) <= int(high)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a range like 18-32")
    return int(low), int(high)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from 0 to below 1")
    return value


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("folder", type=Path, help="the set as it was published")
    common.add_argument("--output", type=Path, required=True, help="gets trainA, trainB, testA, testB and crops.json")
    common.add_argument("--size", type=int, default=128, help="side of a crop in pixels (128)")
    common.add_argument("--test", type=_share, default=0.1, help="share of the pictures kept for testing (0.1)")
    common.add_argument("--seed", type=int, default=0, help="which pictures are kept for testing (0)")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sets = parser.add_subparsers(dest="set", required=True)
    utkface = sets.add_parser("utkface", parents=[common], help="pictures named age_sex_race_date.jpg")
    utkface.add_argument("--by", choices=("sex", "age"), default="sex")
    utkface.add_argument("--ages", type=_range, default=(18, 116), help="with --by sex (18-116)")
    utkface.add_argument("--young", type=_range, default=(18, 32), help="domain A with --by age (18-32)")
    utkface.add_argument("--old", type=_range, default=(55, 80), help="domain B with --by age (55-80)")
    celeba = sets.add_parser("celeba", parents=[common], help="img_align_celeba and list_attr_celeba.txt")
    celeba.add_argument("--attribute", default="Male", help="domain A has it, domain B has not (Male)")
    anime = sets.add_parser("selfie2anime", parents=[common], help="trainA, trainB, testA and testB of U-GAT-IT's set")
    anime.add_argument("--men", type=Path, metavar="CELEBA_DIR", help="adds CelebA's men: the selfies show women only")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    try:
        if not 16 <= options.size <= 1024:
            raise CycleganError(f"--size must be 16 to 1024 pixels, not {options.size}")
        template = WIDE_TEMPLATE if options.set == "selfie2anime" else TIGHT_TEMPLATE
        if options.set == "selfie2anime":
            pictures = selfie2anime(options.folder, men=options.men)
        elif options.set == "celeba":
            pictures = celeba_by_attribute(options.folder, attribute=options.attribute)
        elif options.by == "sex":
            pictures = utkface_by_sex(options.folder, ages=options.ages)
        else:
            pictures = utkface_by_age(options.folder, young=options.young, old=options.old)
        counts = prepare(
            pictures, options.output, size=options.size, test=options.test, seed=options.seed, template=template
        )
        described = {
            "template": template,
            "margin": 0.0,
            "size": options.size,
            "test": options.test,
            "seed": options.seed,
            "counts": dict(sorted(counts.items())),
        }
        (options.output / CROPS_FILE).write_text(json.dumps(described, indent=2) + "\n")
    except CycleganError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {options.output.name} cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from here.", file=sys.stderr)
        return 130
    for name, count in sorted(counts.items()):
        print(f"{count:7d}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
