"""From a picture of a set to what is stored of it: the aligned crop of a face, a part of a drawing, or all of it."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from cyclegan_core import images
from cyclegan_core.faces.alignment import MEDIUM_TEMPLATE, TIGHT_TEMPLATE, WIDE_TEMPLATE, align
from cyclegan_core.faces.detection import Detector, find_detector, find_faces
from train.data.preprocess import square
from train.preparation.datasets import Labelled

Template = tuple[tuple[float, float], ...]
# A file to its picture (None: the file is taken as it is) and, where it is to be dropped, the reason.
Cut = Callable[[Labelled], tuple[NDArray[np.uint8] | None, str]]

TEMPLATES: dict[str, Template | None] = {
    "tight": TIGHT_TEMPLATE,
    "medium": MEDIUM_TEMPLATE,
    "wide": WIDE_TEMPLATE,
    "no": None,
}
BLUR_SIDE = 64  # sharpness is measured at the size that a first stage trains on
# Mean distance between the channels below which a picture counts as grey, in units of 1/255.
GREY_CHROMA = 4.0
# Variance of the Laplacian at BLUR_SIDE, in units of (1/255)^2: UTKFace's blurriest percents lie below.
BLURRED = 60.0
# The part of an anime face of selfie2anime that is cut out: its side and its centre, as fractions of the drawing. Then
# eyes, mouth and chin lie where the medium template has those of a photograph; of the whole drawing the chin would lie
# higher, and a jaw would be left over below it.
DRAWN_SIDE, DRAWN_CENTRE = 0.72, (0.5, 0.53)


def cut(
    picture: NDArray[np.uint8], detector: Detector, size: int, template: Template = TIGHT_TEMPLATE
) -> tuple[NDArray[np.uint8] | None, str]:
    """The aligned crop, RGB uint8 (size, size, 3), of the largest face, or None and the reason."""
    faces = find_faces(detector, picture)
    if not faces:
        return None, "no face found"
    crop = align(max(faces, key=lambda face: face.width).landmarks, np.array(template), size).crop(picture)
    small = cv2.resize(crop, (BLUR_SIDE, BLUR_SIDE), interpolation=cv2.INTER_AREA)
    if np.ptp(small.astype(np.float32), axis=2).mean() < GREY_CHROMA:
        return None, "grey"
    if cv2.Laplacian(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var() < BLURRED:
        return None, "blurred"
    return crop, ""


def cut_drawing(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The face of a drawing of selfie2anime, RGB uint8 (size, size, 3), with the geometry of the medium template."""
    whole = square(picture, min(picture.shape[:2]))
    side = DRAWN_SIDE * len(whole)
    left, top = (round(centre * len(whole) - side / 2) for centre in DRAWN_CENTRE)
    return square(np.ascontiguousarray(whole[top : top + round(side), left : left + round(side)]), size)


def face_cutter(size: int, template: Template) -> Cut:
    """Cuts faces with the detector at hand, and of drawings the part where the set has their faces."""
    detector = find_detector()
    print(f"Detector: {detector.name}", flush=True)

    def one(item: Labelled) -> tuple[NDArray[np.uint8] | None, str]:
        picture = images.load(item.path)
        return (cut_drawing(picture, size), "") if item.drawn else cut(picture, detector, size, template)

    return one


def as_it_is(item: Labelled) -> tuple[None, str]:
    """Only looks whether the picture can be read. Raises PictureError."""
    images.load(item.path)
    return None, ""
