"""Converts webcam frames from and to JPEG data URLs, the form in which the browser sends and shows them."""

import base64
import binascii
import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile

from cyclegan_core.errors import PictureError
from demo.pictures import data_url

MOST_CHARACTERS = 1_000_000  # of a data URL; 640 x 480 pixels take about 80,000
MOST_PIXELS = 1280 * 960
MIN_SIDE = 16
# A JPEG may be built of thousands of scans that take next to no bytes and half a minute to decode. Browsers write one.
MOST_SCANS = 16
QUALITY = 88
PREFIX = "data:image/jpeg;base64,"


def decode(url: object) -> NDArray[np.uint8]:
    """Decodes a data URL into an RGB uint8 (H, W, 3) frame.

    Raises PictureError for what is not a JPEG data URL of at most MOST_CHARACTERS and MOST_PIXELS. The size is taken
    from the header, before anything is decoded.
    """
    if not isinstance(url, str) or not url.startswith(PREFIX):
        raise PictureError("A frame must be a JPEG data URL.")
    if len(url) > MOST_CHARACTERS:
        raise PictureError(f"The frame is larger than {MOST_CHARACTERS // 1000} kB: choose a smaller picture size.")
    try:
        data = base64.b64decode(url[len(PREFIX) :], validate=True)
        width, height = JpegImageFile(io.BytesIO(data)).size
    except (binascii.Error, ValueError, SyntaxError, OSError, LookupError, TypeError) as error:
        raise _damaged() from error
    if width * height > MOST_PIXELS:
        raise PictureError(f"The frame has {width} x {height} pixels, more than 1280 x 960: choose a smaller size.")
    if min(width, height) < MIN_SIDE:
        raise PictureError(f"The frame has only {width} x {height} pixels: choose a larger size.")
    if data.count(b"\xff\xda") > MOST_SCANS:
        raise _damaged()
    frame = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    if frame is None or frame.shape != (height, width, 3):
        raise _damaged()
    return frame


def encode(frame: NDArray[np.uint8]) -> str:
    """Encodes an RGB uint8 (H, W, 3) frame as a JPEG data URL."""
    return data_url(frame, QUALITY)


def _damaged() -> PictureError:
    return PictureError("The frame arrived damaged: if this goes on, reload the page.")
