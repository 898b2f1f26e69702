"""The network that places landmarks: it mends guesses that are off, knows what is no face, and can be trained."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cyclegan_core import images
from cyclegan_core.faces.alignment import WIDE_TEMPLATE, align
from cyclegan_core.faces.embedded_detector import EmbeddedDetector
from cyclegan_core.faces.landmark_net import SIZE, TEMPLATE, LandmarkFinder, LandmarkNet
from tests import ROOT
from train.faces import landmarks

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def finder() -> LandmarkFinder:
    return LandmarkFinder()


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return images.load(EXAMPLES / "astronaut.jpg")


@pytest.fixture(scope="module")
def true(picture: np.ndarray) -> np.ndarray:
    return EmbeddedDetector().detect(picture)[0].landmarks


def off(found: np.ndarray, true: np.ndarray) -> float:
    return float(np.linalg.norm(found - true, axis=1).mean() / np.linalg.norm(true[1] - true[0]))


@pytest.mark.parametrize(
    ("degrees", "scale", "shift"), [(0, 1.0, 0.2), (15, 1.0, 0.0), (-15, 1.2, 0.1), (5, 0.85, -0.2)]
)
def test_guesses_that_are_off_are_mended(
    finder: LandmarkFinder, picture: np.ndarray, true: np.ndarray, degrees: float, scale: float, shift: float
) -> None:
    centre = true.mean(0)
    turn = cv2.getRotationMatrix2D((0, 0), degrees, scale)[:, :2]
    eyes = float(np.linalg.norm(true[1] - true[0]))
    guess = (true - centre) @ turn.T + centre + shift * eyes
    found, scores = finder.refine(picture, guess[None])
    assert off(found[0], true) < 0.5 * off(guess, true)
    assert off(found[0], true) < 0.12
    assert scores[0] > 0.9


def test_what_is_no_face_is_known(finder: LandmarkFinder, picture: np.ndarray) -> None:
    height, width = picture.shape[:2]
    points = np.array(WIDE_TEMPLATE) * 0.15 * width
    places = [(0.02, 0.05), (0.75, 0.6), (0.05, 0.7), (5.0, 5.0)]  # flag, suit, suit, outside of the picture
    guesses = np.stack([points + np.array([x * width, y * height]) for x, y in places])
    _, scores = finder.refine(picture, guesses)
    assert scores.max() < 0.5


def test_no_guesses_no_faces(finder: LandmarkFinder, picture: np.ndarray) -> None:
    found, scores = finder.refine(picture, np.empty((0, 5, 2)))
    assert found.shape == (0, 5, 2)
    assert scores.shape == (0,)


def test_samples_show_the_face_where_they_say_it_is() -> None:
    """A bright dot at every landmark is found again where `sample` says that the landmark went."""
    torch.manual_seed(0)
    stored = landmarks.STORED
    alignment = align(TEMPLATE * 100, TEMPLATE, stored, landmarks.ZOOM_OUT / 2)
    points = (TEMPLATE * 100) @ alignment.matrix[:, :2].T + alignment.matrix[:, 2]
    crop = np.zeros((stored, stored, 3), np.uint8)
    cv2.circle(crop, tuple(int(v) for v in np.rint(points[2])), 5, (255, 255, 255), -1)
    crops = torch.from_numpy(crop).permute(2, 0, 1)[None].repeat(16, 1, 1, 1)
    true = torch.from_numpy((points + 0.5) / stored).float()[None].repeat(16, 1, 1)
    shown, moved = landmarks.sample(crops, true, faces=True)
    for picture, nose in zip(shown.mean(1), moved[:, 2], strict=True):
        brightest = (picture > picture.mean() + 0.5 * (picture.max() - picture.mean())).nonzero().float().mean(0)
        assert (brightest.flip(0) + 0.5 - nose * SIZE).norm() < 3
    assert (moved[:, 0, 0] < moved[:, 1, 0]).all(), "left is left as it is seen"


@pytest.mark.medium
def test_training_brings_the_error_down(
    tmp_path: Path, picture: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    points = EmbeddedDetector().detect(picture)[0].landmarks
    alignment = align(points, TEMPLATE, landmarks.STORED, landmarks.ZOOM_OUT / 2)
    where = (points @ alignment.matrix[:, :2].T + alignment.matrix[:, 2] + 0.5) / landmarks.STORED
    crops = np.stack([alignment.crop(picture)] * 40)
    true = np.stack([where] * 40).astype(np.float32)
    np.savez(tmp_path / "set.npz", crops=crops, landmarks=true, test=np.arange(40) >= 32)

    def error(epochs: int) -> float:
        arguments = ["train", str(tmp_path / "set.npz"), "--output", str(tmp_path / "net.safetensors"), "--batch", "16"]
        assert landmarks.main([*arguments, "--epochs", str(epochs)]) == 0
        (line,) = (line for line in capsys.readouterr().out.splitlines() if "first look" in line)
        return float(line.split()[-2])

    assert error(30) < 0.8 * error(2)
    LandmarkFinder(tmp_path / "net.safetensors")


def test_network_is_small() -> None:
    assert sum(p.numel() for p in LandmarkNet().parameters()) < 1_000_000
