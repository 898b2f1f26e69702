"""Two folders of small pictures, as a set to prepare."""

from pathlib import Path

import pytest

from tests.preparation.test_prepare_folders import write


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    a = write(tmp_path / "cats", [f"{i:03d}.jpg" for i in range(60)], seed=1)
    b = write(tmp_path / "dogs", [f"{i:03d}.png" for i in range(40)], seed=2)
    return a, b
