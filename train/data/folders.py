"""Two unpaired domains as endless batches: folders of pictures, decoded once, or shards that are read as a stream."""

import json
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cyclegan_core import images
from cyclegan_core.errors import CycleganError, PictureError
from cyclegan_core.translations.config import LARGEST_CROP, Crop
from train.data.cache import cached_pictures
from train.data.domain import Domain
from train.data.folder_domains import CachedFolder, FreshFolder, held_out_rows, readable
from train.data.listing import listed, picture_files, relative_names, source
from train.data.preprocess import Preprocess, square
from train.data.streams import Stream, held_out_pictures

CROPS_FILE = "crops.json"  # beside trainA, trainB, testA and testB


def open_domain(
    data: Path,
    split: str,
    size: int,
    *,
    seed: int,
    rank: int = 0,
    world: int = 1,
    device: torch.device,
    holdout: float = 0.0,
    preprocess: Preprocess | None = None,
    on_main_process: Callable[[Callable[[], int]], int] = lambda measure: measure(),
) -> Domain:
    """The pictures of `data/split` (`trainA`, `trainB`, ...) as batches on the device, in an order of their own.

    `data/split` is a folder of pictures or of WebDataset shards (*.tar), or `data/sources.json` names its place:
    {"trainA": "hf://datasets/org/name/a-{000..099}.tar"}, an https address, or another folder.

    size: pixels that the networks see; the pictures come at `stored_size`, or at that of `preprocess`. rank, world:
    this process among all. holdout: share of the pictures that `validation_pictures` returns and that is never handed
    out here. preprocess: None for the middles of the pictures.
    on_main_process: calls a function in the main process and returns its value in all of them; needed where world > 1,
    so that one process measures and the others do not. Raises CycleganError.
    """
    side = _side(data, size, preprocess)
    place = source(data, split)
    if isinstance(place, Path):
        how: dict[str, Any] = {"rank": rank, "world": world, "device": device, "holdout": _share(holdout)}
        if preprocess is not None:
            return FreshFolder(place, preprocess, seed=f"{seed}:{split}", **how)
        return CachedFolder(place, side, seed=f"{seed}:{split}", **how)
    return Stream(
        place, side, seed=f"{seed}:{split}", rank=rank, world=world, device=device, holdout=_share(holdout) > 0,
        preprocess=preprocess, on_main_process=on_main_process,
    )  # fmt: skip


def validation_pictures(
    data: Path, split: str, size: int, *, seed: int, holdout: float, preprocess: Preprocess | None = None
) -> Tensor:
    """What `open_domain` holds out: uint8 (N, 3, S, S) on the CPU, at most 256, none of fewer than 20 pictures."""
    side = _side(data, size, preprocess)
    place = source(data, split)
    if isinstance(place, Path) and preprocess is not None:
        files = picture_files(place)
        chosen = [files[row] for row in held_out_rows(relative_names(files, place), _share(holdout), f"{seed}:{split}")]
        return readable(chosen, preprocess.square, side)
    if isinstance(place, Path):
        cached = cached_pictures(picture_files(place), side, place)
        return torch.from_numpy(cached.pictures[held_out_rows(cached.names, _share(holdout), f"{seed}:{split}")])
    return held_out_pictures(place, side, preprocess) if holdout else torch.empty((0, 3, side, side), dtype=torch.uint8)


def read_crop(data: Path, size: int) -> Crop | None:
    """The template that the pictures in `data` were cut with, or None for whole pictures. Raises CycleganError."""
    described = _described(data)
    if described is None:
        return None
    template = tuple((float(x), float(y)) for x, y in described["template"])
    margin, aspect = float(described["margin"]), float(described.get("aspect", 1.0))
    return Crop(size, template, margin, aspect, matte=bool(described.get("matte", False)))


