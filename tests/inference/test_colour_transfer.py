"""A painted crop takes the photo's colours over large regions, and keeps its lines."""

import cv2
import numpy as np
import pytest

from cyclegan_core import images
from cyclegan_core.inference.crops.colour_transfer import GRID, with_colours_of
from tests import ROOT

SIDE = 96
PHOTO = cv2.resize(images.load(ROOT / "examples" / "barack_obama.jpg")[60:560, 240:740], (SIDE, SIDE))


def drawing() -> np.ndarray:
    """Pale skin with thin dark lines."""
    drawn = np.full((SIDE, SIDE, 3), (250, 225, 215), np.float32)
    drawn[::12] = 20
    return drawn


def chroma(crop: np.ndarray) -> np.ndarray:
    """Mean red minus green and blue minus green of each region, (GRID, GRID, 2)."""
    small = cv2.resize(crop.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA)
    return small[..., ::2] - small[..., 1:2]


def test_no_share_is_the_same_array() -> None:
    drawn = drawing()
    assert with_colours_of(PHOTO, drawn, 0.0) is drawn


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_colours_come_as_near_as_they_are_told(share: float) -> None:
    inner = np.s_[2:-2, 2:-2]
    before, after = (
        np.abs(chroma(PHOTO)[inner] - chroma(crop)[inner]).mean()
        for crop in (drawing(), with_colours_of(PHOTO, drawing(), share))
    )
    assert after < (1 - 0.6 * share) * before


def test_lightness_follows_in_part_and_lines_stay() -> None:
    photo = np.full((SIDE, SIDE, 3), (120, 80, 60), np.uint8)
    drawn, moved = drawing(), with_colours_of(photo, drawing(), 1.0)
    assert photo.mean() < moved[6].mean() < drawn[6].mean(), "darker skin, not as dark as the photo's"
    assert (drawn[6] - drawn[12]).mean() * 0.8 < (moved[6] - moved[12]).mean(), "the lines are nearly as clear"


def test_the_photo_itself_and_grey_stay_what_they_are() -> None:
    assert np.allclose(with_colours_of(PHOTO, PHOTO.astype(np.float32), 1.0), PHOTO, atol=0.6), "a mean is rounded"
    grey = np.repeat(PHOTO.mean(2, keepdims=True).astype(np.uint8), 3, axis=2)
    moved = with_colours_of(grey, drawing().mean(2, keepdims=True).repeat(3, 2), 0.9)
    assert np.ptp(moved, axis=2).max() < 1


def test_values_stay_in_range() -> None:
    white, black = np.full((SIDE, SIDE, 3), 255, np.uint8), np.zeros((SIDE, SIDE, 3), np.float32)
    moved = with_colours_of(white, black, 1.0)
    assert 0 < moved.min() <= moved.max() <= 255
