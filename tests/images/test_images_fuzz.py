"""Damaged and random files at the door for pictures: a picture or a sentence, and soon."""

import random
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from cyclegan_core import images
from cyclegan_core.errors import PictureError
from tests.support.hostile import SEED, damaged, encoded_pictures
from tests.support.serving import PATIENCE

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

SENTENCE = 300  # characters


def looked_at(data: bytes) -> tuple[NDArray[np.uint8] | None, str]:
    """The picture, or the sentence that refuses it; nothing else may come out of the door, and not late."""
    began = time.monotonic()
    try:
        return images.load(data), ""
    except PictureError as error:
        return None, str(error)
    finally:
        assert time.monotonic() - began < images.MAX_SECONDS + PATIENCE


@pytest.mark.parametrize("form", ["jpeg", "png", "webp", "gif", "tiff", "bmp", "avif", "heif"])
def test_damaged_pictures_are_read_or_refused(form: str) -> None:
    rng = random.Random(f"{SEED} {form}")
    refused = 0
    for data in damaged(encoded_pictures()[form], rng, 240):
        picture, sentence = looked_at(data)
        if picture is None:
            refused += 1
            assert "\n" not in sentence
            assert 0 < len(sentence) < SENTENCE
        else:
            assert picture.dtype == np.uint8
            assert picture.ndim == 3
            assert picture.shape[2] == 3
            assert min(picture.shape[:2]) >= images.MIN_SIDE
            assert picture.size <= 3 * images.MAX_PIXELS
    assert refused > 30, "much of what was sent is damaged beyond reading"


def test_random_bytes_are_refused() -> None:
    rng = random.Random(SEED)
    starts = [content[:length] for content in encoded_pictures().values() for length in (4, 12, 30)]
    for data in [rng.choice([b"", *starts]) + rng.randbytes(rng.choice([0, 1, 10, 1000, 30000])) for _ in range(400)]:
        picture, sentence = looked_at(data)
        assert picture is None
        assert 0 < len(sentence) < SENTENCE
        assert "\n" not in sentence