def stored_size(data: Path, size: int) -> int:
    """The side that pictures are kept at: a multiple of `size` up to the prepared one, so that shrinking is exact."""
    described = _described(data)
    return size * max(1, described["size"] // size) if described else size


def _side(data: Path, size: int, preprocess: Preprocess | None) -> int:
    """The side that pictures of `data` come at. Raises CycleganError for crops of faces that are to be cut again."""
    if preprocess is None:
        return stored_size(data, size)
    if _described(data):
        raise CycleganError(
            f"the pictures in {data.resolve().name} are crops of faces, which the networks see whole: set "
            f"preprocess=center_crop instead of {preprocess.rule} (zoom and shift move them a little)"
        )
    return preprocess.size


def prepared_size(data: Path) -> int | None:
    """The side of the crops that train/prepare.py made, None for other pictures. Raises CycleganError."""
    described = _described(data)
    return int(described["size"]) if described else None


def _described(data: Path) -> dict[str, Any] | None:
    """What train/prepare.py says of its crops; None where it did not make them."""
    try:
        described = json.loads((data / CROPS_FILE).read_text(encoding="utf-8"))
        _check_described(described)
    except (FileNotFoundError, NotADirectoryError):  # whoever wants its pictures says that there are none
        return None
    except (OSError, ValueError, RecursionError) as error:
        name = data.resolve().name
        raise CycleganError(f"{name}/{CROPS_FILE} cannot be read ({error}); prepare the crops again") from error
    return described


def _check_described(described: Any) -> None:
    """Raises ValueError that says what is wrong. The limits are those of a translation's config, where it ends up."""

    def is_number(value: Any, low: float, high: float) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high

    if not isinstance(described, dict):
        raise ValueError("it is not a JSON object")
    for name in ("template", "size", "margin"):
        if name not in described:
            raise ValueError(f"it has no {name}")
    template, size = described["template"], described["size"]
    points = [p for p in template if isinstance(p, list) and len(p) == 2] if isinstance(template, list) else []
    numbers = [number for point in points for number in point if is_number(number, -1, 2)]
    if len(numbers) != 10 or len(template) != 5:
        raise ValueError("its template is not five [x, y] pairs of numbers")
    if math.dist(points[0], points[1]) < 0.02:
        raise ValueError("its template has both eyes at one place")
    if not isinstance(size, int) or not is_number(size, 1, LARGEST_CROP):
        raise ValueError(f"its size is not a whole number from 1 to {LARGEST_CROP}")
    if not is_number(described["margin"], 0, 2):
        raise ValueError("its margin is not a number from 0 to 2")
    if not is_number(described.get("aspect", 1.0), 0.5, 2):
        raise ValueError("its aspect is not a number from 0.5 to 2")


def spread_pictures(folder: Path, size: int, count: int, preprocess: Preprocess | None = None) -> Tensor:
    """At most `count` pictures for a sheet, evenly spread over the sorted files: uint8 (N, 3, size, size).

    Only these are decoded; for one that cannot be read the next one stands in. (0, 3, size, size) where the folder is
    missing or holds no picture. preprocess: None for the middles of the pictures.
    """
    files = listed(folder)
    number = min(count, len(files))
    chosen: dict[int, Tensor] = {}
    tried: set[int] = set()
    for slot in range(number):
        row = slot * (len(files) - 1) // max(number - 1, 1)
        while len(chosen) <= slot and len(tried) < len(files):
            while row in tried:
                row = (row + 1) % len(files)
            tried.add(row)
            with suppress(PictureError):
                picture = images.load(files[row])
                cut = preprocess.square(picture) if preprocess else square(picture, size)
                chosen[row] = torch.from_numpy(cut.transpose(2, 0, 1).copy())
    if not chosen:
        return torch.empty((0, 3, size, size), dtype=torch.uint8)
    return torch.stack([chosen[row] for row in sorted(chosen)])


def load_pictures(folder: Path, size: int) -> Tensor:
    """All pictures of a folder as uint8 (N, 3, size, size), their middle squares. Skips unreadable ones."""
    pictures = readable(picture_files(folder), lambda picture: square(picture, size), size)
    if not len(pictures):
        raise CycleganError(f"no picture of {folder} can be read")
    return pictures


def to_float(pictures: Tensor) -> Tensor:
    """Uint8 (B, 3, H, W) to float32 in [-1, 1]."""
    return pictures.float() / 127.5 - 1


def _share(holdout: float) -> float:
    if not 0 <= holdout < 1:
        raise CycleganError(f"the share held out for validation must be from 0 to below 1, not {holdout}")
    return holdout
