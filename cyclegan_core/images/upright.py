"""A decoded picture as its maker saw it: upright, in sRGB, grey scaled by its own range, alpha apart."""

import math
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.TiffImagePlugin import TiffImageFile

from cyclegan_core.images import colour
from cyclegan_core.images.colour import PngColour
from cyclegan_core.images.limits import DECODER_ERRORS
from cyclegan_core.images.picture import Picture

STRIP_PIXELS = 2**22  # pictures are converted in strips, so that a large one is in memory twice and not five times

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


def upright(image: Image.Image, told: PngColour | None) -> Picture:
    """The picture of a decoded image. told: what a PNG said of its colours, None for other formats."""
    orientation = _orientation(image)
    width, height = image.size
    shape = (width, height) if orientation >= 5 else (height, width)
    pixels = np.empty((*shape, 3), np.uint8)
    transparent = image.has_transparency_data and not _alpha_is_unused(image)
    alpha = np.empty(shape, np.uint8) if transparent else None
    stored = _AS_STORED[orientation](pixels)
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
            return Picture(pixels)
        pixels[alpha == 0] = 255
    return Picture(pixels, alpha)


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
