"""Sets larger than a disk: pictures from WebDataset shards, read as a stream by any number of processes.

How a hundred million pictures are read: 10,000 shards of 10,000 JPEGs of 256×256 and 30 KB are 3 TB, 300 MB a shard,
in a bucket or on the Hub. 64 machines with 8 GPUs are 512 readers. Every epoch the seed puts the shards into a new
order and each reader takes every 512th, 19 or 20 of them, so that no picture is read twice and nobody has to talk to
anybody. At 200 pictures/s and GPU a reader takes in 6 MB/s, a machine 48 MB/s, the bucket gives 3 GB/s, and an epoch
takes 16 minutes; decoding keeps 2 or 3 cores of a machine busy. A reader shuffles within blocks of 2,048 pictures that
it keeps as they are in the file, one in use and one on its way: 2 × 60 MB, at most 2 × 128 MB, whatever the size of the
set. Its state is five numbers: epoch, shard, byte of the shard where the block starts, number of the block, pictures
used of it. A resumed reader asks for the shard from that byte on, so it loads at most one block again.

Readers end their epochs at different times, as shards differ, and go on without waiting.
"""

import hashlib
import itertools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cyclegan_core import images
from cyclegan_core.errors import CycleganError, PictureError
from train.data.domain import DECODERS, Domain, State, seeded
from train.data.preprocess import MIDDLE, Placement, Preprocess, square
from train.data.shards import Member, members

BLOCK_PICTURES = 2048
BLOCK_BYTES = 128 * 2**20
MOST_HELD_OUT = 256
FEWEST = 20
MOST_BAD = 1000  # pictures in a row that cannot be read, or names that are remembered
ENDED = "the reading has been ended"


@dataclass(frozen=True)
class Place:
    """Where a block starts: in an epoch, a shard of this reader's order and a byte of it."""

    epoch: int = 0
    shard: int = 0
    byte: int = 0
    block: int = 0


@dataclass(frozen=True)
class Block:
    """Pictures, still as files, in their shuffled order, and where the next block starts."""

    pictures: list[Member]
    following: Place


