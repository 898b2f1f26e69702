"""Reading a photograph of almost any kind, or saying in one sentence why it cannot be."""

import contextlib
import io
import math
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from cyclegan_core.errors import PictureError
from cyclegan_core.images import colour, limits
from cyclegan_core.images.formats import check_tiff_strips, decoder_for, foreign, is_raw, largest_preview
from cyclegan_core.images.limits import DECODER_ERRORS, describe_fault, display_name
from cyclegan_core.images.png import LEAST_SHARE, PngColour, strip_png
from cyclegan_core.images.writing import on_white

STRIP_PIXELS = 2**22  # pictures are converted in strips, so that a large one is in memory twice and not five times
MOST_FRAMES = 200  # of an animation that are looked at for one that is wanted
_TOO_MANY = f"more than the {limits.MAX_PIXELS // 10**6} megapixels allowed: make it smaller first"

Wanted = Callable[[np.ndarray], bool]


@dataclass
class Picture:
    """A picture and what there is to say of it.

    pixels: RGB uint8 (H, W, 3) in sRGB; what is fully transparent is white. alpha: uint8 (H, W), 0 being transparent,
    or None where everything is opaque. notes: sentences for the person whose picture it is.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @property
    def on_white(self) -> np.ndarray:
        """The pixels laid on white where they are transparent: RGB uint8 (H, W, 3)."""
        return self.pixels if self.alpha is None else on_white(self.pixels, self.alpha)


def load(source: str | Path | bytes) -> np.ndarray:
    """A picture from a file's path or from its bytes, as RGB uint8 (H, W, 3) in sRGB, alpha laid on white.

    Everything else is as `load_picture` does it.
    """
    return load_picture(source).on_white


def load_picture(source: str | Path | bytes, *, wanted: Wanted | None = None) -> Picture:
    """A picture from a file's path or from its bytes, with its transparency and notes on what was done to it.

    The EXIF orientation is applied. Colours become sRGB, from an ICC profile, from code points (cICP, nclx), from gamma
    and chromaticities of a PNG, or from a camera's EXIF. Grey of more than 8 bits is scaled by its own range. A JPEG or
    PNG whose end is missing is read as far as it goes where that is most of it. Of a camera's raw file the largest
    preview is taken. Of an animation it is the first frame for which `wanted`, a function of RGB uint8 (H, W, 3), is
    true, else the first one.

    Raises PictureError, with a sentence that names the file without its folder, when there is no such file or it
    cannot be read, is not a picture, is damaged or cut short, is larger than `MAX_FILE_BYTES` or `MAX_PIXELS`, has a
    side of fewer than `MIN_SIDE` pixels, or keeps a decoder busy for `MAX_SECONDS`. The limits are checked on the
    file's header, before anything is decoded.
    """
    if isinstance(source, bytes):
        name, data = "The picture", source
    else:
        name = display_name(source)
        data = _read(Path(source), name)
    if not data:
        raise PictureError(f"{name} is empty: copy or download it again.")
    _check_file_size(len(data), name)
    decoder = decoder_for(data)
    if is_raw(data):
        data, decoder = largest_preview(data, name), JpegImageFile
        notes = [f"{name} is a camera's raw file: its largest preview is shown."]
    else:
        notes = []
    if decoder is None:
        raise PictureError(f"{name} {foreign(data)}")
    try:
        image, told = _open(decoder, data, name, notes)
        return _converted(image, told, name, notes, wanted)
    except Image.DecompressionBombError as error:  # a frame or a tile that is larger than the picture
        raise PictureError(f"{name} has {_TOO_MANY}.") from error
    except MemoryError as error:
        raise PictureError(f"{name} needs more memory than is free here: make it smaller first.") from error
    except TimeoutError as error:
        raise PictureError(f"{name} takes too long to read: export it anew as PNG or JPEG.") from error
    except DECODER_ERRORS as error:
        raise PictureError(f"{name} is damaged or cut short: download it again, or export it anew.") from error


def _open(
    decoder: type[ImageFile.ImageFile], data: bytes, name: str, notes: list[str]
) -> tuple[Image.Image, PngColour | None]:
    """The decoded picture, and what a PNG said of its colours."""
    told = None
    if decoder is TiffImageFile:
        check_tiff_strips(data, name)
    if decoder is PngImageFile:
        stripped = strip_png(data)
        data, told = stripped.data, stripped.colour
        if stripped.lost:
            notes.append(_end_is_missing(name, stripped.lost))
    image: Image.Image = decoder(_TimedBytes(data))
    _check_size(image.size, name)
    try:
        image.load()
    except OSError:
        if decoder is not JpegImageFile or data.rstrip(b"\0").endswith(_END_OF_JPEG):
            raise
        image, lost = _without_end(data)
        if lost > 1 - LEAST_SHARE:
            raise
        notes.append(_end_is_missing(name, lost))
    _check_size(image.size, name)  # a HEIC may hold another size than its header says
    return image, told


_END_OF_JPEG, _SCAN = b"\xff\xd9", b"\xff\xda"
# By number of bands: colours that hardly a row of a photograph has from end to end.
_UNTOUCHED = {1: (3,), 3: (255, 0, 254), 4: (255, 0, 254, 1)}
_HELD_BACK = 24  # rows that the decoder has, but gives away only when it knows the next ones


def _without_end(data: bytes) -> tuple[Image.Image, float]:
    """A JPEG whose last bytes are missing, with one colour where nothing is known, and the share of its rows there.

    A progressive one comes in passes over all rows: all of it counts as missing until the brightness of every detail
    has come once.
    """
    image = JpegImageFile(_TimedBytes(data + _END_OF_JPEG))
    image.load()
    if image.info.get("progressive"):
        return image, 0.0 if _detail_has_come(data) else 1.0
    strict = JpegImageFile(_TimedBytes(data))
    strict.im = Image.core.fill(strict.mode, strict.size, _UNTOUCHED[len(strict.getbands())])
    with contextlib.suppress(OSError):
        strict.load()
    rows = np.asarray(Image.Image()._new(strict.im)).reshape(strict.height, -1, len(strict.getbands()))
    missing = int((rows == _UNTOUCHED[rows.shape[2]]).all(axis=(1, 2)).sum())
    return image, max(0, missing - _HELD_BACK) / strict.height


def _detail_has_come(data: bytes) -> bool:
    """Whether a progressive JPEG's scans cover all 63 frequencies of its first component (ITU-T T.81, B.2.3).

    The last scan does not count, as it may be cut.
    """
    seen: set[int] = set()
    before: set[int] = set()
    at = data.find(_SCAN)
    while 0 <= at < len(data) - 16:
        components = data[at + 4]
        first = components and data[at + 5] == data[data.find(_SCAN) + 5]
        begin, end = data[at + 5 + 2 * components : at + 7 + 2 * components]
        before = set(seen)
        if first and components == 1:
            seen.update(range(begin, end + 1))
        at = data.find(_SCAN, at + 2)
    return set(range(1, 64)) <= before


def _end_is_missing(name: str, lost: float) -> str:
    how_much = f", with {lost:.0%} of its rows" if lost >= 0.01 else ""
    return f"The end of {name} is missing{how_much}: download or copy it again for the whole picture."


def _read(path: Path, name: str) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise PictureError(f"{name} is a folder: give the pictures in it, one by one.")
        if not stat.S_ISREG(status.st_mode):  # opening a pipe could wait forever
            raise PictureError(f"{name} is not a file: give a picture file.")
        _check_file_size(status.st_size, name)
        with open(path, "rb") as file:
            return file.read(limits.MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise PictureError(f"{name} cannot be read: {describe_fault(error)}.") from error


def _check_file_size(size: int, name: str) -> None:
    if size > limits.MAX_FILE_BYTES:
        raise PictureError(f"{name} is larger than {limits.MAX_FILE_BYTES // 2**20} MiB: export it smaller, as JPEG.")


def _check_size(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width * height > limits.MAX_PIXELS:
        megapixels = f"{width * height / 1e6:.0f} megapixels"
        raise PictureError(f"{name} has {width} x {height} pixels ({megapixels}), {_TOO_MANY}.")
    if min(width, height) < limits.MIN_SIDE:
        least = f"{limits.MIN_SIDE} x {limits.MIN_SIDE}"
        raise PictureError(f"{name} has only {width} x {height} pixels: give at least {least}.")


class _TimedBytes(io.BytesIO):
    """Bytes that stop being readable after `MAX_SECONDS`: a file can be made to keep a decoder busy for hours."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._deadline = time.monotonic() + limits.MAX_SECONDS

    def read(self, size: int | None = -1, /) -> bytes:
        if time.monotonic() > self._deadline:
            raise TimeoutError
        return super().read(size)


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


