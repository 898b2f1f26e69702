"""Averaging pictures down by halves."""

import cv2
import numpy as np
import pytest

from cyclegan_core.images.shrinking import shrink


@pytest.mark.parametrize(("size", "to"), [((960, 720), (240, 180)), ((1000, 700), (128, 90)), ((300, 200), (290, 190))])
def test_it_is_averaging_over_the_area(size: tuple[int, int], to: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1] // 20, size[0] // 20, 3), np.uint8)
    picture = cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC)
    shrunk, sx, sy = shrink(picture, *to)
    whole = picture[: round(to[1] * sy), : round(to[0] * sx)]
    expected = cv2.resize(whole, to, interpolation=cv2.INTER_AREA)
    assert shrunk.shape == (to[1], to[0], 3)
    assert np.abs(shrunk.astype(int) - expected).mean() < 1.5  # halves are rounded, and share pixels out


def test_pixels_stay_where_the_shares_say() -> None:
    """Of odd sides the last pixels are left out, and nothing else moves."""
    row = np.arange(1021) // 4
    picture = np.repeat(np.repeat(row[None, :, None], 515, 0), 3, 2).astype(np.uint8)
    shrunk, sx, sy = shrink(picture, 100, 60)
    assert 0 <= 1021 - 100 * sx < 8
    assert 0 <= 515 - 60 * sy < 8
    middles = (np.arange(100) + 0.5) * sx - 0.5
    assert np.abs(shrunk[30, :, 0] - (middles - 1.5) / 4).max() < 1.5


def test_one_pixel_is_left_of_a_line() -> None:
    assert shrink(np.full((1, 900, 3), 7, np.uint8), 9, 1)[0].tolist() == [[[7, 7, 7]] * 9]
