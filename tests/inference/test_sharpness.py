"""Crops that are sharper than what a generator knows are softened to that, and no others."""

import cv2
import numpy as np
import pytest

from cyclegan_core import images
from cyclegan_core.inference.crops.sharpness import sharpness, softened
from tests import ROOT

PORTRAIT = cv2.resize(images.load(ROOT / "examples" / "astronaut.jpg")[60:320, 330:590], (128, 128))


def test_a_sharper_crop_comes_out_as_sharp_as_it_is_told() -> None:
    assert sharpness(PORTRAIT) > 14
    for limit in (6.0, 9.0, 12.0):
        assert sharpness(softened(PORTRAIT, limit)) == pytest.approx(limit, rel=0.15)


def test_a_softer_crop_and_one_without_a_limit_stay_as_they_are() -> None:
    assert softened(PORTRAIT, None) is PORTRAIT
    assert softened(PORTRAIT, sharpness(PORTRAIT)) is PORTRAIT


def test_softening_sets_in_gently() -> None:
    """A film whose sharpness wavers about the limit must not flicker."""
    barely = softened(PORTRAIT, sharpness(PORTRAIT) - 0.1)
    assert np.abs(barely.astype(int) - PORTRAIT).max() <= 2
    assert np.abs(softened(PORTRAIT, 6.0).astype(float).mean() - PORTRAIT.mean()) < 1, "as light as before"


def test_noise_without_any_face_is_blurred_as_far_as_it_goes() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert sharpness(softened(noise, 1.0)) < 0.1 * sharpness(noise)
