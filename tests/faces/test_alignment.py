"""From landmarks to the crop, and back into the picture."""

import math

import cv2
import numpy as np
import pytest

from cyclegan_core.faces.alignment import HEAD_ASPECT, HEAD_TEMPLATE, TIGHT_TEMPLATE, Alignment, align, fit_similarity
from cyclegan_core.faces.blending import add_change, feathered_mask, paste

TEMPLATE = np.array(TIGHT_TEMPLATE)


def smooth_picture(height: int, width: int) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (height // 16 + 2, width // 16 + 2, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def landmarks(x: float, y: float, width: float, degrees: float = 0.0) -> np.ndarray:
    """The template's face, turned, of a width in pixels, its crop centred on (x, y)."""
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return (TEMPLATE - 0.5) @ turn.T * width + (x, y)


@pytest.mark.parametrize("degrees", [0, 30, 90, 180, -90])
def test_a_similarity_is_recovered(degrees: float) -> None:
    points = landmarks(120, 80, 64, degrees)
    matrix, error = fit_similarity(points, TEMPLATE * 256)
    assert error < 1e-9
    assert math.hypot(matrix[0, 0], matrix[1, 0]) == pytest.approx(4)
    assert np.allclose(points @ matrix[:, :2].T + matrix[:, 2], TEMPLATE * 256)


def test_a_mirrored_face_is_never_mirrored_back() -> None:
    matrix, error = fit_similarity(TEMPLATE[[1, 0, 2, 4, 3]], TEMPLATE)
    assert np.linalg.det(matrix[:, :2]) > 0
    assert error > 0.1


def test_an_untransformed_crop_is_the_picture_itself() -> None:
    picture = smooth_picture(64, 64)
    assert np.array_equal(Alignment(np.eye(2, 3), 64).crop(picture), picture)


@pytest.mark.parametrize("degrees", [0, 35, 180])
def test_a_window_taller_than_wide_is_squeezed_into_the_square(degrees: float) -> None:
    squeezed = np.array(HEAD_TEMPLATE)
    true = (squeezed - 0.5) * (1, HEAD_ASPECT)  # the face as it is, which the template shows flatter
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    points = true @ turn.T * 200 + (300, 260)
    alignment = align(points, squeezed, 128, aspect=HEAD_ASPECT)
    mapped = points @ alignment.matrix[:, :2].T + alignment.matrix[:, 2]
    assert np.allclose(mapped, squeezed * 128 - 0.5, atol=1e-6)
    corners = np.array([[-0.5, -0.5, 1], [127.5, -0.5, 1], [-0.5, 127.5, 1]]) @ alignment.inverse.T
    width, height = (float(np.linalg.norm(corner - corners[0])) for corner in corners[1:])
    assert height / width == pytest.approx(HEAD_ASPECT)
    picture = smooth_picture(600, 600)
    before = picture.copy()
    paste(picture, alignment, alignment.crop(picture).astype(np.float32), 1.0)
    assert np.abs(picture.astype(int) - before).mean() < 1, "what is cut out and put back is the same picture"


def test_landmarks_come_to_lie_on_the_template() -> None:
    points = landmarks(150, 100, 80, 20)
    alignment = align(points, TEMPLATE, 256)
    mapped = points @ alignment.matrix[:, :2].T + alignment.matrix[:, 2]
    assert np.allclose((mapped + 0.5) / 256, TEMPLATE)
    wide = align(points, TEMPLATE, 256, margin=0.5)
    mapped = points @ wide.matrix[:, :2].T + wide.matrix[:, 2]
    assert np.allclose((mapped + 0.5) / 256, (TEMPLATE + 0.5) / 2)


def test_every_size_shows_the_same_piece_of_the_picture() -> None:
    picture = smooth_picture(300, 400)
    alignment = align(landmarks(200, 150, 180, 15), TEMPLATE, 64)
    small, large = alignment.crop(picture), alignment.at_size(256).crop(picture)
    shrunk = cv2.resize(large, (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk.astype(int) - small).mean() < 3


def test_a_crop_of_many_pixels_is_averaged_not_sampled() -> None:
    stripes = np.zeros((1024, 1024, 3), np.uint8)
    stripes[:, ::2] = 255  # a sampled crop would be black, white, or moire
    crop = align(landmarks(512, 512, 800), TEMPLATE, 64).crop(stripes)
    assert np.abs(crop.astype(int) - 128).max() < 12


@pytest.mark.parametrize("centre", [(0, 0), (399, 150), (200, 299), (-30, 150)])
def test_a_face_at_the_edge_is_completed_by_its_mirror_image(centre: tuple[float, float]) -> None:
    picture = np.full((300, 400, 3), 77, np.uint8)
    crop = align(landmarks(*centre, 120), TEMPLATE, 64).crop(picture)
    assert np.all(crop == 77)


def test_a_face_outside_the_picture_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="outside"):
        align(landmarks(1000, 1000, 60), TEMPLATE, 64).crop(smooth_picture(100, 100))


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.full((5, 2), np.nan)])
def test_points_that_span_no_face_are_an_error(points: np.ndarray) -> None:
    with pytest.raises(ValueError, match="do not span a face"):
        align(points, TEMPLATE, 64)