class Stream(Domain):
    """The shards of this process, among all that there are.

    shards: addresses or files, the same list in all processes. holdout: leave out what `held_out_pictures` returns.
    on_main_process: calls a function in the main process and returns its value in all of them: one process measures
    what is held out of the first shard, instead of each of hundreds.
    preprocess: how squares are cut; None for the middles. The state differs between processes. Raises CycleganError
    where a process would have no shard.
    """

    def __init__(
        self, shards: Sequence[str], side: int, *, seed: str, rank: int, world: int, device: torch.device,
        holdout: bool, preprocess: Preprocess | None = None,
        on_main_process: Callable[[Callable[[], int]], int] = lambda measure: measure(),
    ) -> None:  # fmt: skip
        if len(shards) < world:
            raise CycleganError(f"{world} processes need at least as many shards, not {len(shards)}; make smaller ones")
        super().__init__(side, count=None, device=device)
        self._shards, self._seed, self._rank, self._world = list(shards), seed, rank, world
        self._preprocess = preprocess
        self._held_out_end = on_main_process(lambda: _held_out(shards[0])[1]) if holdout else 0
        self._place, self._offset = Place(), 0
        self._block: Block | None = None
        self._next: tuple[Place, Future[Block]] | None = None
        self._decoders = ThreadPoolExecutor(min(DECODERS, os.cpu_count() or 1), "decodes")
        self._bad_in_a_row = 0

    def _read(self, number: int) -> Tensor:
        batch = np.empty((number, 3, self.side, self.side), np.uint8)
        filled = 0
        while filled < number:
            if self._block is None:
                self._block = self._fetch(self._place)
                self._next = (self._block.following, self._in_background(self._block.following))
            # Exactly as many as are missing: which picture stands where must not depend on who decodes faster.
            chosen = self._block.pictures[self._offset : self._offset + number - filled]
            places = self._places(len(chosen))
            self._offset += len(chosen)
            for member, picture in zip(chosen, self._decoders.map(self._decode, chosen, places), strict=True):
                if isinstance(picture, str):
                    self._skip(member.name, picture)
                else:
                    batch[filled] = picture
                    filled += 1
                    self._bad_in_a_row = 0
            if self._offset == len(self._block.pictures):
                self._place, self._offset, self._block = self._block.following, 0, None
        return torch.from_numpy(batch)

    def _places(self, number: int) -> list[Placement]:
        """Where the next squares are cut; all in the middle where that does not matter."""
        if self._preprocess is None:
            return [MIDDLE] * number
        at = self._place
        drawn = seeded(self._seed, "places", self._rank, at.epoch, at.block, self._offset)
        return [(x, y) for x, y in torch.rand((number, 2), generator=drawn).tolist()]

    def _decode(self, member: Member, place: Placement) -> NDArray[np.uint8] | str:
        return _decoded(member, self.side, self._preprocess, place)

    def _skip(self, name: str, reason: str) -> None:
        if len(self.skipped) < MOST_BAD and (name, reason) not in self.skipped:
            self.skipped.append((name, reason))
        self._bad_in_a_row += 1
        if self._bad_in_a_row >= MOST_BAD:
            raise CycleganError(f"{MOST_BAD:,} pictures in a row cannot be read, the last one because {reason}")

    # Blocks.

    def _fetch(self, place: Place) -> Block:
        if self._next is None or self._next[0] != place:
            return self._load(place)
        while True:  # in short waits, so that a training that ends does not wait for a slow server
            try:
                return self._next[1].result(timeout=0.5)
            except FutureTimeoutError:
                if self._closed.is_set() or not threading.main_thread().is_alive():
                    raise CycleganError(ENDED) from None

    def _in_background(self, place: Place) -> "Future[Block]":
        future: Future[Block] = Future()

        def load() -> None:
            try:
                future.set_result(self._load(place))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=load, name="reads-shards", daemon=True).start()
        return future

    def _load(self, place: Place) -> Block:
        order = torch.randperm(len(self._shards), generator=seeded(self._seed, "shards", place.epoch)).tolist()
        mine = order[self._rank :: self._world]
        pictures: list[Member] = []
        size, shard, byte = 0, place.shard, place.byte
        while shard < len(mine):
            start = max(byte, self._held_out_end) if mine[shard] == 0 else byte
            for member in members(self._shards[mine[shard]], start):
                if self._closed.is_set():
                    raise CycleganError(ENDED)
                if member.data is None:
                    self._skip(member.name, member.reason)
                elif len(pictures) >= BLOCK_PICTURES or size >= BLOCK_BYTES:
                    return self._shuffled(pictures, place, Place(place.epoch, shard, byte, place.block + 1))
                else:
                    pictures.append(member)
                    size += len(member.data)
                byte = member.end
            shard, byte = shard + 1, 0
        if not pictures and place == Place(place.epoch):
            raise CycleganError("the shards of a process hold no pictures to train on; make their number a multiple")
        return self._shuffled(pictures, place, Place(place.epoch + 1))

    def _shuffled(self, pictures: list[Member], place: Place, following: Place) -> Block:
        generator = seeded(self._seed, "block", self._rank, place.epoch, place.block)
        return Block([pictures[i] for i in torch.randperm(len(pictures), generator=generator).tolist()], following)

    # State.

    def _position(self) -> State:
        return {**asdict(self._place), "offset": self._offset, "readers": self._world, "shards": self._fingerprint()}

    def _go_to(self, position: State) -> None:
        if position["shards"] != self._fingerprint():
            raise CycleganError(
                "the shards are other ones than when this run began; name those, or use another --output"
            )
        if position["readers"] != self._world:
            raise CycleganError(
                f"this run was begun by {position['readers']} processes that read shards, and there are {self._world};"
                " start as many"
            )
        self._place = Place(position["epoch"], position["shard"], position["byte"], position["block"])
        self._offset, self._block = position["offset"], None

    def _fingerprint(self) -> str:
        names = "\n".join(Path(shard).name for shard in self._shards)
        return hashlib.sha256(names.encode(errors="surrogateescape")).hexdigest()[:16]

    def spread(self, number: int) -> Tensor:
        # The first ones: to spread them, everything would have to be read.
        return _stacked(itertools.islice(_good(self._shards[0], self.side, self._preprocess), number), self.side)

    def close(self) -> None:
        super().close()
        self._decoders.shutdown(wait=False, cancel_futures=True)


def held_out_pictures(shards: Sequence[str], side: int, preprocess: Preprocess | None = None) -> Tensor:
    """The first pictures of the first shard, uint8 (N, 3, side, side): 256, but no more than a fifth of the shard."""
    number, end = _held_out(shards[0])
    kept = itertools.takewhile(lambda member: member.end <= end, members(shards[0])) if number else ()
    decoded = (_decoded(member, side, preprocess) for member in kept if member.data is not None)
    return _stacked((picture for picture in decoded if not isinstance(picture, str)), side)


def _held_out(shard: str) -> tuple[int, int]:
    """How many pictures at the start of the shard are held out, and the byte where they end."""
    ends = [m.end for m in itertools.islice(members(shard), 5 * MOST_HELD_OUT) if m.data is not None]
    number = min(MOST_HELD_OUT, len(ends) // 5) if len(ends) >= FEWEST else 0
    return number, ends[number - 1] if number else 0


def _good(shard: str, side: int, preprocess: Preprocess | None) -> Iterator[NDArray[np.uint8]]:
    for member in members(shard):
        picture = _decoded(member, side, preprocess)
        if not isinstance(picture, str):
            yield picture


def _decoded(
    member: Member, side: int, preprocess: Preprocess | None, place: Placement = MIDDLE
) -> NDArray[np.uint8] | str:
    """Uint8 (3, side, side), or why there is none."""
    if member.data is None:
        return member.reason
    try:
        picture = images.load(member.data)
        return (preprocess.square(picture, place) if preprocess else square(picture, side)).transpose(2, 0, 1)
    except PictureError as error:
        return str(error)


def _stacked(pictures: Iterator[NDArray[np.uint8]], side: int) -> Tensor:
    found = list(pictures)
    return torch.from_numpy(np.stack(found)) if found else torch.empty((0, 3, side, side), dtype=torch.uint8)
