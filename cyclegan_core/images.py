"""The one door for pictures from outside: limits, EXIF orientation, colour modes, clear errors.

`load` turns a photograph of almost any kind into RGB uint8 (H, W, 3), or says in one sentence why it does not.
`save` writes a picture whole or not at all.
"""

import contextlib
import errno
import io
import math
import os
import secrets
import stat
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from cyclegan_core import provenance
from cyclegan_core.errors import PictureError

MAX_FILE_BYTES = 64 * 2**20
MAX_PIXELS = 100_000_000  # a 50-megapixel phone photo passes with room to spare
MIN_SIDE = 16  # pixels; no face is smaller
MAX_SECONDS = 30.0  # for one picture; an honest one of 100 megapixels takes a few
MAX_TIFF_STRIPS = 2**17  # their list is read with the header; an honest file has a few thousand

_READABLE = ".jpg .jpeg .jpe .jfif .mpo .png .apng .webp .gif .bmp .tif .tiff .heic .heif .hif .avif"
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

# What Pillow, its plugins and libheif raise on malformed files. Warning is among them because a process may have
# turned warnings into errors.
_DECODER_ERRORS = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError),
    *(AssertionError, RuntimeError, SystemError, struct.error, zlib.error, ImageCms.PyCMSError, Warning),
)

_FAULTS = {
    errno.ENOENT: "there is no such file or folder, check the name",
    errno.ENOTDIR: "there is no such folder, check the name",
    errno.EISDIR: "that is a folder, choose another name",
    errno.EACCES: "the permissions do not allow it, change them or choose another folder",
    errno.EROFS: "the disk is read-only, choose another folder",
    errno.ENOSPC: "the disk is full, free some space or choose another folder",
}

_TOO_MANY = f"more than the {MAX_PIXELS // 10**6} megapixels allowed: make it smaller first"
_STRIP_PIXELS = 2**22  # pictures are converted in strips, so that a large one is in memory twice and not five times


def load(source: str | Path | bytes) -> np.ndarray:
    """A picture from a file's path or from its bytes, as RGB uint8 (H, W, 3) in sRGB.

    The EXIF orientation is applied, alpha is laid on white, 16-bit and float values are scaled to 0..255, an embedded
    colour profile is converted; of an animation or a multi-page file, the first picture counts.

    Raises PictureError, with a sentence that names the file without its folder, when there is no such file or it
    cannot be read, is not a picture, is damaged or cut short, is larger than `MAX_FILE_BYTES` or `MAX_PIXELS`, has a
    side of fewer than `MIN_SIDE` pixels, or keeps a decoder busy for `MAX_SECONDS`. The limits are checked on the
    file's header, before anything is decoded.
    """
    if isinstance(source, bytes):
        name, data = "The picture", source
    else:
        name = _display_name(source)
        data = _read(Path(source), name)
    if not data:
        raise PictureError(f"{name} is empty: copy or download it again.")
    _check_file_size(len(data), name)

    decoder = _decoder_for(data)
    if decoder is None:
        raise PictureError(f"{name} {_foreign(data)}")
    try:
        if decoder is TiffImageFile:
            _check_tiff_strips(data, name)
        image = decoder(_TimedBytes(data))
        _check_size(image.size, name)
        image.load()
        _check_size(image.size, name)  # a HEIC may hold another size than its header says
        return _upright_rgb(image)
    except Image.DecompressionBombError as error:  # a frame or a tile that is larger than the picture
        raise PictureError(f"{name} has {_TOO_MANY}.") from error
    except MemoryError as error:
        raise PictureError(f"{name} needs more memory than is free here: make it smaller first.") from error
    except TimeoutError as error:
        raise PictureError(f"{name} takes too long to read: export it anew as PNG or JPEG.") from error
    except _DECODER_ERRORS as error:
        raise PictureError(f"{name} is damaged or cut short: download it again, or export it anew.") from error


