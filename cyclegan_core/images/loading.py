"""From a file or its bytes to a picture in sRGB, upright, or to a sentence that says why not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from cyclegan_core.errors import PictureError
from cyclegan_core.images import files, formats, jpeg, limits, png, raw
from cyclegan_core.images.colour import conversion_to_srgb, profile_of
from cyclegan_core.images.grey_range import scaled_grey, wide_range
from cyclegan_core.images.picture import Picture
from cyclegan_core.images.strips import strips

_MOST_FRAMES = 24  # of an animation that are looked at
_MOST_FRAME_PIXELS = 2 * limits.MAX_PIXELS  # of all frames that are looked at

# Views of the upright picture in which the pixels lie as the file stores them, by EXIF orientation.
_AS_STORED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


def load(source: str | Path | bytes) -> NDArray[np.uint8]:
    """A picture from a file's path or from its bytes, as RGB uint8 (H, W, 3) in sRGB: `load_picture(...).pixels`."""
    return load_picture(source).pixels


def load_picture(
    source: str | Path | bytes, *, wanted: Callable[[NDArray[np.uint8]], bool] | None = None
) -> Picture:
    """A picture from a file's path or from its bytes, with its transparency and notes on the file.

    The orientation of EXIF is applied, colours are converted to sRGB from an embedded profile or from the colour space
    that the file names, values of more than 8 bits are scaled to 0..255. Of a raw file the largest preview is taken,
    of an animation or a file of many pages the first picture; with `wanted`, the first for which it returns True when
    it is given the RGB uint8 (H, W, 3) pixels, or the first of all where there is none.

    Raises PictureError, with a sentence that names the file without its folder, when there is no such file or it
    cannot be read, is not a picture, is damaged or lacks a good part, is larger than `MAX_FILE_BYTES` or `MAX_PIXELS`,
    has a side of fewer than `MIN_SIDE` pixels, or keeps a decoder busy for `MAX_SECONDS`. The limits are those of
    `images.limits`, and checked on the file's header, before anything is decoded.
    """
    if isinstance(source, bytes):
        name, data = "The picture", source
    else:
        name = files.display_name(source)
        data = files.read(Path(source), name)
    if not data:
        raise PictureError(f"{name} is empty: copy or download it again.")
    limits.check_file_size(len(data), name)
    try:
        return _decode(data, name, wanted)
    except Image.DecompressionBombError as error:  # a frame or a tile that is larger than the picture
        raise PictureError(f"{name} has {limits.TOO_MANY_PIXELS}.") from error
    except MemoryError as error:
        raise PictureError(f"{name} needs more memory than is free here: make it smaller first.") from error
    except TimeoutError as error:
        raise PictureError(f"{name} takes too long to read: export it anew as PNG or JPEG.") from error
    except formats.DECODER_ERRORS as error:
        raise PictureError(f"{name} is damaged or cut short: download it again, or export it anew.") from error


def _decode(data: bytes, name: str, wanted: Callable[[NDArray[np.uint8]], bool] | None) -> Picture:
    notes: tuple[str, ...] = ()
    orientation = None
    if raw.is_raw(data):
        data, orientation = raw.preview(data, name)
        notes = (raw.PREVIEW_NOTE,)
    decoder = formats.decoder_for(data, name)
    profile = None
    if decoder is TiffImageFile:
        limits.check_tiff_strips(data, name)
    elif decoder is PngImageFile:
        data, profile = png.split(data)
    image: Image.Image = decoder(files.TimedBytes(data))
    limits.check_size(image.size, name)
    try:
        image.load()
    except OSError:
        whole = jpeg.decode_without_end(data) if decoder is JpegImageFile else None
        if whole is None:
            raise
        image, notes = whole, (*notes, jpeg.END_IS_MISSING)
    limits.check_size(image.size, name)  # a HEIC may hold another size than its header says
    if profile is None and decoder is not PngImageFile:
        profile = profile_of(image, data)
    orientation = _orientation(image, orientation)
    first = _upright(image, profile, orientation)
    frames = 1 if decoder is JpegImageFile else getattr(image, "n_frames", 1)  # others in an MPO are smaller views
    if frames == 1:
        return Picture(*first, notes)
    kind = "file of {} pages" if decoder is TiffImageFile else "animation of {} frames"
    number, chosen = 1, first
    if wanted is not None and not wanted(first[0]):
        found = _first_wanted(image, frames, wanted, profile, orientation)
        number, chosen = found or (number, first)
    note = f"this is an {kind}".replace("an file", "a file").format(frames) + f": only number {number} is taken"
    return Picture(*chosen, (*notes, note))


