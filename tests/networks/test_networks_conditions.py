"""One network for several directions: what a condition does, and how such a translation is kept."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from cyclegan_core.errors import TranslationError
from cyclegan_core.networks import Conditioned, MobileResnetGenerator, ResnetGenerator, UnetGenerator
from cyclegan_core.networks.layers import Modulation
from cyclegan_core.translations.config import Direction, TranslationConfig
from cyclegan_core.translations.translation import Translation, build_generators, distinct_networks

CONFIG = TranslationConfig(
    name="both",
    directions={Direction.A_TO_B: "older", Direction.B_TO_A: "younger"},
    generator="MobileResnetGenerator",
    generator_arguments={"channels": 8, "blocks": 2, "conditions": 2},
    crop=None,
)


def test_modulation_by_value() -> None:
    layer = Modulation(3, 2)
    layer.requires_grad_(False)
    x, condition = torch.randn(2, 3, 4, 5), torch.tensor([[1.0, 0.0], [0.25, -2.0]])
    y = layer(x, condition)
    for b in range(2):
        for c in range(3):
            scale = sum(float(layer.scale.weight[c, k] * condition[b, k]) for k in range(2))
            shift = sum(float(layer.shift.weight[c, k] * condition[b, k]) for k in range(2))
            torch.testing.assert_close(y[b, c], x[b, c] * (1 + scale) + shift)


@pytest.mark.parametrize("norm", ["instance", "batch", "channel", "none"])
@pytest.mark.parametrize(
    ("build", "size"),
    [(ResnetGenerator, {"blocks": 2}), (MobileResnetGenerator, {"blocks": 2}), (UnetGenerator, {"depth": 4})],
)
def test_the_condition_reaches_the_picture_past_every_norm(
    build: type[nn.Module], size: dict[str, int], norm: str
) -> None:
    torch.manual_seed(0)
    net = build(channels=8, norm=norm, conditions=3, **size)
    x = torch.rand(1, 3, 48, 48) * 2 - 1
    young, old, between = (net(x, torch.tensor([c])) for c in ([1.0, 0, 0], [0, 0, 1.0], [0.5, 0, 0.5]))
    assert (young - old).abs().max() > 1e-5
    assert (young - between).abs().max() < (young - old).abs().max()
    (young - old).square().mean().backward()
    shifts = {name: parameter.grad for name, parameter in net.named_parameters() if "shift" in name}
    assert shifts
    for name, grad in shifts.items():
        assert grad is not None
        assert float(grad[:, [0, 2]].abs().sum()) > 0, name


def test_rows_of_a_batch_have_conditions_of_their_own() -> None:
    net = ResnetGenerator(channels=4, blocks=1, conditions=2).eval()
    x, eye = torch.rand(2, 3, 16, 16), torch.eye(2)
    both = net(x, eye)
    for i in range(2):
        torch.testing.assert_close(both[i : i + 1], net(x[i : i + 1], eye[i : i + 1]))


@pytest.mark.parametrize("condition", [None, torch.zeros(1, 3), torch.zeros(2, 2), torch.zeros(2)])
def test_a_missing_or_misshapen_condition_is_a_sentence(condition: Tensor | None) -> None:
    with pytest.raises(ValueError, match=r"needs a condition of shape \(1, 2\)"):
        ResnetGenerator(channels=4, blocks=1, conditions=2)(torch.zeros(1, 3, 16, 16), condition)


@pytest.mark.medium
def test_one_network_learns_two_opposite_directions() -> None:
    torch.manual_seed(0)
    there, back = build_generators(CONFIG).values()
    optimiser = torch.optim.Adam(there.parameters(), 2e-3)
    for _ in range(50):
        x = torch.rand(4, 3, 16, 16) - 0.5
        loss = (there(x) - (x + 0.4)).square().mean() + (back(x) - (x - 0.4)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    # One is to be 0.8 brighter than the other. A network that hears no condition gives both the same.
    assert float((there(x) - back(x)).detach().mean()) > 0.5


def test_a_shared_network_is_kept_once_and_comes_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generators = {direction: net.eval() for direction, net in build_generators(CONFIG).items()}
    assert list(distinct_networks(generators)) == ["shared"]
    assert generators[Direction.A_TO_B].multiple == 4
    Translation(CONFIG, generators).save(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    assert {key.split(".")[0] for key in tensors} == {"shared"}
    assert sum(t.numel() for t in tensors.values()) == sum(p.numel() for p in generators[Direction.A_TO_B].parameters())

    loaded = Translation.load(tmp_path)
    assert loaded.config == CONFIG
    x = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        for direction in Direction:
            assert torch.equal(loaded.generators[direction](x), generators[direction](x))
    there, back = (loaded.generators[direction] for direction in Direction)
    assert isinstance(there, Conditioned)
    assert isinstance(back, Conditioned)
    assert there.net is back.net
    # A-to-B is the first condition and B-to-A the second.
    assert torch.equal(there(x), there.net(x, torch.tensor([[1.0, 0.0]] * 2)))
    assert torch.equal(back(x), there.net(x, torch.tensor([[0.0, 1.0]] * 2)))


def test_copies_share_only_when_they_are_made_together(tmp_path: Path) -> None:
    generators = build_generators(CONFIG)
    together = copy.deepcopy(generators)
    assert len(distinct_networks(together)) == 1
    assert distinct_networks(together)["shared"] is not distinct_networks(generators)["shared"]
    apart = {direction: copy.deepcopy(net) for direction, net in generators.items()}
    with pytest.raises(ValueError, match="copy them together"):
        Translation(CONFIG, apart).save(tmp_path)
    assert not list(tmp_path.iterdir())


def test_one_condition_cannot_tell_two_directions_apart() -> None:
    config = replace(CONFIG, generator_arguments={"channels": 8, "conditions": 1})
    with pytest.raises(TranslationError, match="1 condition cannot tell two directions apart"):
        build_generators(config)
    with pytest.raises(ValueError, match="index of a condition"):
        Conditioned(ResnetGenerator(channels=4, conditions=2), 2, 2)
