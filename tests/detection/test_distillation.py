"""Teaching the face detector: answers that turn with the picture, a student that learns, a run that goes on."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from cyclegan_core import images
from cyclegan_core.errors import CycleganError
from cyclegan_core.faces.embedded_detector import WEIGHTS, EmbeddedDetector
from cyclegan_core.faces.retinaface import CENTRE_VARIANCE, SIZE_VARIANCE, _anchors, new_network, read_weights
from cyclegan_core.runtime.int8 import split_ranges
from tests import ROOT
from train.detection.calibration import calibrate
from train.detection.distillation import Answers, distillation_loss, quarter_turns
from train.detection.measure import Moved, measure
from train.detection.mosaics import Mosaics, disturb
from train.detector import Run

SIZE = 64
COUNT = len(_anchors(SIZE, SIZE))


def answers(seed: int) -> Answers:
    torch.manual_seed(seed)
    return torch.randn(1, COUNT, 4), torch.randn(1, COUNT, 2).softmax(-1), torch.randn(1, COUNT, 10)


def corners_and_points(given: Answers) -> tuple[np.ndarray, np.ndarray]:
    anchors = torch.from_numpy(_anchors(SIZE, SIZE))
    centres = anchors[:, :2] + given[0][0, :, :2] * CENTRE_VARIANCE * anchors[:, 2:]
    sizes = anchors[:, 2:] * torch.exp(given[0][0, :, 2:] * SIZE_VARIANCE)
    points = anchors[:, None, :2] + given[2][0].unflatten(-1, (5, 2)) * CENTRE_VARIANCE * anchors[:, None, 2:]
    return torch.cat([centres - sizes / 2, centres + sizes / 2], 1).numpy(), points.numpy()


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_answers_turn_with_the_picture(quarters: int) -> None:
    given = answers(0)
    turned = quarter_turns(given, SIZE, quarters)
    boxes, points = corners_and_points(given)
    for _ in range(quarters):  # (x, y) goes to (y, SIZE - x)
        boxes = np.stack([boxes[:, 1], SIZE - boxes[:, 2], boxes[:, 3], SIZE - boxes[:, 0]], 1)
        points = np.stack([points[..., 1], SIZE - points[..., 0]], -1)
    new_boxes, new_points = corners_and_points(turned)

    def by_score(which: Answers, values: np.ndarray) -> np.ndarray:
        return values[np.argsort(which[1][0, :, 1].numpy())]

    np.testing.assert_allclose(by_score(turned, new_boxes), by_score(given, boxes), atol=1e-3)
    np.testing.assert_allclose(by_score(turned, new_points), by_score(given, points), atol=1e-3)


def test_four_quarters_are_none() -> None:
    given = answers(1)
    assert all(torch.equal(a, b) for a, b in zip(quarter_turns(given, SIZE, 4), given, strict=True))


def test_the_teachers_own_answers_cost_least() -> None:
    teacher, other = answers(2), answers(3)
    perfect = distillation_loss((teacher[0], teacher[1].log(), teacher[2]), teacher)
    assert all(float(loss) < 1e-6 for loss in perfect.values())
    assert all(float(loss) > 0.01 for loss in distillation_loss((other[0], other[1].log(), other[2]), teacher).values())


def test_mosaics_are_drawn_by_their_seed_and_disturbing_changes_them(tmp_path: Path) -> None:
    images.save(images.load(ROOT / "examples" / "astronaut.jpg")[:256, :256], tmp_path / "a.png")
    mosaics = Mosaics([tmp_path / "a.png"], [tmp_path / "a.png"])
    first, same, other = (mosaics.draw(96, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first.shape == (96, 96, 3)
    np.testing.assert_array_equal(first, same)
    assert np.abs(first.astype(int) - other).mean() > 5
    disturbed = [disturb(first, np.random.default_rng(seed)) for seed in range(8)]
    assert all(picture.shape == first.shape and picture.dtype == np.uint8 for picture in disturbed)
    assert max(np.abs(first.astype(int) - picture).mean() for picture in disturbed) > 5


@pytest.mark.medium
def test_calibrated_scores_mean_what_the_teachers_mean(tmp_path: Path) -> None:
    images.save(images.load(ROOT / "examples" / "astronaut.jpg")[:256, :256], tmp_path / "a.png")
    torch.manual_seed(0)
    teacher = new_network().eval()
    student = copy.deepcopy(teacher)
    heads: Any = student.ClassHead
    with torch.no_grad():
        for head in heads:
            head.conv1x1.weight.div_(3)
            head.conv1x1.bias.div_(3)
            head.conv1x1.bias[1::2] -= 0.5
    scale, shift = calibrate(student, teacher, Mosaics([tmp_path / "a.png"]), count=1)
    assert (scale, shift) == pytest.approx((3, 1.5), rel=0.02)
    picture = torch.rand(1, 3, 64, 64) * 50
    with torch.inference_mode():
        mine, theirs = (torch.softmax(network(picture)[1], -1) for network in (student, teacher))
    torch.testing.assert_close(mine, theirs, atol=5e-3, rtol=0)


@pytest.mark.medium
def test_a_detector_is_measured_against_another(tmp_path: Path) -> None:
    images.save(images.load(ROOT / "examples" / "astronaut.jpg")[:256], tmp_path / "a.png")
    detector, mosaics = EmbeddedDetector(), Mosaics([tmp_path / "a.png"])
    same = measure(detector, detector, mosaics, count=3, turn=False)
    share, faces = same["recall"]["from 24 pixels"]
    assert share == 1
    assert faces >= 3
    assert same["false"][0] == same["landmark_error"]["mean"] == 0
    moved = measure(Moved(detector), detector, mosaics, count=3, turn=False)
    assert moved["recall"]["from 24 pixels"][0] > 0.5
    assert 0 < moved["landmark_error"]["mean"] < 0.3


def test_a_run_begins_with_the_weights_of_another(tmp_path: Path) -> None:
    begun = Run(tmp_path / "run", 100, 1e-3, WEIGHTS)
    begun.save()
    expected, _ = split_ranges(read_weights(WEIGHTS))
    saved = read_weights(tmp_path / "run" / "detector.safetensors")
    assert all(torch.equal(saved[name], value) for name, value in expected.items())


@pytest.mark.parametrize("content", [None, b"", b"no weights", "another network"])
def test_a_start_that_is_no_detector_is_a_sentence(tmp_path: Path, content: bytes | str | None) -> None:
    file = tmp_path / "start.safetensors"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content:
        save_file({"weight": torch.zeros(2)}, file)
    with pytest.raises(CycleganError, match=r"start\.safetensors is no "):
        Run(tmp_path / "run", 10, 1e-3, file)
