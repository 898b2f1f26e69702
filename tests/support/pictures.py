"""Small pictures of every format, and the sentence that refuses one."""

import io
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from cyclegan_core import images
from cyclegan_core.errors import PictureError

pillow_heif.register_heif_opener()  # only to write HEIC below


def encode(form: str, width: int = 64, height: int = 64, **options: object) -> bytes:
    """Noise, so that the pixels are most of the file."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, form, **options)
    return file.getvalue()


SAMPLES = {
    "jpg": encode("JPEG"),
    "progressive.jpg": encode("JPEG", progressive=True),
    "exif.jpg": encode("JPEG", 16, 16, exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"),
    "png": encode("PNG"),
    "webp": encode("WEBP"),
    "lossless.webp": encode("WEBP", lossless=True),
    "bmp": encode("BMP"),
    "gif": encode("GIF"),
    "tif": encode("TIFF"),
    "lzw.tif": encode("TIFF", compression="tiff_lzw"),
    "jpeg.tif": encode("TIFF", compression="jpeg"),
    "heic": encode("HEIF"),
    "avif": encode("AVIF"),
}


def refusal(source: str | Path | bytes) -> str:
    with pytest.raises(PictureError) as caught:
        images.load(source)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert "/" not in sentence
    assert sentence.endswith(".")
    return sentence
