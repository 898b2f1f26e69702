"""Grey photographs stay grey where a face in them is changed, toned ones keep their tone, others are left alone."""

import numpy as np
import pytest

from cyclegan_core import images
from cyclegan_core.faces.alignment import Alignment
from cyclegan_core.faces.blending import add_change, paste
from cyclegan_core.faces.monochrome import Tone
from tests import ROOT

PORTRAIT = images.load(ROOT / "examples" / "astronaut.jpg")
GREY = np.repeat(np.rint(PORTRAIT @ [0.299, 0.587, 0.114]).astype(np.uint8)[..., None], 3, axis=2)
SEPIA = np.rint((GREY.astype(float) / 255) ** [0.8, 1.0, 1.35] * 255).astype(np.uint8)
WHERE = Alignment(np.array([[1.0, 0, -100], [0, 1, -60]]), 128)
COLOURFUL = np.random.default_rng(0).normal(0, 40, (128, 128, 3)).astype(np.float32)


@pytest.mark.parametrize("way", ["change", "paint"])
def test_grey_stays_grey_to_the_last_bit(way: str) -> None:
    picture = GREY.copy()
    tone = Tone.of(picture)
    assert tone is not None
    if way == "change":
        add_change(picture, WHERE, COLOURFUL, tone)
    else:
        paste(picture, WHERE, COLOURFUL + 128, 1.0, tone)
    assert (picture == picture[..., :1]).all()
    assert np.abs(picture.astype(int) - GREY).max() > 20


def test_sepia_keeps_its_tint() -> None:
    tone = Tone.of(SEPIA)
    assert tone is not None
    picture = SEPIA.copy()
    add_change(picture, WHERE, COLOURFUL, tone)
    changed = (picture != SEPIA).any(axis=2)
    assert changed.sum() > 1000
    expected = tone.tint[np.rint(picture[changed] @ np.array([0.299, 0.587, 0.114])).astype(int)]
    offsets = picture[changed] - (picture[changed] @ np.array([0.299, 0.587, 0.114]))[:, None]
    assert np.quantile(np.abs(offsets - expected), 0.98) < 8


def test_a_photograph_in_colour_has_no_tone() -> None:
    assert Tone.of(PORTRAIT) is None