def _converted(
    image: Image.Image, told: PngColour | None, name: str, notes: list[str], wanted: Wanted | None
) -> Picture:
    frames = getattr(image, "n_frames", 1) if image.format in ("GIF", "WEBP") else 1
    picture = _upright(image, told)
    if frames > 1:
        number, total = 1, min(frames, MOST_FRAMES)
        while wanted is not None and number < total and not wanted(picture.pixels):
            image.seek(number)
            picture = _upright(image, told)
            number += 1
        if number == total and wanted is not None and not wanted(picture.pixels):
            image.seek(0)
            picture, number = _upright(image, told), 1
        more = " Translate it as a video to keep them all." if image.format == "GIF" else ""
        notes.append(f"{name} is an animation of {frames} frames: frame {number} is used.{more}")
    picture.notes = tuple(notes)
    return picture


def _upright(image: Image.Image, told: PngColour | None) -> Picture:
    orientation = _orientation(image)
    width, height = image.size
    shape = (width, height) if orientation >= 5 else (height, width)
    upright = np.empty((*shape, 3), np.uint8)
    transparent = image.has_transparency_data and not _alpha_is_unused(image)
    alpha = np.empty(shape, np.uint8) if transparent else None
    stored = _AS_STORED[orientation](upright)
    stored_alpha = None if alpha is None else _AS_STORED[orientation](alpha[..., None])[..., 0]

    grey_range = _grey_range(image)
    if grey_range or image.mode in ("1", "L", "LA"):
        base = "L"
    else:
        base = image.mode if image.mode in ("CMYK", "LAB") else "RGB"
    to_srgb = colour.converter(base, _profile(image, told), _colour_space(image, told))
    for rows, strip in _strips(image):
        if grey_range:
            strip = _scaled_grey(strip, *grey_range)
        elif stored_alpha is not None:
            strip = strip.convert("RGBA")
            stored_alpha[rows] = np.asarray(strip)[..., 3]
        stored[rows] = np.asarray(to_srgb(strip.convert(base)))
    if alpha is not None:
        if alpha.min(initial=255) == 255:
            return Picture(upright)
        upright[alpha == 0] = 255
    return Picture(upright, alpha)


