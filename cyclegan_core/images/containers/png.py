"""What lies beside the pixels of a PNG: what it says of colour, texts that are left out, an end that is missing."""

import struct
import zlib
from dataclasses import dataclass, field

from cyclegan_core.images.colour import PngColour
from cyclegan_core.images.formats import PNG_SIGNATURE
from cyclegan_core.images.limits import MAX_PIXELS, MAX_PROFILE_BYTES

LARGEST_XMP = 2**20  # bytes; it may hold the orientation
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
LEAST_SHARE = 0.75  # of the rows, below which a picture without its end is refused


@dataclass
class StrippedPng:
    """A PNG without what a decoder need not see. lost: the share of its rows that are missing at the end, in [0, 1]."""

    data: bytes
    colour: PngColour = field(default_factory=PngColour)
    lost: float = 0.0


def strip_png(data: bytes) -> StrippedPng:
    """Takes texts, profiles and the like out of the bytes of a PNG, so that their size is no reason to refuse it.

    A file that ends early gets its missing rows as zeros, where at least LEAST_SHARE of them are there and the picture
    is not interlaced; `lost` then says how many. Other faults are left for the decoder to find.
    """
    stripped = StrippedPng(b"")
    kept, pixels, header = [PNG_SIGNATURE], [], b""
    at, ended = len(PNG_SIGNATURE), False
    while at + 8 <= len(data) and not ended:
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        whole = data[at : at + 12 + length]
        at += 12 + length
        if kind == b"IHDR":
            header = body
        if kind == b"IDAT":
            pixels.append(body)
        if kind in (b"zTXt", b"tEXt", b"acTL", b"fcTL", b"fdAT") or (kind == b"iTXt" and not _is_small_xmp(body)):
            continue
        if not _read_colour(kind, body, stripped.colour) and len(whole) == 12 + length:
            kept.append(whole)
        ended = kind == b"IEND"
    if not ended and pixels and len(header) >= 13:
        filled = _filled(b"".join(pixels), header)
        if filled is not None:
            rest, stripped.lost = filled
            kept = [part for part in kept if part[4:8] != b"IDAT"]
            kept += [_chunk(b"IDAT", rest), _chunk(b"IEND", b"")]
    stripped.data = b"".join(kept)
    return stripped


def _is_small_xmp(body: bytes) -> bool:
    return body.startswith(b"XML:com.adobe.xmp\0\0") and len(body) <= LARGEST_XMP


def _read_colour(kind: bytes, body: bytes, colour: PngColour) -> bool:
    """Notes what a chunk says of colour; whether it was such a chunk, which the decoder then need not see."""
    if kind == b"iCCP":
        start = body.find(b"\0") + 2
        profile = zlib.decompressobj()
        try:
            colour.profile = profile.decompress(body[start:], MAX_PROFILE_BYTES)
        except zlib.error:  # a profile that cannot be read is as none
            colour.profile = None
        return True
    if kind == b"cICP" and len(body) >= 4:
        colour.cicp = body[0], body[1]
        return True
    if kind == b"gAMA" and len(body) >= 4:
        colour.gamma = struct.unpack(">I", body[:4])[0] / 100_000
        return True
    if kind == b"cHRM" and len(body) >= 32:
        colour.chromaticities = tuple(value / 100_000 for value in struct.unpack(">8I", body[:32]))
        return True
    if kind == b"sRGB":
        colour.srgb = True
        return True
    return False


def _filled(compressed: bytes, header: bytes) -> tuple[bytes, float] | None:
    """The pixels of a PNG without its end, compressed anew with zeros for what is missing, and the share that is."""
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", header[:13])
    if interlaced or kind not in _CHANNELS or width * height > MAX_PIXELS:
        return None
    row = 1 + (width * depth * _CHANNELS[kind] + 7) // 8
    inflate = zlib.decompressobj()
    try:
        raw = inflate.decompress(compressed, row * height)
    except zlib.error:
        return None
    rows = len(raw) // row
    if rows < LEAST_SHARE * height:
        return None
    return zlib.compress(raw[: rows * row].ljust(row * height, b"\0"), 1), 1 - rows / height


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