@pytest.mark.parametrize("size", [8, 31, 64, 256])
def test_the_mask_is_full_inside_and_nothing_at_the_border(size: int) -> None:
    mask = feathered_mask(size)
    assert mask[size // 2, size // 2] == 1
    assert not mask[[0, -1]].any()
    assert not mask[:, [0, -1]].any()
    assert np.array_equal(mask, mask[::-1])
    assert np.array_equal(mask, mask.T)
    if size >= 64:
        assert np.abs(np.diff(mask, axis=0)).max() < 12 / size  # nowhere steep: no edge that the eye could follow


@pytest.mark.parametrize("degrees", [0, 33, 90])
@pytest.mark.parametrize("width", [30, 200, 900])
def test_pixels_around_a_face_are_bit_identical(width: float, degrees: float) -> None:
    picture = smooth_picture(700, 600)
    alignment = align(landmarks(350, 300, width, degrees), TEMPLATE, 64)
    result = picture.copy()
    add_change(result, alignment, np.full((64, 64, 3), 40, np.float32))
    y, x = np.mgrid[:700, :600]
    in_crop = np.stack([x, y], -1) @ alignment.matrix[:, :2].T + alignment.matrix[:, 2]
    outside = ((in_crop < -0.5) | (in_crop > 63.5)).any(-1)
    assert np.array_equal(result[outside], picture[outside])
    assert (result != picture).any()


def test_a_change_is_added_whole_in_the_middle_and_fades_without_a_step() -> None:
    picture = np.full((400, 400, 3), 100, np.uint8)
    add_change(picture, align(landmarks(200, 200, 300), TEMPLATE, 64), np.full((64, 64, 3), 40, np.float32))
    assert tuple(picture[200, 200]) == (140, 140, 140)
    steps = np.abs(np.diff(picture[..., 0].astype(int), axis=0)).max()
    assert steps <= 3  # of 40, over a feather of 30 pixels and more


def test_no_change_leaves_every_pixel() -> None:
    picture = smooth_picture(300, 300)
    result = picture.copy()
    add_change(result, align(landmarks(150, 150, 150, 10), TEMPLATE, 64), np.zeros((64, 64, 3), np.float32))
    assert np.array_equal(result, picture)


def test_a_changed_photo_keeps_its_finest_detail() -> None:
    rng = np.random.default_rng(1)
    picture = rng.integers(60, 190, (800, 800, 3), np.uint8)  # detail of one pixel, far finer than the crop
    result = picture.copy()
    add_change(result, align(landmarks(400, 400, 700), TEMPLATE, 64), np.full((64, 64, 3), 30, np.float32))
    middle = (slice(300, 500), slice(300, 500))
    assert np.array_equal(result[middle], picture[middle] + 30)


def test_detail_finer_than_the_crop_goes_with_the_finest_that_the_change_takes_away() -> None:
    """Wrinkles of a large face are in its crop in part alone: smoothed there, they must not stay as hair lines."""
    rng = np.random.default_rng(2)
    alignment = align(landmarks(400, 400, 700), TEMPLATE, 64)
    coarse = cv2.resize(rng.normal(0, 20, (80, 80)), (800, 800), interpolation=cv2.INTER_CUBIC)
    wrinkled = 120 + coarse + rng.normal(0, 6, (800, 800))
    picture = np.repeat(wrinkled.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    crop = alignment.crop(picture).astype(np.float32)
    smoother, stronger = cv2.GaussianBlur(crop, (0, 0), 2.0) - crop, crop - cv2.GaussianBlur(crop, (0, 0), 2.0)

    def fine(changed: np.ndarray) -> float:
        """Standard deviation, in the middle, of what no crop of 64 pixels shows."""
        grey = changed[300:500, 300:500, 0].astype(np.float32)
        return float((grey - cv2.GaussianBlur(grey, (0, 0), 2.0)).std())

    shares = []
    for change in (smoother, stronger):
        result = picture.copy()
        add_change(result, alignment, change)
        shares.append(fine(result) / fine(picture))
    assert shares[0] < 0.5
    assert 1.2 < shares[1] < 1.7


def test_paint_covers_the_middle_and_strength_mixes() -> None:
    alignment = align(landmarks(200, 200, 300), TEMPLATE, 64)
    for strength, expected in ((1.0, 200), (0.5, 150), (0.0, 100)):
        picture = np.full((400, 400, 3), 100, np.uint8)
        paste(picture, alignment, np.full((64, 64, 3), 200, np.float32), strength)
        assert picture[200, 200, 0] == expected
        assert np.all(picture[:30] == 100)


def test_paint_of_the_same_colour_shows_no_seam() -> None:
    picture = np.full((400, 400, 3), 100, np.uint8)
    paste(picture, align(landmarks(200, 200, 300, 25), TEMPLATE, 64), np.full((64, 64, 3), 100, np.float32), 1.0)
    assert np.all(picture == 100)
