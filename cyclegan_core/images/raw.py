"""Raw files of cameras (DNG, NEF, CR2, CR3, ARW ...): the picture that the camera put in beside the sensor's data."""

import struct

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from cyclegan_core.errors import PictureError
from cyclegan_core.images.files import TimedBytes
from cyclegan_core.images.formats import DECODER_ERRORS

PREVIEW_NOTE = "this is a raw file: the preview that the camera put into it was taken"
_LEAST_PREVIEW_SIDE = 640  # longest side in pixels; smaller ones are thumbnails
_MOST_PREVIEWS = 64
_FIRST_BYTES = (b"FUJIFILMCCD-RAW", b"IIU\0", b"IIRO", b"IIRS", b"MMOR")
_SUBFILE_TYPE, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _DNG_VERSION = 254, 259, 262, 274, 50706
_SENSOR_PHOTOMETRICS = (32803, 34892)  # colour filter array, linear raw
_SENSOR_COMPRESSIONS = (32767, 32769, 34713, 65535)  # Sony, Epson, Nikon, Pentax


def is_raw(data: bytes) -> bool:
    """Whether a file holds what a sensor saw: told by its first bytes, or by the tags of a TIFF."""
    if data.startswith(_FIRST_BYTES) or data[4:12] == b"ftypcrx " or data[8:10] == b"CR":
        return True
    if not data.startswith((b"II*\0", b"MM\0*")):
        return False
    tags = _first_directory(data)
    return (
        _DNG_VERSION in tags
        or bool(tags.get(_SUBFILE_TYPE, 0) & 1)  # a thumbnail comes first
        or tags.get(_PHOTOMETRIC) in _SENSOR_PHOTOMETRICS
        or tags.get(_COMPRESSION) in _SENSOR_COMPRESSIONS
    )


def _first_directory(data: bytes) -> dict[int, int]:
    """Tags of the first directory with their value, where that is one number of 16 or 32 bits, else 0."""
    order = "<" if data.startswith(b"II") else ">"
    try:
        (directory,) = struct.unpack_from(f"{order}I", data, 4)
        (entries,) = struct.unpack_from(f"{order}H", data, directory)
        tags = {}
        for entry in range(entries):
            at = directory + 2 + 12 * entry
            tag, kind, count = struct.unpack_from(f"{order}HHI", data, at)
            form = {3: "H", 4: "I"}.get(kind) if count == 1 else None
            tags[tag] = struct.unpack_from(f"{order}{form}", data, at + 8)[0] if form else 0
        return tags
    except struct.error:
        return {}


def preview(data: bytes, name: str) -> tuple[bytes, int | None]:
    """The largest JPEG inside a raw file, and the orientation that the raw file gives for it.

    Raises PictureError where there is none of a useful size.
    """
    largest, area, at = b"", 0, -1
    view = memoryview(data)
    for _ in range(_MOST_PREVIEWS):
        at = data.find(b"\xff\xd8\xff", at + 1)
        if at < 0:
            break
        try:
            image: Image.Image = JpegImageFile(TimedBytes(bytes(view[at:])))
        except DECODER_ERRORS:
            continue
        if not _is_lossless(data, at) and max(image.size) >= _LEAST_PREVIEW_SIDE and image.width * image.height > area:
            largest, area = data[at:], image.width * image.height
    if not largest:
        raise PictureError(f"{name} is a raw file without a large preview: export it as JPEG or TIFF first.")
    return largest, _orientation(data)


def _is_lossless(data: bytes, at: int) -> bool:
    """Whether the JPEG at this place has a frame header (SOF3) of lossless coding, which no decoder here reads."""
    at += 2
    while data[at : at + 1] == b"\xff" and at + 4 <= len(data):
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return marker == 0xC3
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return True


def _orientation(data: bytes) -> int | None:
    if not data.startswith((b"II*\0", b"MM\0*")):
        return None
    return _first_directory(data).get(_ORIENTATION)