def save(picture: np.ndarray, path: str | Path, *, quality: int = 95, made_by: str | None = None) -> None:
    """Write RGB uint8 (H, W, 3) in the format that the path's suffix (one of `SAVE_SUFFIXES`) names.

    The file appears whole or not at all: one that was there before stays as it was when writing fails.
    `quality` (1..100) is for JPEG and WebP. `made_by` names the translation that made the picture: the file then says
    that it is AI-altered, see `provenance` (not in a BMP). No other metadata is written.

    Raises PictureError for an unknown suffix, a full or read-only disk, a missing folder, a picture too large for the
    format; ValueError for an array or a quality that is not as said.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise ValueError(f"a picture is RGB uint8 (H, W, 3), not {picture.dtype} {picture.shape}")
    if not 1 <= quality <= 100:
        raise ValueError(f"quality is 1..100, not {quality}")
    path = Path(path)
    name = _display_name(path)
    suffix = path.suffix.lower()
    if suffix not in SAVE_SUFFIXES:
        raise PictureError(f"{name} cannot be written: end its name in {', '.join(sorted(SAVE_SUFFIXES))}.")

    encoded = io.BytesIO()
    form = {".jpg": "jpeg", ".tif": "tiff"}.get(suffix, suffix[1:])
    # A photograph hardly shrinks by more deflating, which takes minutes for one of 40 megapixels.
    deflating: dict[str, Any] = {"png": {"compress_level": 2}, "tiff": {"compression": "tiff_adobe_deflate"}}
    options: dict[str, Any] = deflating.get(form, {"quality": quality, "subsampling": 0})
    options = options | (provenance.options(form, made_by) if made_by else {})
    try:
        Image.fromarray(np.ascontiguousarray(picture)).save(encoded, form, **options)
    except (OSError, ValueError) as error:  # JPEG and WebP have a longest side
        raise PictureError(f"{name} cannot be written: it has too many pixels for its format, save a PNG.") from error

    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with open(temporary, "xb") as file:
            file.write(encoded.getbuffer())
        os.replace(temporary, path)
    except (OSError, ValueError) as error:
        raise PictureError(f"{name} cannot be written: {_fault(error)}.") from error
    finally:
        with contextlib.suppress(OSError, ValueError):
            temporary.unlink(missing_ok=True)


def _display_name(path: str | Path) -> str:
    """The base name, fit for one line of a terminal: file names may hold newlines, escapes and broken UTF-8."""
    name = "".join(character if character.isprintable() else "?" for character in Path(path).name)
    return name or "The picture"


def _fault(error: OSError | ValueError) -> str:
    if not isinstance(error, OSError) or error.errno is None:
        return "that is not a file name, choose another"
    return _FAULTS.get(error.errno, f"the system says {os.strerror(error.errno)!r}, try another folder")


def _read(path: Path, name: str) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise PictureError(f"{name} is a folder: give the pictures in it, one by one.")
        if not stat.S_ISREG(status.st_mode):  # opening a pipe could wait forever
            raise PictureError(f"{name} is not a file: give a picture file.")
        _check_file_size(status.st_size, name)
        with open(path, "rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise PictureError(f"{name} cannot be read: {_fault(error)}.") from error


def _check_file_size(size: int, name: str) -> None:
    if size > MAX_FILE_BYTES:
        raise PictureError(f"{name} is larger than {MAX_FILE_BYTES // 2**20} MiB: export it smaller, as JPEG.")


def _check_size(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        megapixels = f"{width * height / 1e6:.0f} megapixels"
        raise PictureError(f"{name} has {width} x {height} pixels ({megapixels}), {_TOO_MANY}.")
    if min(width, height) < MIN_SIDE:
        raise PictureError(f"{name} has only {width} x {height} pixels: give at least {MIN_SIDE} x {MIN_SIDE}.")


def _check_tiff_strips(data: bytes, name: str) -> None:
    order = "<" if data.startswith(b"II") else ">"
    (directory,) = struct.unpack_from(f"{order}I", data, 4)
    (entries,) = struct.unpack_from(f"{order}H", data, directory)
    for entry in range(entries):
        tag, _, count = struct.unpack_from(f"{order}HHI", data, directory + 2 + 12 * entry)
        if tag in (0x0111, 0x0144) and count > MAX_TIFF_STRIPS:  # StripOffsets, TileOffsets
            raise PictureError(f"{name} is a TIFF of {count} pieces: export it anew as PNG or JPEG.")


class _TimedBytes(io.BytesIO):
    """Bytes that stop being readable after `MAX_SECONDS`: a file can be made to keep a decoder busy for hours."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._deadline = time.monotonic() + MAX_SECONDS

    def read(self, size: int | None = -1, /) -> bytes:
        if time.monotonic() > self._deadline:
            raise TimeoutError
        return super().read(size)


def _decoder_for(data: bytes) -> type[ImageFile.ImageFile] | None:
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


