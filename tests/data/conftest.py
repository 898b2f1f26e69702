"""Folders of pictures that tell their number, for tests of what reads them."""

from pathlib import Path

import numpy as np
import pytest

from cyclegan_core import images


def write_numbered(folder: Path, count: int, side: int = 16) -> Path:
    """Pictures whose every pixel is their number, as pictures of 16-bit red and green."""
    folder.mkdir(parents=True)
    for i in range(count):
        images.save(np.full((side, side, 3), (i % 256, i // 256, 7), np.uint8), folder / f"{i:04d}.png")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_numbered(tmp_path / "set" / "trainA", 40)
    write_numbered(tmp_path / "set" / "trainB", 40)
    return tmp_path / "set"
