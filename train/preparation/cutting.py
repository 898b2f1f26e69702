"""From a picture of a set to what is stored of it: the aligned crop of a face, a part of a drawing, or all of it."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cyclegan_core import images
from cyclegan_core.faces.alignment import (
    HEAD_ASPECT,
    HEAD_TEMPLATE,
    MEDIUM_TEMPLATE,
    TIGHT_TEMPLATE,
    WIDE_TEMPLATE,
    Alignment,
    align,
)
from cyclegan_core.faces.detection import Detector, find_detector, find_faces
from train.data.preprocess import square
from train.preparation.datasets import Labelled

# A file to its picture (None: the file is taken as it is) and, where it is to be dropped, the reason.
Cut = Callable[[Labelled], tuple[NDArray[np.uint8] | None, str]]


@dataclass(frozen=True)
class Window:
    """The part of a face that is cut out: where its landmarks go, and how many times as tall as wide it is.

    matte: whether the head is told from its background when a painted one is laid back.
    """

    template: tuple[tuple[float, float], ...]
    aspect: float = 1.0
    matte: bool = False


WINDOWS: dict[str, Window | None] = {
    "tight": Window(TIGHT_TEMPLATE),
    "medium": Window(MEDIUM_TEMPLATE),
    "wide": Window(WIDE_TEMPLATE),
    "head": Window(HEAD_TEMPLATE, HEAD_ASPECT, matte=True),
    "no": None,
}
OUT_OF_FOCUS = 16  # a blur by this part of a crop's side hides a face
BLUR_SIDE = 64  # sharpness is measured at the size that a first stage trains on
# Mean distance between the channels below which a picture counts as grey, in units of 1/255.
GREY_CHROMA = 4.0
# Variance of the Laplacian at BLUR_SIDE, in units of (1/255)^2: UTKFace's blurriest percents lie below.
BLURRED = 60.0
# The part of an anime face of selfie2anime that is cut out: its side and its centre, as fractions of the drawing. Then
# its eyes lie where the head window has those of a photograph, and its chin a little higher.
DRAWN_SIDE, DRAWN_CENTRE = 0.86, (0.5, 0.507)


def cut(
    picture: NDArray[np.uint8], detector: Detector, size: int, window: Window = Window(TIGHT_TEMPLATE)
) -> tuple[NDArray[np.uint8] | None, str]:
    """The aligned crop, RGB uint8 (size, size, 3), of the largest face, or None and the reason."""
    faces = find_faces(detector, picture)
    if not faces:
        return None, "no face found"
    landmarks = max(faces, key=lambda face: face.width).landmarks
    alignment = align(landmarks, np.array(window.template), size, aspect=window.aspect)
    crop = _out_of_focus(alignment.crop(picture), alignment, picture.shape[:2])
    small = cv2.resize(crop, (BLUR_SIDE, BLUR_SIDE), interpolation=cv2.INTER_AREA)
    if np.ptp(small.astype(np.float32), axis=2).mean() < GREY_CHROMA:
        return None, "grey"
    if cv2.Laplacian(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var() < BLURRED:
        return None, "blurred"
    return crop, ""


def _out_of_focus(crop: NDArray[np.uint8], alignment: Alignment, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The crop with what lies outside its picture, of this height and width, blurred: mirrored, it has second faces."""
    height, width = shape
    there = np.full((height, width), 255, np.uint8)
    inside = cv2.warpAffine(there, alignment.matrix, (alignment.size, alignment.size), flags=cv2.INTER_LINEAR)
    if inside.min() == 255:
        return crop
    soft = cv2.GaussianBlur(inside, (0, 0), alignment.size / 100)[..., None].astype(np.float32) / 255
    blurred = cv2.GaussianBlur(crop, (0, 0), alignment.size / OUT_OF_FOCUS)
    return np.rint(crop * soft + blurred * (1 - soft)).astype(np.uint8)


def cut_drawing(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The face of a drawing of selfie2anime, RGB uint8 (size, size, 3), with the geometry of the head window."""
    whole = square(picture, min(picture.shape[:2]))
    side = DRAWN_SIDE * len(whole)
    left, top = (round(centre * len(whole) - side / 2) for centre in DRAWN_CENTRE)
    return square(np.ascontiguousarray(whole[top : top + round(side), left : left + round(side)]), size)


def face_cutter(size: int, window: Window) -> Cut:
    """Cuts faces with the detector at hand, and of drawings the part where the set has their faces."""
    detector = find_detector()
    print(f"Detector: {detector.name}", flush=True)

    def one(item: Labelled) -> tuple[NDArray[np.uint8] | None, str]:
        picture = images.load(item.path)
        return (cut_drawing(picture, size), "") if item.drawn else cut(picture, detector, size, window)

    return one


def as_it_is(item: Labelled) -> tuple[None, str]:
    """Only looks whether the picture can be read. Raises PictureError."""
    images.load(item.path)
    return None, ""
