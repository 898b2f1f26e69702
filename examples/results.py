"""Draws the README's first picture: faces of the examples as they are, then through the embedded translations.

python examples/results.py examples/screenshots/results.jpg
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cyclegan_core import CycleganError, Studio, images
from cyclegan_core.faces.face import Face

FACES = {  # of each photo, the largest: its directions
    "barack_obama.jpg": ("to_female", "older", "younger", "to_anime"),
    "astronaut.jpg": ("to_male", "older", "younger", "to_anime"),
    "joe_biden.jpg": ("to_female", "older", "younger", "to_anime"),
}
HEADINGS = ("photo", "other gender", "older", "younger", "anime")
SIDE, HEADING = 256, 44  # pixels
PAPER, INK = 255, (60, 60, 60)
ROOM = 2.4  # side of the shown square, in widths of the face


def main(target: str) -> None:
    studio = Studio.embedded()
    rows = []
    for name, directions in FACES.items():
        photo = images.load(Path(__file__).parent / name)
        face = max(studio.find_faces(photo), key=lambda face: face.width)
        after = [studio.translate(photo, studio.chain(direction)).picture for direction in directions]
        rows.append(np.concatenate([_square(picture, face) for picture in (photo, *after)], 1))
    images.save(np.concatenate([_headings(), *rows]), target, quality=90)


def _headings() -> NDArray[np.uint8]:
    row = np.full((HEADING, SIDE * len(HEADINGS), 3), PAPER, np.uint8)
    for column, words in enumerate(HEADINGS):
        (width, height), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_DUPLEX, 0.8, 1)
        place = (column * SIDE + (SIDE - width) // 2, (HEADING + height) // 2)
        cv2.putText(row, words, place, cv2.FONT_HERSHEY_DUPLEX, 0.8, INK, 1, cv2.LINE_AA)
    return row


def _square(photo: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
    side = min(round(ROOM * face.width), *photo.shape[:2])
    left, top = (
        min(max(round(middle - side / 2), 0), length - side)
        for middle, length in zip(face.landmarks[2], photo.shape[1::-1], strict=True)
    )
    return cv2.resize(photo[top : top + side, left : left + side], (SIDE, SIDE), interpolation=cv2.INTER_AREA)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:2] or ["results.jpg"])
    except (CycleganError, OSError) as error:
        sys.exit(str(error))
