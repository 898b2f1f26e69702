"""Figures about pictures: each against a case that can be reckoned by hand, or against another implementation."""

import socket
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclegan_core.errors import CycleganError
from train.evaluation import metrics
from train.evaluation.features import FEATURES, Encoder, PictureFeatures, encode
from train.evaluation.imagenet_features import ImageNetFeatures


class Colours(nn.Module):
    """Features that can be reckoned: mean and spread of each channel, float (N, 6)."""

    num_features = 6

    def forward(self, pictures: Tensor) -> Tensor:
        x = pictures.double() / 255
        return torch.cat([x.mean(dim=(2, 3)), x.std(dim=(2, 3))], dim=1)


def noise(count: int, *, low: int = 0, high: int = 256, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(low, high, (count, 3, 16, 16), dtype=torch.uint8, generator=generator)


@pytest.mark.medium
def test_kernel_distance_is_that_of_torchmetrics() -> None:
    metrics.fid_and_kid(Colours(), noise(2), noise(2))  # which knows how to import the library
    from torchmetrics.image.kid import KernelInceptionDistance

    real, made = noise(40), noise(40, high=200, seed=1)
    theirs = KernelInceptionDistance(Colours(), subsets=1, subset_size=40)
    theirs.update(real, real=True)
    theirs.update(made, real=False)
    ours = metrics.kernel_distance(Colours()(real), Colours()(made))
    assert ours == pytest.approx(float(theirs.compute()[0]), rel=1e-6)
    assert ours > 100 * abs(metrics.kernel_distance(Colours()(real), Colours()(noise(40, seed=2))))


def test_fid_and_kid_grow_with_the_distance_and_leave_the_random_numbers_alone() -> None:
    real, near, far = noise(60), noise(60, seed=1), noise(60, high=120, seed=2)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    found = [metrics.fid_and_kid(Colours(), real, made) for made in (near, far, far)]
    assert torch.equal(torch.get_rng_state(), before)
    assert found[1] == found[2]
    assert found[0]["fid"] < 0.01 < found[1]["fid"]
    # Means 127.5/255 and 59.5/255 in three channels, and the deviations: FID of two Gaussians that hardly vary.
    means = ((127.5 - 59.5) / 255) ** 2 * 3
    deviations = ((256 - 120) / 12**0.5 / 255) ** 2 * 3
    assert found[1]["fid"] == pytest.approx(means + deviations, rel=0.05)
    assert abs(found[0]["kid"]) < 0.001 < found[1]["kid"]


def test_each_picture_is_looked_at_once() -> None:
    class Counting(Colours):
        seen = 0

        def forward(self, x: Tensor) -> Tensor:
            self.seen += len(x)
            return super().forward(x)

    extractor = Counting()
    metrics.fid_and_kid(extractor, noise(70), noise(70, seed=1))
    assert extractor.seen == 140


def test_pictures_pass_the_encoder_as_the_measuring_library_gives_them() -> None:
    torch.manual_seed(0)
    encoder = Encoder().eval()
    pictures = noise(5)
    features = PictureFeatures(encoder)(pictures)
    assert features.shape == (5, FEATURES)
    torch.testing.assert_close(encode(encoder, pictures).float(), features)
    torch.testing.assert_close(features.norm(dim=1), torch.full((5,), FEATURES**0.5))


def test_features_of_imagenet_know_a_picture_at_half_its_size_from_another(face: np.ndarray) -> None:
    picture = torch.from_numpy(cv2.resize(face, (240, 240), interpolation=cv2.INTER_AREA)).permute(2, 0, 1)[None]
    half = torch.from_numpy(cv2.resize(face, (120, 120), interpolation=cv2.INTER_AREA)).permute(2, 0, 1)[None]
    extractor = ImageNetFeatures()
    whole, smaller, other = (F.normalize(extractor(x))[0] for x in (picture, half, picture.flip(2)))
    assert len(whole) == extractor.num_features
    assert whole @ smaller > whole @ other + 0.1


@pytest.mark.parametrize("path", [None, "nosuch.pth"])
def test_inception_weights_that_cannot_be_had_are_a_sentence(path: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise OSError("there is no network in this test")

    monkeypatch.setattr(socket.socket, "connect", nowhere)
    with pytest.raises(CycleganError, match=r"pip install torchmetrics torch-fidelity|give it by --inception-weights"):
        metrics.inception_features(Path(path) if path else None)


class Add(nn.Module):
    def __init__(self, much: float) -> None:
        super().__init__()
        self.much = nn.Parameter(torch.tensor(much))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.much


def test_cycle_error_is_in_255ths() -> None:
    pictures = noise(5)
    assert metrics.cycle_error(Add(0.25), Add(-0.25), pictures, size=16) == pytest.approx(0, abs=1e-4)
    error = metrics.cycle_error(Add(0.25), Add(-0.17), pictures, size=8, batch=2)
    assert error == pytest.approx(0.08 * 127.5, rel=1e-3)


def test_variety_falls_where_all_become_alike() -> None:
    pictures = noise(20)
    alike = (pictures.float() * 0.1 + 100).byte()
    assert metrics.variety(pictures, pictures) == 1
    assert metrics.variety(pictures, alike) == pytest.approx(0.1, abs=0.02)
    features = torch.randn(30, 8)
    assert metrics.feature_variety(features, features + 3) == pytest.approx(1)
    assert metrics.feature_variety(features, torch.ones(30, 8)) == 0


def test_rank_1_counts_those_that_find_themselves() -> None:
    gallery = torch.eye(200)
    assert metrics.nearest_to_own(gallery, gallery).all()
    swapped = gallery.clone()
    swapped[[0, 1]] = swapped[[1, 0]]
    lost = ~metrics.nearest_to_own(swapped, gallery, among=200)
    assert lost.nonzero().flatten().tolist() == [0, 1]
    chance = metrics.nearest_to_own(torch.randn(2000, 4), torch.randn(2000, 4), among=10).double().mean()
    assert chance == pytest.approx(0.1, abs=0.03)
    same = torch.ones(5, 3)
    assert not metrics.nearest_to_own(same, same).any()  # that all are alike is no recognition


def test_likeness_to_own_and_to_others() -> None:
    own, others = metrics.likeness_to_own_and_others(2 * torch.eye(4), torch.eye(4))
    assert own == pytest.approx(1)
    assert others == pytest.approx(0)


def test_colours_are_watched_in_the_middle_and_around() -> None:
    before = torch.full((2, 3, 16, 16), 100, dtype=torch.uint8)
    after = before.clone()
    after[0, 0, 4:12, 4:12] += 30
    after[1, :, :2] += 12
    assert metrics.colour_shift(metrics.middle(before), metrics.middle(after)).tolist() == [30, 0]
    frame = metrics.border_shift(before, after)
    # 2 x 16 of the 16² - 12² pixels of the frame, in each of three channels.
    assert frame[0] == 0
    assert float(frame[1]) == pytest.approx(12 * 32 / 112 * 3**0.5, rel=1e-5)
