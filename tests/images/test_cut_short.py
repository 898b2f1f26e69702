"""Pictures whose last bytes are missing: read as far as they go, unless a good part is gone."""

import io
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from cyclegan_core import images
from tests.support.pictures import SAMPLES, refusal


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"gif", "exif.jpg", "jpg", "progressive.jpg"}))
@pytest.mark.parametrize("part", [0.01, 0.1, 0.3, 0.5, 0.7])
@pytest.mark.filterwarnings("ignore")
def test_cut_short(name: str, part: float) -> None:
    """No half-grey faces: what is read at least three quarters of its rows are as they were, and it is said."""
    data = SAMPLES[name]
    assert "damaged or cut short" in refusal(data[: max(40, int(len(data) * part))])


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_is_read_while_most_of_its_rows_are_there(mode: str, progressive: bool) -> None:
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (640, 64, 3), np.uint8)).convert(mode)
    kept = io.BytesIO()
    picture.save(kept, "JPEG", progressive=progressive)
    data, whole = kept.getvalue(), images.load(kept.getvalue())
    read = images.load_picture(data[: int(len(data) * 0.92)])
    off = np.abs(read.pixels.astype(int) - whole).mean(axis=(1, 2))
    assert np.mean(off < 20) > 0.8
    (note,) = read.notes
    assert note.startswith("The end of The picture is missing")
    for part in (0.02,) if progressive else (0.02, 0.2, 0.5, 0.6):
        assert "damaged or cut short" in refusal(data[: int(len(data) * part)])


@pytest.mark.parametrize("name", ["jpg", "progressive.jpg", "png"])
@pytest.mark.parametrize("lost", [2, 12])
def test_a_picture_without_its_last_bytes_is_read_and_it_is_said(name: str, lost: int) -> None:
    picture = images.load_picture(SAMPLES[name][:-lost])
    said = "The end of The picture is missing: download or copy it again for the whole picture."
    assert picture.notes == (() if name == "png" else (said,))  # of a PNG that was only the mark of its end
    assert np.abs(picture.pixels.astype(int) - images.load(SAMPLES[name])).mean() < 3


@pytest.mark.parametrize(
    ("form", "options"),
    [
        *[("webp", {}), ("webp", {"lossless": True}), ("bmp", {}), ("gif", {}), ("avif", {}), ("heif", {})],
        *[("tiff", {}), ("tiff", {"big_tiff": True})],
    ],
)
@pytest.mark.parametrize("lost", [2, 0.02])
def test_no_format_needs_its_last_bytes(form: str, options: dict[str, Any], lost: float) -> None:
    rng = np.random.default_rng(1)
    noise = cv2.resize(rng.integers(0, 256, (40, 40, 3), np.uint8), (320, 320), interpolation=cv2.INTER_CUBIC)
    kept = io.BytesIO()
    Image.fromarray(noise).save(kept, form, **options)
    data = kept.getvalue()
    whole, read = images.load(data), images.load_picture(data[: -int(lost if lost > 1 else len(data) * lost)])
    off = np.abs(read.pixels.astype(int) - whole).mean(axis=(1, 2))
    assert np.mean(off < 20) > 0.9
    if (form, lost) != ("gif", 2):  # where that was only the mark of its end
        assert read.notes[0].startswith("The end of The picture is missing")
    assert "damaged or cut short" in refusal(data[: len(data) // 2])