_Upright = tuple[NDArray[np.uint8], NDArray[np.uint8] | None, NDArray[np.uint8] | None]


def _first_wanted(
    image: Image.Image,
    frames: int,
    wanted: Callable[[NDArray[np.uint8]], bool],
    profile: bytes | None,
    orientation: int,
) -> tuple[int, _Upright] | None:
    """Number and content of the first frame after the first that is wanted; of a long animation, not all are tried."""
    most = max(1, min(_MOST_FRAMES, _MOST_FRAME_PIXELS // (image.width * image.height)))
    for index in range(1, frames, -(-(frames - 1) // most)):
        try:
            image.seek(index)
            image.load()
            frame = _upright(image, profile, orientation)
        except formats.DECODER_ERRORS:  # the rest is damaged; the first frame is not
            return None
        if wanted(frame[0]):
            return index + 1, frame
    return None


def _upright(image: Image.Image, profile: bytes | None, orientation: int) -> _Upright:
    """Pixels laid on white, alpha, and colours without the white, as `Picture` has them."""
    width, height = image.size
    shape = (width, height) if orientation >= 5 else (height, width)
    grey_range = wide_range(image)
    if grey_range or image.mode in ("1", "L", "LA"):
        base = "L"
    else:
        base = image.mode if image.mode in ("CMYK", "LAB") else "RGB"
    to_srgb = conversion_to_srgb(base, profile)
    transparent = not grey_range and image.has_transparency_data and not _alpha_is_unused(image)
    pixels = np.empty((*shape, 3), np.uint8)
    colours = np.empty_like(pixels) if transparent else None
    alpha = np.empty(shape, np.uint8) if transparent else None
    stored = _AS_STORED[orientation]
    for rows, strip in strips(image):
        if grey_range:
            strip = scaled_grey(strip, *grey_range)
        elif alpha is not None and colours is not None:
            rgba = strip.convert("RGBA")
            opacity = rgba.getchannel("A")
            stored(alpha)[rows] = np.asarray(opacity)
            opaque = strip.convert("LA").getchannel("L") if base == "L" else rgba.convert("RGB")
            colour = to_srgb(opaque)
            stored(colours)[rows] = np.asarray(colour)
            strip = Image.composite(colour, Image.new("RGB", colour.size, "white"), opacity)
            stored(pixels)[rows] = np.asarray(strip)
            continue
        stored(pixels)[rows] = np.asarray(to_srgb(strip.convert(base)))
    if alpha is not None and (alpha == 255).all():
        alpha = colours = None
    return pixels, alpha, colours


def _alpha_is_unused(image: Image.Image) -> bool:
    """Whether alpha is 0 everywhere in a BMP: many programs leave the fourth byte of a pixel empty."""
    return isinstance(image, BmpImageFile) and image.mode == "RGBA" and image.getchannel("A").getextrema() == (0, 0)


def _orientation(image: Image.Image, of_raw: int | None) -> int:
    """The EXIF (or XMP) orientation, 1..8; 1 where the metadata is absent or malformed.

    To be asked after `image.load()`: a PNG may have it behind the pixels, and Pillow turns a TIFF while it loads.
    of_raw: that of the raw file around a preview, which counts where the preview has none.
    """
    try:
        orientation = image.getexif().get(0x0112, of_raw)
    except formats.DECODER_ERRORS:
        orientation = of_raw
    return orientation if isinstance(orientation, int) and orientation in _AS_STORED else 1
