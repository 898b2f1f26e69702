"""What a batch says of its photos: the table in the ZIP, and the part of a photo that its card shows."""

import csv
import io

import numpy as np
import pytest

from cyclegan_core.faces.face import Face
from demo.tabs.gallery.batch import table, view_of


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", " =1", "\t=1"])
def test_spreadsheet_takes_no_name_for_a_formula(name: str) -> None:
    content = list(csv.DictReader(io.StringIO(table([{"file": name, "left": -3.5}]).decode("utf-8-sig"))))
    assert content[0]["file"] == f"'{name}"
    assert content[0]["left"] == "-3.5"


def test_view_shows_the_faces_well_and_stays_within_the_picture() -> None:
    picture = np.zeros((600, 1000, 3), np.uint8)
    landmarks = np.zeros((5, 2), np.float32)
    left, top, side = view_of(picture, [Face((900.0, 10.0, 1000.0, 120.0), 1.0, landmarks)]) or (0, 0, 0)
    assert side == pytest.approx(0.242)
    assert (left + side, top) == (pytest.approx(1.0), 0.0)
    far_apart = [Face((0.0, 0.0, 90.0, 90.0), 1.0, landmarks), Face((900.0, 0.0, 990.0, 90.0), 1.0, landmarks)]
    assert view_of(picture, far_apart) is None
    assert view_of(picture, []) is None
