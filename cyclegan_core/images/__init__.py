"""The one door for pictures from outside: limits, orientation, colour, transparency, clear errors.

`load` turns a photograph of almost any kind into RGB uint8 (H, W, 3), or says in one sentence why it does not;
`load_picture` keeps its transparency and says what was done to it. `save` writes a picture whole or not at all.
`load_animation` and `save_animation` do the same with all frames of an animation.
"""

from cyclegan_core.images.animation import ANIMATED_SUFFIXES, Animation, Frame, load_animation, save_animation
from cyclegan_core.images.limits import MAX_FILE_BYTES, MAX_PIXELS, MAX_SECONDS, MIN_SIDE, READABLE, WRITABLE
from cyclegan_core.images.picture import Picture
from cyclegan_core.images.reading import load, load_picture
from cyclegan_core.images.writing import save

SUFFIXES = READABLE
"""Suffixes (lower case, with the dot) of the files that `load` reads; a file's content decides, not its suffix."""

SAVE_SUFFIXES = WRITABLE
"""Suffixes (lower case, with the dot) that `save` writes."""

__all__ = [
    "ANIMATED_SUFFIXES",
    "MAX_FILE_BYTES",
    "MAX_PIXELS",
    "MAX_SECONDS",
    "MIN_SIDE",
    "SAVE_SUFFIXES",
    "SUFFIXES",
    "Animation",
    "Frame",
    "Picture",
    "load",
    "load_animation",
    "load_picture",
    "save",
    "save_animation",
]
