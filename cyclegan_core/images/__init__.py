"""The one door for pictures from outside: limits, orientation, colours, transparency, clear errors.

`load` turns a photograph of almost any kind into RGB uint8 (H, W, 3), or says in one sentence why it does not;
`load_picture` gives its transparency and notes on its file as well. `save` writes a picture whole or not at all.
"""

from cyclegan_core.images.formats import SAVE_SUFFIXES, SUFFIXES
from cyclegan_core.images.limits import MAX_FILE_BYTES, MAX_PIXELS, MAX_SECONDS, MAX_TIFF_STRIPS, MIN_SIDE
from cyclegan_core.images.loading import load, load_picture
from cyclegan_core.images.picture import Picture
from cyclegan_core.images.saving import save

__all__ = [
    *("MAX_FILE_BYTES", "MAX_PIXELS", "MAX_SECONDS", "MAX_TIFF_STRIPS", "MIN_SIDE", "SAVE_SUFFIXES", "SUFFIXES"),
    *("Picture", "load", "load_picture", "save"),
]
