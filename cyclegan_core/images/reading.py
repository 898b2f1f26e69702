"""Reading a photograph of almost any kind, or saying in one sentence why it cannot be."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from cyclegan_core.errors import PictureError
from cyclegan_core.images.colour import PngColour
from cyclegan_core.images.containers.cut_short import END_OF_JPEG, announced_size, partial_gif, without_end
from cyclegan_core.images.containers.png import LEAST_SHARE, strip_png
from cyclegan_core.images.formats import check_tiff_strips, decoder_for, foreign, is_raw, largest_preview
from cyclegan_core.images.limits import DECODER_ERRORS, TimedBytes
from cyclegan_core.images.picture import Picture
from cyclegan_core.images.source import check_size, named_bytes, refusals
from cyclegan_core.images.upright import upright

MOST_FRAMES = 200  # of an animation that are looked at for one that is wanted
Wanted = Callable[[np.ndarray], bool]


def load(source: str | Path | bytes) -> np.ndarray:
    """A picture from a file's path or from its bytes, as RGB uint8 (H, W, 3) in sRGB, alpha laid on white.

    Everything else is as `load_picture` does it.
    """
    return load_picture(source).on_white


def load_picture(source: str | Path | bytes, *, wanted: Wanted | None = None) -> Picture:
    """A picture from a file's path or from its bytes, with its transparency and notes on what was done to it.

    The EXIF orientation is applied. Colours become sRGB, from an ICC profile, from code points (cICP, nclx), from gamma
    and chromaticities of a PNG, or from a camera's EXIF. Grey of more than 8 bits is scaled by its own range. A file
    whose end is missing is read as far as it goes where that is most of it. Of a camera's raw file the largest
    preview is taken. Of an animation it is the first frame for which `wanted`, a function of RGB uint8 (H, W, 3), is
    true, else the first one.

    Raises PictureError, with a sentence that names the file without its folder, when there is no such file or it
    cannot be read, is not a picture, is damaged or cut short, is larger than `MAX_FILE_BYTES` or `MAX_PIXELS`, has a
    side of fewer than `MIN_SIDE` pixels, or keeps a decoder busy for `MAX_SECONDS`. The limits are checked on the
    file's header, before anything is decoded.
    """
    name, data = named_bytes(source)
    decoder = decoder_for(data)
    if is_raw(data):
        data, decoder = largest_preview(data, name), JpegImageFile
        notes = [f"{name} is a camera's raw file: its largest preview is shown."]
    else:
        notes = []
    if decoder is None:
        raise PictureError(f"{name} {foreign(data)}")
    with refusals(name):
        image, told = _open(decoder, data, name, notes)
        return _converted(image, told, name, notes, wanted)


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
    try:
        image = _load(decoder, data, name)
    except TimeoutError:
        raise
    except DECODER_ERRORS:
        partial = _load_without_end(decoder, data, name)
        if partial is None or partial[1] > 1 - LEAST_SHARE:
            raise
        image, lost = partial
        notes.append(_end_is_missing(name, lost))
    check_size(image.size, name)  # a HEIC may hold another size than its header says
    return image, told


def _load(decoder: type[ImageFile.ImageFile], data: bytes, name: str) -> Image.Image:
    image = decoder(TimedBytes(data))
    check_size(image.size, name)
    image.load()
    return image


def _load_without_end(decoder: type[ImageFile.ImageFile], data: bytes, name: str) -> tuple[Image.Image, float] | None:
    """A picture whose last bytes are missing, and the share that is; None where something else is wrong with it."""
    if decoder is JpegImageFile:
        return None if data.rstrip(b"\0").endswith(END_OF_JPEG) else without_end(data)
    if decoder is GifImageFile:
        return partial_gif(data)
    announced = announced_size(data) or 0
    missing = announced - len(data)
    if not 0 < missing < announced * (1 - LEAST_SHARE):
        return None
    return _load(decoder, data + bytes(missing), name), missing / announced


def _end_is_missing(name: str, lost: float) -> str:
    how_much = f", with {lost:.0%} of its rows" if lost >= 0.01 else ""
    return f"The end of {name} is missing{how_much}: download or copy it again for the whole picture."


def _converted(
    image: Image.Image, told: PngColour | None, name: str, notes: list[str], wanted: Wanted | None
) -> Picture:
    frames = getattr(image, "n_frames", 1) if image.format in ("GIF", "WEBP") else 1
    picture = upright(image, told)
    if frames > 1:
        number, total = 1, min(frames, MOST_FRAMES)
        while wanted is not None and number < total and not wanted(picture.pixels):
            image.seek(number)
            picture = upright(image, told)
            number += 1
        if number == total and wanted is not None and not wanted(picture.pixels):
            image.seek(0)
            picture, number = upright(image, told), 1
        notes.append(f"{name} is an animation of {frames} frames: frame {number} is used.")
    picture.notes, picture.frames = tuple(notes), frames
    return picture
