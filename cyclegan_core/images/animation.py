"""Animations, as GIF, WebP, APNG or AVIF: all their frames in, and as WebP or APNG out again."""

import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from cyclegan_core.errors import PictureError
from cyclegan_core.images.colour import PngColour
from cyclegan_core.images.containers.png import strip_png
from cyclegan_core.images.formats import decoder_for
from cyclegan_core.images.limits import DECODER_ERRORS, display_name
from cyclegan_core.images.picture import Picture
from cyclegan_core.images.source import check_size, named_bytes
from cyclegan_core.images.upright import upright
from cyclegan_core.images.writing import encoding, write_whole

MAX_TOTAL_PIXELS = 200_000_000  # of all frames, which are in memory together while they are written
MOST_FRAMES = 2_000
USUAL_MILLISECONDS = 100  # for which browsers show a frame that asks for less than SHORTEST
SHORTEST = 20
ANIMATED = (AvifImageFile, GifImageFile, PngImageFile, WebPImageFile)
ANIMATED_SUFFIXES = (".webp", ".png")
_WEBP_FLAGS, _WEBP_HAS_ALPHA = 20, 0x10  # the byte behind the chunk VP8X, with which every animated WebP begins


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of an animation: the whole picture, and for how many milliseconds it is shown."""

    picture: Picture
    milliseconds: int


class Animation:
    """An animation's frames, one after the other, from the first one at each reading.

    name: of the file, fit for a sentence. frames: how many there are. plays: how often it is shown, 0 for without end.
    """

    def __init__(self, image: ImageFile.ImageFile, name: str, told: PngColour | None) -> None:
        self._image, self._told = image, told
        # The first picture of an APNG may be one for programs that know no animations.
        self._first = int(isinstance(image, PngImageFile) and bool(image.default_image))
        self.name = name
        self.frames = int(getattr(image, "n_frames", 1)) - self._first
        self.plays = self._plays()

    def _plays(self) -> int:
        loop = self._image.info.get("loop")
        if isinstance(self._image, GifImageFile):  # which counts what follows the first time
            return 1 if loop is None else loop + 1 if loop else 0
        return int(loop or 0)

    def read(self) -> Iterator[Frame]:
        """Frame by frame, ending early where the file is damaged."""
        with suppress(*DECODER_ERRORS):
            for number in range(self._first, self._first + self.frames):
                self._image.seek(number)
                self._image.load()
                asked = float(self._image.info.get("duration") or 0)
                yield Frame(upright(self._image, self._told), round(asked if asked >= SHORTEST else USUAL_MILLISECONDS))


def load_animation(source: str | Path | bytes) -> Animation | None:
    """The animation in a file, given by its path or its bytes; None where it is a still picture or nothing readable.

    Also None where it has more than MOST_FRAMES frames or MAX_TOTAL_PIXELS pixels: `load_picture` then gives one of
    them, or says what is wrong with the file. Raises PictureError for a file that cannot be read from the disk.
    """
    name, data = named_bytes(source)
    decoder = decoder_for(data)
    if decoder not in ANIMATED:
        return None
    try:
        image = decoder(io.BytesIO(data))
        check_size(image.size, name)
        if getattr(image, "n_frames", 1) < 2:
            return None
        animation = Animation(image, name, strip_png(data).colour if decoder is PngImageFile else None)
    except (PictureError, MemoryError, *DECODER_ERRORS):
        return None
    total = animation.frames * image.width * image.height
    return animation if 1 < animation.frames <= MOST_FRAMES and total <= MAX_TOTAL_PIXELS else None


def save_animation(
    frames: Sequence[Frame], path: str | Path, *, plays: int = 0, quality: int = 90, made_by: str | None = None
) -> None:
    """Writes frames of one size as an animated WebP or PNG, whichever of ANIMATED_SUFFIXES the path's suffix is.

    The file appears whole or not at all. plays: how often it is shown, 0 for without end. `quality` (1..100) is for
    WebP. made_by: as for `save`. Raises PictureError where it cannot be written, ValueError for no frames.
    """
    if not frames:
        raise ValueError("an animation has at least one frame")
    path = Path(path)
    name, form = display_name(path), path.suffix.lower().lstrip(".")
    if f".{form}" not in ANIMATED_SUFFIXES:
        raise PictureError(f"{name} cannot be written: end its name in {' or '.join(ANIMATED_SUFFIXES)}.")
    shown = [Image.fromarray(_with_alpha(frame.picture)) for frame in frames]
    encoded = io.BytesIO()
    try:
        shown[0].save(
            encoded, form, save_all=True, append_images=shown[1:], duration=[frame.milliseconds for frame in frames],
            loop=plays, **encoding(form, quality, made_by),
        )  # fmt: skip
    except (OSError, ValueError) as error:  # WebP has a longest side
        raise PictureError(f"{name} cannot be written: it has too many pixels for its format.") from error
    if form == "webp" and any(frame.picture.alpha is not None for frame in frames):
        # The encoder leaves out a border that is transparent throughout, and then writes that nothing is transparent.
        encoded.getbuffer()[_WEBP_FLAGS] |= _WEBP_HAS_ALPHA
    write_whole(path, encoded)


def _with_alpha(picture: Picture) -> np.ndarray:
    return picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])
