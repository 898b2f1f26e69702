"""Two unpaired domains as endless batches: folders of pictures, decoded once, or shards that are read as a stream."""

import hashlib
import json
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cyclegan_core import images
from cyclegan_core.errors import CycleganError, PictureError
from cyclegan_core.translations.config import LARGEST_CROP, Crop
from train.data.cache import cached_pictures, square
from train.data.domain import Domain, State, seeded
from train.data.listing import fingerprint, listed, picture_files, source, unread_folders
from train.data.streams import Stream, held_out_pictures

CROPS_FILE = "crops.json"  # beside trainA, trainB, testA and testB
MOST_HELD_OUT = 256  # pictures of a domain that validation looks at
FEWEST = 20  # files; of fewer, none is held out


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
    on_main_process: Callable[[Callable[[], int]], int] = lambda measure: measure(),
) -> Domain:
    """The pictures of `data/split` (`trainA`, `trainB`, ...) as batches on the device, in an order of their own.

    `data/split` is a folder of pictures or of WebDataset shards (*.tar), or `data/sources.json` names its place:
    {"trainA": "hf://datasets/org/name/a-{000..099}.tar"}, an https address, or another folder.

    size: pixels that the networks see; the pictures come at `stored_size`. rank, world: this process among all.
    holdout: share of the pictures that `validation_pictures` returns and that is never handed out here.
    on_main_process: calls a function in the main process and returns its value in all of them; needed where world > 1,
    so that one process measures and the others do not. Raises CycleganError.
    """
    side = stored_size(data, size)
    place = source(data, split)
    if isinstance(place, Path):
        return Folder(
            place, side, seed=f"{seed}:{split}", rank=rank, world=world, device=device, holdout=_share(holdout)
        )
    return Stream(
        place, side, seed=f"{seed}:{split}", rank=rank, world=world, device=device, holdout=_share(holdout) > 0,
        on_main_process=on_main_process,
    )  # fmt: skip


def validation_pictures(data: Path, split: str, size: int, *, seed: int, holdout: float) -> Tensor:
    """What `open_domain` holds out: uint8 (N, 3, S, S) on the CPU, at most 256, none of fewer than 20 pictures."""
    side = stored_size(data, size)
    place = source(data, split)
    if isinstance(place, Path):
        cached = cached_pictures(picture_files(place), side, place)
        return torch.from_numpy(cached.pictures[_held_out(cached.names, _share(holdout), f"{seed}:{split}")])
    return held_out_pictures(place, side) if holdout else torch.empty((0, 3, side, side), dtype=torch.uint8)


def read_crop(data: Path, size: int) -> Crop | None:
    """The template that the pictures in `data` were cut with, or None for whole pictures. Raises CycleganError."""
    described = _described(data)
    if described is None:
        return None
    return Crop(size, tuple((float(x), float(y)) for x, y in described["template"]), float(described["margin"]))


