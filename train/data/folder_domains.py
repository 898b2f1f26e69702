"""Folders of pictures as domains: their middles, decoded once, or squares cut at random, decoded anew each time."""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cyclegan_core import images
from cyclegan_core.errors import CycleganError, PictureError
from train.data.cache import cached_pictures
from train.data.domain import DECODERS, Domain, State, seeded
from train.data.listing import fingerprint, picture_files, relative_names, unread_folders
from train.data.preprocess import Placement, Preprocess
from train.monitoring.logs import say

MOST_HELD_OUT = 256  # pictures of a domain that validation looks at
FEWEST = 20  # files; of fewer, none is held out


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
    """A folder of pictures. The order of all processes' batches together does not depend on how many they are.

    files: all that the folder has. names: of those that can be used, in their order.
    """

    def __init__(
        self, folder: Path, side: int, files: Sequence[Path], names: Sequence[str], *, seed: str, rank: int, world: int,
        device: torch.device, holdout: float, ahead: bool = True,
    ) -> None:  # fmt: skip
        held_out = set(held_out_rows(names, holdout, seed))
        self._rows = torch.tensor([row for row in range(len(names)) if row not in held_out])
        super().__init__(side, count=len(self._rows), device=device, ahead=ahead)
        self._files = fingerprint(files, folder)
        self._name, self._rank, self._world = folder.name, rank, world
        self._sampler = ShuffledIndices(len(self._rows), seed)

    def _own(self, all_rows: Tensor) -> Tensor:
        """This process's part of what was drawn for the next batch of all processes."""
        number = len(all_rows) // self._world
        return all_rows[self._rank * number :][:number]

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

    def _spread_rows(self, number: int) -> list[int]:
        # Evenly: names are often sorted by kind.
        number = min(number, len(self._rows))
        chosen = torch.arange(number) * (len(self._rows) - 1) // max(number - 1, 1)
        rows: list[int] = self._rows[chosen].tolist()
        return rows


class CachedFolder(Folder):
    """The middle squares of the pictures, decoded once."""

    def __init__(self, folder: Path, side: int, *, device: torch.device, **how: Any) -> None:
        files = picture_files(folder)
        cached = cached_pictures(files, side, folder)
        on_device = device.type == "cuda" and 4 * cached.pictures.nbytes < torch.cuda.mem_get_info(device)[0]
        super().__init__(folder, side, files, cached.names, device=device, ahead=not on_device, **how)
        self.skipped = cached.skipped + unread_folders(folder)
        self._pictures = cached.pictures
        self._resident = _copied(cached.pictures, device) if on_device else None

    def _read(self, number: int) -> Tensor:
        chosen = self._rows[self._own(self._sampler.take(number * self._world))]
        if self._resident is not None:
            return self._resident[chosen.pin_memory().to(self.device, non_blocking=True)]
        return torch.from_numpy(self._pictures[chosen.numpy()])

    def spread(self, number: int) -> Tensor:
        return torch.from_numpy(self._pictures[self._spread_rows(number)])


class FreshFolder(Folder):
    """Squares that are cut out of the pictures at random, which are decoded anew each time.

    Where they are cut depends on the seed and the position alone. For a picture that cannot be read the next one of the
    folder stands in.
    """

    def __init__(self, folder: Path, preprocess: Preprocess, *, seed: str, **how: Any) -> None:
        self._paths, self._preprocess, self._seed = picture_files(folder), preprocess, seed
        names = relative_names(self._paths, folder)
        super().__init__(folder, preprocess.size, self._paths, names, seed=seed, **how)
        self.skipped = unread_folders(folder)
        self._said: set[int] = set()
        self._decoders = ThreadPoolExecutor(min(DECODERS, os.cpu_count() or 1), "decodes")

    def _read(self, number: int) -> Tensor:
        drawn = seeded(self._seed, "places", self._sampler.passes, self._sampler.position)
        places = self._own(torch.rand((number * self._world, 2), generator=drawn)).tolist()
        chosen = self._own(self._sampler.take(number * self._world)).tolist()
        return torch.from_numpy(np.stack(list(self._decoders.map(self._decode, chosen, places))))

    def _decode(self, index: int, place: Placement) -> NDArray[np.uint8]:
        """The picture at this row of the folder, cut to its square: uint8 (3, S, S)."""
        for following in range(len(self._rows)):
            row = int(self._rows[(index + following) % len(self._rows)])
            try:
                return self._preprocess.square(images.load(self._paths[row]), place).transpose(2, 0, 1)
            except PictureError as error:
                if row not in self._said:
                    self._said.add(row)
                    say(f"skipped: {error}")
        raise CycleganError(f"no picture of {self._name} can be read; name another folder")

    def spread(self, number: int) -> Tensor:
        return readable([self._paths[row] for row in self._spread_rows(number)], self._preprocess.square, self.side)

    def close(self) -> None:
        super().close()
        self._decoders.shutdown(wait=False, cancel_futures=True)


def _copied(pictures: np.ndarray, device: torch.device, step: int = 4096) -> Tensor:
    """Mapped uint8 (N, 3, S, S) as a tensor on the device, copied in parts so that memory holds it once."""
    copy = torch.empty(pictures.shape, dtype=torch.uint8, device=device)
    for start in range(0, len(pictures), step):
        copy[start : start + step] = torch.from_numpy(np.array(pictures[start : start + step])).to(device)
    return copy


def readable(files: Sequence[Path], cut: Callable[[NDArray[np.uint8]], NDArray[np.uint8]], size: int) -> Tensor:
    """The squares of those pictures that can be read, uint8 (N, 3, size, size)."""
    pictures = []
    for path in files:
        try:
            pictures.append(cut(images.load(path)).transpose(2, 0, 1))
        except PictureError as error:
            say(f"skipped: {error}")
    return torch.from_numpy(np.stack(pictures)) if pictures else torch.empty((0, 3, size, size), dtype=torch.uint8)


def held_out_rows(names: Sequence[str], share: float, seed: str) -> list[int]:
    """Rows kept for validation, chosen by a hash of the names: the same ones wherever the folder lies."""
    if len(names) < FEWEST:
        return []
    number = min(MOST_HELD_OUT, round(len(names) * share))
    hashes = [hashlib.sha256(f"{seed}:{name}".encode(errors="surrogateescape")).digest() for name in names]
    return sorted(sorted(range(len(names)), key=hashes.__getitem__)[:number])
