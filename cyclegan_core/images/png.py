"""The chunks of a PNG: what the picture needs of them, and what they say of its colours."""

import struct
import zlib
from collections.abc import Iterator

from cyclegan_core.images import profiles

_SIGNATURE = 8  # bytes
_MOST_TEXT = 2**20  # bytes of one chunk that Pillow unpacks; it refuses the whole picture for a larger one
_MOST_PROFILE = 2**24
# Only these texts may hold an orientation. All others, such as the workflow of an image generator, are left out.
_METADATA_KEYWORDS = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0", b"Raw profile type APP1\0")


def split(data: bytes) -> tuple[bytes, bytes | None]:
    """A PNG without its large texts and its profile, and an ICC profile that describes its colours, or None.

    The order of precedence is that of the PNG specification, third edition: cICP, iCCP, sRGB, then gAMA and cHRM.
    Nothing is unpacked beyond `_MOST_PROFILE` bytes, whatever the file says.
    """
    kept = [data[:_SIGNATURE]]
    colour: dict[bytes, bytes] = {}
    for kind, chunk, body in _chunks(data):
        if kind in (b"iCCP", b"cICP", b"sRGB", b"gAMA", b"cHRM"):
            colour.setdefault(kind, body)
        elif kind not in (b"tEXt", b"zTXt", b"iTXt") or _is_metadata(kind, body):
            kept.append(chunk)
    return b"".join(kept), _profile(colour)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Kind, whole chunk and body; what follows a malformed length comes as one chunk, for the decoder to judge."""
    at = _SIGNATURE
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if kind == b"IEND" or end > len(data):
            yield b"", data[at:], b""
            return
        yield kind, data[at:end], data[at + 8 : end - 4]
        at = end


def _is_metadata(kind: bytes, body: bytes) -> bool:
    if not body.startswith(_METADATA_KEYWORDS):
        return False
    keyword, _, rest = body.partition(b"\0")
    if kind == b"iTXt" and rest[:1] == b"\x01":
        packed = rest[2:].split(b"\0", 2)[-1]
    elif kind == b"zTXt":
        packed = rest[1:]
    else:
        return len(body) < _MOST_TEXT
    return len(_unpack(packed, _MOST_TEXT) or b"") + len(keyword) in range(1, _MOST_TEXT)


def _unpack(packed: bytes, most: int) -> bytes | None:
    """The unpacked bytes, at most so many; None where they are malformed."""
    try:
        return zlib.decompressobj().decompress(packed, most)
    except zlib.error:
        return None


def _profile(colour: dict[bytes, bytes]) -> bytes | None:
    if len(cicp := colour.get(b"cICP", b"")) == 4:
        return profiles.from_code_points(cicp[0], cicp[1])
    if b"iCCP" in colour:
        return _unpack(colour[b"iCCP"].partition(b"\0")[2][1:], _MOST_PROFILE)
    if b"sRGB" in colour:
        return None
    gamma = int.from_bytes(colour[b"gAMA"], "big") / 100_000 if len(colour.get(b"gAMA", b"")) == 4 else None
    chroma = struct.unpack(">8I", colour[b"cHRM"]) if len(colour.get(b"cHRM", b"")) == 32 else None
    return profiles.from_gamma(gamma, tuple(value / 100_000 for value in chroma) if chroma else None)
