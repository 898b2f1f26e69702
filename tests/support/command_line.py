"""Running the command line in this process, and looking at what it leaves."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from cyclegan_core import images
from cyclegan_core.cli.main import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tiny_translation: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `translate` in this process with the tiny translation; gives the exit code, stdout and stderr."""

    def call(*arguments: object, direction: str = "to_female", name: object = tiny_translation) -> tuple[int, str, str]:
        options = ["--translation", str(name), "--direction", direction]
        code = main(["translate", *options, *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture(scope="session")
def two_faces(two_faces_picture: Path) -> np.ndarray:
    return cv2.resize(images.load(two_faces_picture), (400, 286), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="session")
def wall() -> np.ndarray:
    """A picture without a face."""
    return np.random.default_rng(0).integers(100, 140, (80, 120, 3), np.uint8)


def put(picture: np.ndarray, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images.save(picture, path)
    return path


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in tree(folder)}
