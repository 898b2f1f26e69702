"""A file that was made here says so, in every format that can, and says nothing else."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan_core import images, provenance


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff"])
def test_file_says_that_it_is_altered_and_how(tmp_path: Path, suffix: str) -> None:
    picture = np.full((32, 40, 3), 90, np.uint8)
    images.save(picture, tmp_path / f"a{suffix}", made_by="age: older <then> anime")
    content = (tmp_path / f"a{suffix}").read_bytes()
    assert b"AI-altered (age: older " in content
    if suffix != ".tiff":
        assert provenance.SOURCE_TYPE.encode() in content
        assert b"&lt;then&gt;" in content
    with Image.open(io.BytesIO(content)) as opened:
        words = opened.info.get("Description") or opened.getexif()[provenance.IMAGE_DESCRIPTION]
        assert words == "AI-altered (age: older <then> anime)"
    assert np.abs(images.load(tmp_path / f"a{suffix}").astype(int) - picture).max() <= 2


def test_xmp_is_read_by_a_parser(tmp_path: Path) -> None:
    images.save(np.zeros((32, 32, 3), np.uint8), tmp_path / "a.jpg", made_by="gender: to female")
    with Image.open(tmp_path / "a.jpg") as opened:
        packet = opened.info["xmp"].decode()
    import xml.etree.ElementTree as ElementTree

    (description,) = ElementTree.fromstring(packet).iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")
    assert provenance.SOURCE_TYPE in description.attrib.values()


def test_without_a_maker_nothing_is_said(tmp_path: Path) -> None:
    for suffix in (".jpg", ".png"):
        images.save(np.zeros((32, 32, 3), np.uint8), tmp_path / f"a{suffix}")
        content = (tmp_path / f"a{suffix}").read_bytes()
        assert b"AI-altered" not in content
        assert b"Exif" not in content