def _alpha_is_unused(image: Image.Image) -> bool:
    """Of 32-bit bitmaps, whose fourth byte many programs leave at 0 and do not mean."""
    return isinstance(image, BmpImageFile) and image.mode == "RGBA" and image.getchannel("A").getextrema() == (0, 0)


def _profile(image: Image.Image, told: PngColour | None) -> bytes | None:
    if told is not None:  # code points rank above a profile
        return None if told.cicp is not None else told.profile
    return image.info.get("icc_profile")


def _colour_space(image: Image.Image, told: PngColour | None) -> colour.ColourSpace | None:
    if told is not None:
        return colour.from_png(told)
    nclx = image.info.get("nclx_profile")
    if isinstance(nclx, dict):
        return colour.from_code_points(nclx.get("color_primaries", 2), nclx.get("transfer_characteristics", 2))
    return colour.from_exif(image.getexif()) if image.format == "JPEG" else None


def _orientation(image: Image.Image) -> int:
    """The EXIF (or XMP) orientation, 1..8; 1 where the metadata is absent or malformed.

    To be asked after `image.load()`: a PNG may have it behind the pixels, and Pillow turns a TIFF while it loads.
    """
    try:
        orientation = image.getexif().get(0x0112)
    except DECODER_ERRORS:
        return 1
    return orientation if isinstance(orientation, int) and orientation in _AS_STORED else 1


def _strips(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    width, height = image.size
    step = max(1, STRIP_PIXELS // width)
    for top in range(0, height, step):
        bottom = min(top + step, height)
        yield slice(top, bottom), image.crop((0, top, width, bottom))


def _grey_range(image: Image.Image) -> tuple[float, float] | None:
    """Which values of a grey picture with more than 8 bits are black and white; None for 8-bit pictures.

    Whole numbers of a TIFF say their bits; where those are more than their largest value needs, as 12 bits in 16 are
    customary, it is the fewest of 10, 12, 14 and 16 that hold it. Float has 0..1, 0..255 or 0..65535, whichever holds
    all values, as all are customary; what fits nowhere is stretched from its smallest to its largest value.
    """
    if not (image.mode.startswith("I;16") or image.mode in ("I", "F")):
        return None
    low, high = math.inf, -math.inf
    for _, strip in _strips(image):
        values = np.asarray(strip, np.float64)
        finite = values[np.isfinite(values)]
        low = float(finite.min(initial=low))
        high = float(finite.max(initial=high))
    bits = (10, 12, 14, 16) if image.format == "TIFF" else (16,)
    whites = (1.0, 255.0, 65535.0) if image.mode == "F" else tuple(2.0**n - 1 for n in bits)
    white = next((w for w in whites if low >= 0 and high <= w), None)  # also where no value is finite
    black, white = (low, high) if white is None else (0.0, white)
    inverted = isinstance(image, TiffImageFile) and image.tag_v2.get(262) == 0 and image.mode != "F"
    return (white, black) if inverted else (black, white)


def _scaled_grey(strip: Image.Image, black: float, white: float) -> Image.Image:
    values = np.nan_to_num(np.asarray(strip, np.float64), nan=black, posinf=white, neginf=black)
    return Image.fromarray(np.rint((values - black) * (255 / ((white - black) or 1))).clip(0, 255).astype(np.uint8))
