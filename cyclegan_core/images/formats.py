"""Which formats are read and written, told by the first bytes of a file and not by its suffix."""

import struct
import zlib

from PIL import ImageCms, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from cyclegan_core.errors import PictureError

_READABLE = (
    ".jpg .jpeg .jpe .jfif .mpo .png .apng .webp .gif .bmp .tif .tiff .heic .heif .hif .avif .jxl "
    ".dng .nef .cr2 .cr3 .arw .orf .rw2 .raf .pef .srw"
)
SUFFIXES = frozenset(_READABLE.split())
"""Suffixes (lower case, with the dot) of the files that `load` reads; a file's content decides, not its suffix."""

SAVE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
"""Suffixes (lower case, with the dot) that `save` writes."""

# The decoders are called by class, not through Image.open: that one also offers formats that are programs (EPS) or
# seldom tested, and reports large pictures as warnings, whose filters all threads share. These classes read the same
# header and leave the limit to us.
_DECODERS: dict[bytes, type[ImageFile.ImageFile]] = {
    b"\xff\xd8\xff": JpegImageFile,  # MPO too: its first picture is a plain JPEG
    b"\x89PNG\r\n\x1a\n": PngImageFile,
    b"GIF87a": GifImageFile,
    b"GIF89a": GifImageFile,
    b"BM": BmpImageFile,
    b"II*\0": TiffImageFile,
    b"MM\0*": TiffImageFile,
}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_JPEG_XL = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
JPEG_XL_PLUGIN = "pillow-jxl-plugin"

# What Pillow, its plugins and libheif raise on malformed files. Warning is among them because a process may have
# turned warnings into errors.
DECODER_ERRORS = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError),
    *(AssertionError, RuntimeError, SystemError, struct.error, zlib.error, ImageCms.PyCMSError, Warning),
)


def decoder_for(data: bytes, name: str) -> type[ImageFile.ImageFile]:
    """The decoder's class for a file's content. Raises PictureError where there is none."""
    for magic, decoder in _DECODERS.items():
        if data.startswith(magic):
            return decoder
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WebPImageFile
    if data.startswith(_JPEG_XL):
        return _jpeg_xl(name)
    if data[4:8] == b"ftyp":
        brands = {data[at : at + 4] for at in range(8, min(int.from_bytes(data[:4], "big"), 256), 4)}
        if brands & {b"avif", b"avis"}:
            return AvifImageFile
        if brands & _HEIF_BRANDS:
            from pillow_heif import HeifImageFile  # here, as it takes a while to load and few pictures need it

            return HeifImageFile
    raise PictureError(f"{name} {_foreign(data)}")


def _jpeg_xl(name: str) -> type[ImageFile.ImageFile]:
    try:
        from pillow_jxl.JpegXLImagePlugin import JXLImageFile
    except ImportError as error:
        raise PictureError(
            f"{name} is a JPEG XL picture: export it as JPEG or PNG, or install {JPEG_XL_PLUGIN}."
        ) from error
    decoder: type[ImageFile.ImageFile] = JXLImageFile
    return decoder


def _foreign(data: bytes) -> str:
    head = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith(b"<svg") or (head.startswith((b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in head):
        return "is an SVG, a drawing and not a photograph: export it as PNG or JPEG."
    return "is not a picture in a known format: export it as JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF."
