"""Pictures of any size through a generator: at once, or in overlapping tiles whose edges cannot be seen.

A large picture is surveyed first: pieces from all over it, at its own scale, show the layers that look at the whole
picture what it is like (see `whole_layers`). With that known, each tile is what it would be within the whole picture
but for a band along its edge; tiles overlap by twice that band, and fade into one another in the middle of it. The
memory that this takes beyond the result does not grow with the picture's height.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

AT_ONCE = 2**21  # pixels of the largest picture, such as a frame of 1920 x 1080, that is not cut
AT_ONCE_ATTENTIVE = 2**19  # the same for a network with self-attention, whose cost grows with the square of them
TILE = 1024  # longest side of a tile
SURVEYED = 2**20  # pixels that the survey takes
PIECE = 64  # side of its pieces: many small ones stand for a picture better than few large ones
MOST_OVERLAP = 256  # for networks that look very far: beyond, what they see matters little

Floats = NDArray[np.float32]


class Generator(Protocol):
    """What runs the network: `engines.WholeEngine`."""

    multiple: int
    smallest: int
    reach: int
    attentive: bool

    def whole(self, x: Floats, /) -> Floats: ...
    def survey(self, pieces: Floats, /) -> tuple[Floats, ...]: ...
    def piece(self, x: Floats, known: tuple[Floats, ...], /) -> Floats: ...


class Paint(Protocol):
    """From what the network was shown and what it made, both (B, 3, H, W) in [-1, 1], to what is kept of it."""

    def __call__(self, x: Floats, y: Floats, /) -> Floats: ...


@dataclass(frozen=True, eq=False)
class Window:
    """A piece of an axis: from `start`, with a weight for each of its pixels. Those of all windows add up to 1."""

    start: int
    weights: Floats

    @property
    def end(self) -> int:
        return self.start + len(self.weights)


def translate(
    picture: NDArray[np.uint8], generator: Generator, paint: Paint, *, at_once: int | None = None, tile: int = TILE
) -> NDArray[np.floating]:
    """What a generator makes of an RGB uint8 (H, W, 3) picture, in its size: (H, W, 3).

    Float32 where it is made at once, which it is up to `at_once` pixels (by default AT_ONCE), and float16 where it is
    made in tiles with sides of at most `tile` pixels (more for a network that needs it): a picture of 100 megapixels is
    600 MB then.
    """
    height, width = picture.shape[:2]
    padded = _rounded_up(height, generator), _rounded_up(width, generator)
    at_once = at_once or (AT_ONCE_ATTENTIVE if generator.attentive else AT_ONCE)
    if padded[0] * padded[1] <= at_once:
        x = _normalised([picture], *padded)
        return _upright(paint(x, generator.whole(x)))[:height, :width]

    known = generator.survey(_survey(picture, generator))
    made = np.empty(picture.shape, np.float16)
    columns, rows = (windows(side, generator, tile) for side in reversed(padded))
    # A row of tiles at a time. What reaches into the next row is carried over to it.
    carried = np.zeros((0, columns[-1].end, 3), np.float32)
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        band = np.zeros((len(row.weights), columns[-1].end, 3), np.float32)
        for column in columns:
            part = picture[row.start : row.end, column.start : column.end]
            x = _normalised([part], len(row.weights), len(column.weights))
            tile_made = _upright(paint(x, generator.piece(x, known)))
            band[:, column.start : column.end] += tile_made * column.weights[:, None]
        band *= row.weights[:, None, None]
        band[: len(carried)] += carried
        done = len(band) if following is None else following.start - row.start
        rest = made[row.start : row.start + done]
        rest[:] = band[: len(rest), :width]
        carried = band[done:]
    return made


def windows(length: int, generator: Generator, longest: int = TILE) -> list[Window]:
    """Overlapping windows of one size that cover an axis of `length` pixels, a multiple of the generator's.

    Their starts are multiples too, so that each layer of the network has its pixels where it would have them in the
    whole picture. At each end of an overlap, a third of it is not used: there the network misses surroundings most.
    """
    multiple = generator.multiple
    overlap = _ceil(2 * min(generator.reach, MOST_OVERLAP // 2), multiple)
    longest = max(longest // multiple * multiple, 2 * overlap, _ceil(generator.smallest, multiple))
    if length <= longest:
        return [Window(0, np.ones(length, np.float32))]
    count = -(-(length - overlap) // (longest - overlap))
    side = _ceil(-(-(length + (count - 1) * overlap) // count), multiple)  # no longer than it need be
    starts = [round(i * (length - side) / (count - 1) / multiple) * multiple for i in range(count)]
    weights = np.ones((count, side), np.float32)
    for i, (before, after) in enumerate(pairwise(starts)):
        shared = before + side - after
        unused = shared // 3
        ramp = np.clip((np.arange(shared) + 0.5 - unused) / (shared - 2 * unused), 0, 1)
        weights[i + 1, :shared] *= ramp
        weights[i, side - shared :] *= 1 - ramp
    return [Window(start, weight) for start, weight in zip(starts, weights, strict=True)]


def _survey(picture: NDArray[np.uint8], generator: Generator) -> Floats:
    """Pieces from all over the picture, side by side at most SURVEYED pixels: (B, 3, S, S)."""
    side = _ceil(max(PIECE, generator.smallest), generator.multiple)
    height, width = picture.shape[:2]
    most = max(1, SURVEYED // side**2)
    down = int(np.clip(round((most * height / width) ** 0.5), 1, most))
    across = max(1, most // down)
    return _normalised(
        [
            picture[top : top + side, left : left + side]
            for top in _spread(height, side, down)
            for left in _spread(width, side, across)
        ],
        side,
        side,
    )


def _spread(length: int, side: int, count: int) -> Iterator[int]:
    """Starts of `count` pieces, each in the middle of one of as many equal parts of an axis."""
    for i in range(count):
        yield min(max(0, round(length * (i + 0.5) / count - side / 2)), max(0, length - side))


def _normalised(parts: list[NDArray[np.uint8]], height: int, width: int) -> Floats:
    """RGB uint8 pictures, mirrored at the bottom and the right where they are too small, as float32 (B, 3, H, W)."""
    filled = [
        cv2.copyMakeBorder(part, 0, height - part.shape[0], 0, width - part.shape[1], cv2.BORDER_REFLECT_101)
        for part in parts
    ]
    return np.ascontiguousarray(np.stack(filled).transpose(0, 3, 1, 2), np.float32) / np.float32(127.5) - 1


def _upright(batch: Floats) -> Floats:
    """The first of (B, 3, H, W) as (H, W, 3)."""
    return np.ascontiguousarray(batch[0].transpose(1, 2, 0))


def _rounded_up(length: int, generator: Generator) -> int:
    return _ceil(max(length, generator.smallest), generator.multiple)


def _ceil(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
