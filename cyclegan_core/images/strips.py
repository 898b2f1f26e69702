"""Walking through a large picture in strips of rows, so that it is in memory twice and not five times."""

from collections.abc import Iterator

from PIL import Image

STRIP_PIXELS = 2**22


def strips(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    """The rows of every strip, and the strip."""
    width, height = image.size
    step = max(1, STRIP_PIXELS // width)
    for top in range(0, height, step):
        bottom = min(top + step, height)
        yield slice(top, bottom), image.crop((0, top, width, bottom))
