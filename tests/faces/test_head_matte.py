"""The network that tells heads from backgrounds: on real photographs, and that it can be taught."""

from pathlib import Path

import numpy as np
import pytest

from cyclegan_core import images
from cyclegan_core.faces.alignment import HEAD_ASPECT, HEAD_TEMPLATE, align
from cyclegan_core.faces.embedded_detector import EmbeddedDetector
from cyclegan_core.faces.head_matte import HeadMatte, HeadMatteNet, embedded_head_matte
from tests import ROOT
from train.faces import head_matte

EXAMPLES = ROOT / "examples"


def crop_of(name: str, size: int = 128) -> np.ndarray:
    picture = images.load(EXAMPLES / name)
    face = max(EmbeddedDetector().detect(picture), key=lambda face: face.width)
    return align(face.landmarks, np.array(HEAD_TEMPLATE), size, aspect=HEAD_ASPECT).crop(picture)


@pytest.mark.parametrize("name", ["astronaut.jpg", "barack_obama.jpg", "joe_biden.jpg"])
def test_hair_and_face_are_the_head_and_the_rest_is_not(name: str) -> None:
    (matte,) = embedded_head_matte()(crop_of(name)[None])
    assert matte.shape == (128, 128)
    assert matte[50:75, 54:74].min() > 0.9, "the face"
    assert matte[22:32, 56:72].mean() > 0.8, "the hair above it"
    assert matte[30:70, :10].mean() < 0.25
    assert matte[30:70, -10:].mean() < 0.25


@pytest.mark.medium
def test_a_batch_is_what_each_is_alone_at_any_size() -> None:
    crops = np.stack([crop_of("astronaut.jpg", 256), crop_of("barack_obama.jpg", 256)])
    together = embedded_head_matte()(crops)
    assert together.shape == (2, 256, 256)
    assert (together.min(), together.max()) == (0, 1)
    for crop, matte in zip(crops, together, strict=True):
        assert np.abs(embedded_head_matte()(crop[None])[0] - matte).max() < 1e-3
    large, small = together[0], embedded_head_matte()(crop_of("astronaut.jpg", 128)[None])[0]
    assert np.abs(large[::2, ::2] - small).mean() < 0.02


def test_grabcut_finds_the_head_before_a_plain_wall() -> None:
    crop = np.full((head_matte.STORED, head_matte.STORED, 3), (90, 120, 200), np.uint8)
    y, x = np.mgrid[0:1:96j, 0:1:96j]
    head = ((x - 0.5) / 0.24) ** 2 + ((y - 0.5) / 0.32) ** 2 < 1
    crop[head] = (200, 150, 120)
    for guess in head_matte.guesses(None):
        assert (head_matte.cut_out(crop, guess) == head).mean() > 0.97


@pytest.mark.medium
def test_it_can_be_taught(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for number, name in enumerate(("astronaut.jpg", "barack_obama.jpg", "joe_biden.jpg")):
            images.save(crop_of(name), tmp_path / folder / f"{number}{folder}.png")
    folders, data, weights = [str(tmp_path / "a"), str(tmp_path / "b")], tmp_path / "set.npz", tmp_path / "net.st"
    assert head_matte.main(["prepare", *folders, "--output", str(data)]) == 0
    with np.load(data) as found:
        crops, heads = found["crops"], found["heads"]
    assert crops.shape == (6, 96, 96, 3)
    assert 0.1 < heads.mean() / 255 < 0.6
    np.savez(data, crops=crops[[0] * 40], heads=heads[[0] * 40], test=np.arange(40) >= 32)

    def agreement(epochs: int) -> float:
        arguments = ["train", str(data), "--output", str(weights), "--batch", "8", "--epochs", str(epochs)]
        assert head_matte.main(arguments) == 0
        return float(capsys.readouterr().out.split()[-1].rstrip("%"))

    assert agreement(15) > 85
    assert head_matte.main(["prepare", *folders, "--prior", str(weights), "--output", str(data)]) == 0
    assert HeadMatte(weights)(crop_of("astronaut.jpg")[None])[0][60, 64] > 0.5


def test_pictures_without_surroundings_are_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images.save(np.full((64, 64, 3), 128, np.uint8), tmp_path / "grey.png")
    assert head_matte.main(["prepare", str(tmp_path), "--output", str(tmp_path / "set.npz")]) == 1
    assert "none of these pictures can be learned from" in capsys.readouterr().err


def test_network_is_small() -> None:
    assert sum(parameter.numel() for parameter in HeadMatteNet().parameters()) < 300_000