def _foreign(data: bytes) -> str:
    head = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith(b"<svg") or (head.startswith((b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in head):
        return "is an SVG, a drawing and not a photograph: export it as PNG or JPEG."
    return "is not a picture in a known format: export it as JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF."


# Views of the upright picture in which the pixels lie as the file stores them, by EXIF orientation.
_AS_STORED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


def _upright_rgb(image: Image.Image) -> np.ndarray:
    orientation = _orientation(image)
    width, height = image.size
    upright = np.empty((width, height, 3) if orientation >= 5 else (height, width, 3), np.uint8)
    stored = _AS_STORED[orientation](upright)

    wide_range = _wide_range(image)
    if wide_range or image.mode in ("1", "L", "LA"):
        base = "L"
    else:
        base = image.mode if image.mode in ("CMYK", "LAB") else "RGB"
    to_srgb = _conversion_to_srgb(base, image.info.get("icc_profile"))
    for rows, strip in _strips(image):
        if wide_range:
            strip = _scaled_grey(strip, *wide_range)
        elif strip.has_transparency_data:
            strip = Image.alpha_composite(Image.new("RGBA", strip.size, "white"), strip.convert("RGBA"))
        stored[rows] = np.asarray(to_srgb(strip.convert(base)))
    return upright


def _orientation(image: Image.Image) -> int:
    """The EXIF (or XMP) orientation, 1..8; 1 where the metadata is absent or malformed.

    To be asked after `image.load()`: a PNG may have it behind the pixels, and Pillow turns a TIFF while it loads.
    """
    try:
        orientation = image.getexif().get(0x0112)
    except _DECODER_ERRORS:
        return 1
    return orientation if isinstance(orientation, int) and orientation in _AS_STORED else 1


def _strips(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    width, height = image.size
    step = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, step):
        bottom = min(top + step, height)
        yield slice(top, bottom), image.crop((0, top, width, bottom))


def _wide_range(image: Image.Image) -> tuple[float, float] | None:
    """Which values of a grey picture with more than 8 bits are black and white; None for 8-bit pictures.

    16 bits say it themselves. Float has 0..1, 0..255 or 0..65535, whichever holds all values, as all are customary;
    what fits nowhere is stretched from its smallest to its largest value.
    """
    if image.mode.startswith("I;16"):
        return 0.0, 65535.0
    if image.mode not in ("I", "F"):
        return None
    low, high = math.inf, -math.inf
    for _, strip in _strips(image):
        values = np.asarray(strip, np.float64)
        finite = values[np.isfinite(values)]
        low = float(finite.min(initial=low))
        high = float(finite.max(initial=high))
    for white in (1.0, 255.0, 65535.0) if image.mode == "F" else (65535.0,):
        if low >= 0 and high <= white:  # also where no value is finite
            return 0.0, white
    return low, high


def _scaled_grey(strip: Image.Image, black: float, white: float) -> Image.Image:
    values = np.nan_to_num(np.asarray(strip, np.float64), nan=black, posinf=white, neginf=black)
    return Image.fromarray(np.rint((values - black) * (255 / ((white - black) or 1))).astype(np.uint8))


# A grid through all colours, to see what a profile does to them.
_COLOUR_CUBE = Image.fromarray(np.indices((9, 9, 9)).reshape(3, 27, 27).transpose(1, 2, 0).astype(np.uint8) * 31)
_ICC_MODES = {("RGB", "RGB"): "RGB", ("RGB", "L"): "RGB", ("GRAY", "L"): "L", ("CMYK", "CMYK"): "CMYK"}


def _conversion_to_srgb(base: str, profile: bytes | None) -> Callable[[Image.Image], Image.Image]:
    """How a strip of mode `base` becomes sRGB: by the embedded ICC profile where it is valid and fits the mode.

    A profile that is sRGB itself, as most are, is known by its effect and not applied: that would take four times as
    long as the decoding, and change pixels by rounding.
    """
    srgb = ImageCms.createProfile("sRGB")
    if base == "LAB":
        return ImageCms.buildTransform(ImageCms.createProfile("LAB"), srgb, "LAB", "RGB").apply
    with contextlib.suppress(*_DECODER_ERRORS):  # a profile that cannot be used is as none
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile or b""))
        mode = _ICC_MODES[source.profile.xcolor_space.strip(), base]
        transform = ImageCms.buildTransform(source, srgb, mode, "RGB")
        probe = _COLOUR_CUBE.convert(base)
        change = np.asarray(transform.apply(probe.convert(mode)), int) - np.asarray(probe.convert("RGB"))
        if np.abs(change).max() > 1:
            return lambda strip: transform.apply(strip.convert(mode))
    return lambda strip: strip.convert("RGB")
