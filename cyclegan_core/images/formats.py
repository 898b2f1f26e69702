"""Which decoder reads a file, known by its first bytes, and what is said of those that none reads."""

import contextlib
import io

from PIL import ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from cyclegan_core.errors import PictureError
from cyclegan_core.images.containers import tiff
from cyclegan_core.images.limits import DECODER_ERRORS

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_TIFF_STRIPS = 2**17  # their list is read with the header; an honest file has a few thousand
MOST_PREVIEWS, HEADER_BYTES = 64, 2**18  # JPEGs that are looked at inside a raw file, and bytes of each
SMALLEST_PREVIEW = 640 * 400  # pixels of a JPEG inside a raw file that is worth showing

# The decoders are called by class, not through Image.open: that one also offers formats that are programs (EPS) or
# seldom tested, and reports large pictures as warnings, whose filters all threads share. These classes read the same
# header and leave the limit to us.
_DECODERS: dict[bytes, type[ImageFile.ImageFile]] = {
    b"\xff\xd8\xff": JpegImageFile,  # MPO too: its first picture is a plain JPEG
    PNG_SIGNATURE: PngImageFile,
    b"GIF87a": GifImageFile,
    b"GIF89a": GifImageFile,
    b"BM": BmpImageFile,
    b"\0\0\0\x0cjP  \r\n\x87\n": Jpeg2KImageFile,
    b"\xff\x4f\xff\x51": Jpeg2KImageFile,  # without a container
    **dict.fromkeys((b"P5\n", b"P6\n", b"P5 ", b"P6 "), PpmImageFile),  # of face data sets such as FERET
    **dict.fromkeys(tiff.MAGICS, TiffImageFile),
}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_RAW_MAGIC = (b"IIRO", b"IIRS", b"IIU\0", b"MMOR", b"FUJIFILMCCD-RAW")
_VIDEO = "is a video: give a picture, or translate it as a video."
_EXPORT = "export it as JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF."


# What people send by mistake, by the bytes it starts with, at the first or the fifth.
_FOREIGN = {
    b"%PDF": "is a PDF: export its page as JPEG or PNG.",
    b"8BPS": "is a Photoshop file: export it as JPEG or PNG.",
    b"ftypisom": _VIDEO,
    b"ftypmp4": _VIDEO,
    b"ftypqt": _VIDEO,
    b"ftypM4V": _VIDEO,
    b"\x1a\x45\xdf\xa3": _VIDEO,
    b"PK\x03\x04": "is a ZIP: unpack it first.",
    b"version https://git-lfs": "is a pointer of Git LFS and not the picture: run `git lfs pull`.",
    b"\0\x05\x16\x07": "holds what a Mac notes on a picture: give the file whose name has no ._ before it.",
}


def decoder_for(data: bytes) -> type[ImageFile.ImageFile] | None:
    """The Pillow class that reads these bytes; None where there is none here."""
    for magic, decoder in _DECODERS.items():
        if data.startswith(magic):
            return decoder
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WebPImageFile
    if data[4:8] == b"ftyp":
        brands = {data[at : at + 4] for at in range(8, min(int.from_bytes(data[:4], "big"), 256), 4)}
        if brands & {b"avif", b"avis"}:
            return AvifImageFile
        if brands & _HEIF_BRANDS:
            from pillow_heif import HeifImageFile  # here, as it takes a while to load and few pictures need it

            return HeifImageFile
    return None


def foreign(data: bytes) -> str:
    """The end of a sentence about a file that no decoder reads."""
    head = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith(b"<svg") or (head.startswith((b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in head):
        return "is an SVG, a drawing and not a photograph: export it as PNG or JPEG."
    if head.startswith((b"<!doctype html", b"<html")):
        return "is a web page: save the picture itself."
    for start, what in _FOREIGN.items():
        if data.startswith(start) or data.startswith(start, 4):
            return what
    # A plugin for JPEG XL exists, but it decodes before it tells the size, so no limit would hold.
    if data.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        return f"is a JPEG XL, which is not read here: {_EXPORT}"
    return f"is not a picture in a known format: {_EXPORT}"


def is_raw(data: bytes) -> bool:
    """Whether these are the raw values of a camera's sensor, with at most a preview that can be shown."""
    if data.startswith(_RAW_MAGIC) or data[4:12] == b"ftypcrx ":
        return True
    tags = {entry.tag: entry for entry in tiff.entries(data)}
    if tiff.DNG_VERSION in tags or (tags and data[8:10] == b"CR"):  # Adobe's, Canon's
        return True
    kind = tags.get(tiff.NEW_SUBFILE_TYPE)
    return tiff.SUB_IFDS in tags and kind is not None and kind.count == 1 and kind.values(data) == (1,)


def largest_preview(data: bytes, name: str) -> bytes:
    """The largest JPEG inside a raw file. Raises PictureError where it holds none that is worth showing."""
    best, pixels, at = 0, 0, -1
    for _ in range(MOST_PREVIEWS):
        at = data.find(b"\xff\xd8\xff", at + 1)
        if at < 0:
            break
        head = data[at : at + HEADER_BYTES]
        with contextlib.suppress(*DECODER_ERRORS):
            width, height = JpegImageFile(io.BytesIO(head)).size
            if b"\xff\xc3" not in head[:1024] and width * height > pixels:  # lossless: the sensor's values themselves
                best, pixels = at, width * height
    if pixels < SMALLEST_PREVIEW:
        raise PictureError(f"{name} is a camera's raw file with only a small preview in it: export it as JPEG.")
    return data[best:]


def check_tiff_strips(data: bytes, name: str) -> None:
    """Raises PictureError where a TIFF is cut into so many pieces that reading their list would take long."""
    for entry in tiff.entries(data):
        if entry.tag in (tiff.STRIP_OFFSETS, tiff.TILE_OFFSETS) and entry.count > MAX_TIFF_STRIPS:
            raise PictureError(f"{name} is a TIFF of {entry.count} pieces: export it anew as PNG or JPEG.")