def stored_size(data: Path, size: int) -> int:
    """The side that pictures are kept at: a multiple of `size` up to the prepared one, so that shrinking is exact."""
    described = _described(data)
    return size * max(1, described["size"] // size) if described else size


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


def spread_pictures(folder: Path, size: int, count: int) -> Tensor:
    """At most `count` pictures for a sheet, evenly spread over the sorted files: uint8 (N, 3, size, size).

    Only these are decoded; for one that cannot be read the next one stands in. (0, 3, size, size) where the folder is
    missing or holds no picture.
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
                chosen[row] = torch.from_numpy(square(images.load(files[row]), size).transpose(2, 0, 1).copy())
    if not chosen:
        return torch.empty((0, 3, size, size), dtype=torch.uint8)
    return torch.stack([chosen[row] for row in sorted(chosen)])


def load_pictures(folder: Path, size: int) -> Tensor:
    """All pictures of a folder as uint8 (N, 3, size, size), their middle squares. Skips unreadable ones."""
    pictures = []
    for path in picture_files(folder):
        try:
            pictures.append(square(images.load(path), size).transpose(2, 0, 1))
        except PictureError as error:
            print(f"skipped: {error}", flush=True)
    if not pictures:
        raise CycleganError(f"no picture of {folder} can be read")
    return torch.from_numpy(np.stack(pictures))


def to_float(pictures: Tensor) -> Tensor:
    """Uint8 (B, 3, H, W) to float32 in [-1, 1]."""
    return pictures.float() / 127.5 - 1


class ShuffledIndices:
    """Endless indices below `count`, each once in every pass, in a new order for every pass.

    The order of a pass depends on the seed and its number alone, so that three values are the whole state.
    """

    def __init__(self, count: int, seed: int | str) -> None:
        self.count, self.seed = count, seed
        self.passes = self.position = 0
        self._order = self._shuffle()

    def _shuffle(self) -> Tensor:
        return torch.randperm(self.count, generator=seeded(self.seed, self.passes))

    def take(self, number: int) -> Tensor:
        parts = []
        while number:
            if self.position == self.count:
                self.passes, self.position = self.passes + 1, 0
                self._order = self._shuffle()
            part = self._order[self.position : self.position + number]
            self.position += len(part)
            number -= len(part)
            parts.append(part)
        return torch.cat(parts)

    def state_dict(self) -> State:
        return {"seed": self.seed, "passes": self.passes, "position": self.position}

    def load_state_dict(self, state: State) -> None:
        self.seed, self.passes, self.position = state["seed"], state["passes"], state["position"]
        self._order = self._shuffle()


class Folder(Domain):
    """A folder of pictures. The order of all processes' batches together does not depend on how many they are."""

    def __init__(
        self, folder: Path, side: int, *, seed: str, rank: int, world: int, device: torch.device, holdout: float
    ) -> None:
        files = picture_files(folder)
        cached = cached_pictures(files, side, folder)
        held_out = set(_held_out(cached.names, holdout, seed))
        rows = torch.tensor([row for row in range(len(cached.names)) if row not in held_out])
        on_device = device.type == "cuda" and 4 * cached.pictures.nbytes < torch.cuda.mem_get_info(device)[0]
        super().__init__(side, count=len(rows), device=device, ahead=not on_device)
        self.skipped = cached.skipped + unread_folders(folder)
        self._files = fingerprint(files, folder)
        self._name, self._rows, self._rank, self._world = folder.name, rows, rank, world
        self._pictures = cached.pictures
        self._resident = _copied(cached.pictures, device) if on_device else None
        self._sampler = ShuffledIndices(len(rows), seed)

    def _read(self, number: int) -> Tensor:
        chosen = self._rows[self._sampler.take(number * self._world)[self._rank * number :][:number]]
        if self._resident is not None:
            return self._resident[chosen.pin_memory().to(self.device, non_blocking=True)]
        return torch.from_numpy(self._pictures[chosen.numpy()])

    def _position(self) -> State:
        return {**self._sampler.state_dict(), "count": self.count, "files": self._files}

    def _go_to(self, position: State) -> None:
        if position["count"] != self.count:
            raise CycleganError(
                f"{self._name} has {self.count:,} pictures for training and had {position['count']:,} when this run"
                " began; make it what it was, or begin another --output with --init and the folder of this run"
            )
        self.changed = self.changed or position.get("files", self._files) != self._files
        self._sampler.load_state_dict(position)

    def spread(self, number: int) -> Tensor:
        # Evenly: names are often sorted by kind.
        number = min(number, len(self._rows))
        chosen = torch.arange(number) * (len(self._rows) - 1) // max(number - 1, 1)
        return torch.from_numpy(self._pictures[self._rows[chosen].numpy()])


def _copied(pictures: np.ndarray, device: torch.device, step: int = 4096) -> Tensor:
    """Mapped uint8 (N, 3, S, S) as a tensor on the device, copied in parts so that memory holds it once."""
    copy = torch.empty(pictures.shape, dtype=torch.uint8, device=device)
    for start in range(0, len(pictures), step):
        copy[start : start + step] = torch.from_numpy(np.array(pictures[start : start + step])).to(device)
    return copy


def _share(holdout: float) -> float:
    if not 0 <= holdout < 1:
        raise CycleganError(f"the share held out for validation must be from 0 to below 1, not {holdout}")
    return holdout


def _held_out(names: list[str], share: float, seed: str) -> list[int]:
    """Rows kept for validation, chosen by a hash of the names: the same ones wherever the folder lies."""
    if len(names) < FEWEST:
        return []
    number = min(MOST_HELD_OUT, round(len(names) * share))
    hashes = [hashlib.sha256(f"{seed}:{name}".encode(errors="surrogateescape")).digest() for name in names]
    return sorted(sorted(range(len(names)), key=hashes.__getitem__)[:number])
