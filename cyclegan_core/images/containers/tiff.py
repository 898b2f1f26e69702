"""The first directory of a TIFF or BigTIFF, read without a decoder: what a file says of itself before it is trusted.

Source: TIFF revision 6.0, section 2, and "The BigTIFF File Format".
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
NEW_SUBFILE_TYPE, STRIP_OFFSETS, STRIP_BYTE_COUNTS = 254, 273, 279
TILE_OFFSETS, TILE_BYTE_COUNTS, SUB_IFDS, DNG_VERSION = 324, 325, 330, 50706
_LETTERS = {3: "H", 4: "I", 16: "Q"}  # of the types SHORT, LONG and LONG8


@dataclass(frozen=True)
class Entry:
    """One entry. kind: number of its type. count: of its values. order: byte order, as `struct` writes it.

    place: where the values lie, or else where they are, in a field of `room` bytes.
    """

    tag: int
    kind: int
    count: int
    order: str
    place: int
    room: int

    def values(self, data: bytes) -> tuple[int, ...]:
        """The whole numbers of the entry; none where they are of another type. Raises struct.error if not all there."""
        letter = _LETTERS.get(self.kind)
        if letter is None:
            return ()
        place = self.place
        if self.count * struct.calcsize(f"={letter}") > self.room:
            (place,) = struct.unpack_from(self.order + ("Q" if self.room == 8 else "I"), data, place)
        return struct.unpack_from(f"{self.order}{self.count}{letter}", data, place)


def entries(data: bytes) -> Iterator[Entry]:
    """The whole entries of the first directory, as far as they are there; none of bytes that are no TIFF."""
    if not data.startswith(MAGICS):
        return
    order = "<" if data.startswith(b"II") else ">"
    big = b"+" in data[2:4]
    first, count, room = ("8xQ", "Q", 8) if big else ("4xI", "H", 4)
    entry = struct.Struct(order + ("HHQ8x" if big else "HHI4x"))
    with suppress(struct.error, OverflowError, IndexError):
        (directory,) = struct.unpack_from(order + first, data)
        (number_of_entries,) = struct.unpack_from(order + count, data, directory)
        at = directory + struct.calcsize(f"={count}")
        for _ in range(min(number_of_entries, 2**16)):  # a tag has 16 bits and comes once
            tag, kind, values = entry.unpack_from(data, at)
            at += entry.size
            yield Entry(tag, kind, values, order, at - room, room)
