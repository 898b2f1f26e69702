"""Checkpoints of pytorch-CycleGAN-and-pix2pix become translations with the same outputs; all else is refused."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cyclegan_core.networks import UnetGenerator
from cyclegan_core.translations.config import Direction
from cyclegan_core.translations.translation import Translation
from tests import ROOT
from tests.support.reference_networks import ReferenceResnet, ReferenceUnet, stirred
from train.convert import main

TOLERANCE = 1e-5


def saved(net: nn.Module, path: Path, prefix: str = "") -> Path:
    torch.save({prefix + key: tensor for key, tensor in net.state_dict().items()}, path)
    return path


@torch.no_grad()
def assert_same(net: nn.Module, converted: nn.Module, side: int) -> None:
    x = torch.rand(2, 3, side, 2 * side) * 2 - 1
    expected, given = net(x), converted(x)
    assert 0.05 < float(expected.std()) < 0.95  # a picture, neither empty nor torn to black and white
    assert float((given - expected).abs().max()) <= TOLERANCE


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize(("norm", "blocks"), [("instance", 9), ("instance", 6), ("batch", 6), ("batch", 2)])
def test_resnets_give_the_same_pictures(tmp_path: Path, norm: str, blocks: int, dropout: bool) -> None:
    torch.manual_seed(blocks)
    nets = [stirred(ReferenceResnet(6, blocks, norm, dropout)) for _ in range(2)]
    files = [str(saved(net, tmp_path / f"latest_net_G_{end}.pth")) for net, end in zip(nets, "AB", strict=True)]
    assert main(["--from-junyanz", *files, "--output", str(tmp_path / "horse2zebra")]) == 0
    translation = Translation.load(tmp_path / "horse2zebra")
    assert list(translation.config.directions.values()) == ["to_zebra", "to_horse"]
    assert translation.config.crop is None
    assert translation.config.generator_arguments["blocks"] == blocks
    for direction, net in zip(Direction, nets, strict=True):
        assert_same(net, translation.generators[direction], 32)


@pytest.mark.parametrize(
    ("norm", "depth", "dropout"),
    [("batch", 5, False), ("batch", 6, True), ("instance", 5, True), ("batch", 7, False), ("instance", 8, False)],
)
def test_unets_give_the_same_pictures(tmp_path: Path, norm: str, depth: int, dropout: bool) -> None:
    torch.manual_seed(depth)
    net = stirred(ReferenceUnet(4, depth, norm, dropout))
    file = str(saved(net, tmp_path / "latest_net_G.pth"))
    assert main(["--from-junyanz", file, "--output", str(tmp_path / "facades"), "--directions", "to_photo"]) == 0
    translation = Translation.load(tmp_path / "facades")
    assert translation.config.generator_arguments["depth"] == depth
    assert_same(net, translation.generators[Direction.A_TO_B], 2**depth)


def test_our_unet_has_as_many_weights_as_theirs() -> None:
    with torch.device("meta"):
        for depth in (7, 8):
            ours, theirs = UnetGenerator(depth=depth), ReferenceUnet(64, depth, "instance")
            assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
        theirs = ReferenceUnet(64, 8, "batch")
        # Their program says 54.414 M of its unet_256, and 11.378 M of its resnet_9blocks.
        assert sum(p.numel() for p in theirs.parameters()) / 1e6 == pytest.approx(54.414, abs=0.0005)
        plain = ReferenceResnet(64, 9)
        assert sum(p.numel() for p in plain.parameters()) / 1e6 == pytest.approx(11.378, abs=0.0005)


def test_a_checkpoint_without_norms_and_one_of_several_gpus(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = ReferenceResnet(4, 1, "batch")
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    stirred(net)
    file = str(saved(net, tmp_path / "latest_net_G.pth", "module._orig_mod."))
    assert main(["--from-junyanz", file, "--output", str(tmp_path / "plain")]) == 0
    translation = Translation.load(tmp_path / "plain")
    assert translation.config.generator_arguments["norm"] == "none"
    assert_same(net, translation.generators[Direction.A_TO_B], 32)


@pytest.mark.parametrize("build", [ReferenceResnet, ReferenceUnet])
def test_statistics_of_old_instance_norms_are_left_out(tmp_path: Path, build: Callable[..., nn.Module]) -> None:
    torch.manual_seed(0)
    old, net = stirred(build(4, 4, "old instance")), build(4, 4, "instance").eval()
    assert any(key.endswith("running_var") for key in old.state_dict())
    net.load_state_dict({k: v for k, v in old.state_dict().items() if k.endswith(("weight", "bias"))})
    file = str(saved(old, tmp_path / "latest_net_G.pth"))
    assert main(["--from-junyanz", file, "--output", str(tmp_path / "old")]) == 0
    assert_same(net, Translation.load(tmp_path / "old").generators[Direction.A_TO_B], 32)


def test_batch_norms_from_before_their_batches_were_counted(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = stirred(ReferenceResnet(4, 1, "batch"))
    state = {key: tensor for key, tensor in net.state_dict().items() if not key.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "net.pth", _use_new_zipfile_serialization=False)  # as files of that time are
    assert main(["--from-junyanz", str(tmp_path / "net.pth"), "--output", str(tmp_path / "old")]) == 0
    assert_same(net, Translation.load(tmp_path / "old").generators[Direction.A_TO_B], 32)


def test_one_file_makes_a_translation_that_goes_one_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    file = saved(stirred(ReferenceResnet(4, 2)), tmp_path / "latest_net_G.pth")
    command = ["--from-junyanz", str(file), "--output", str(tmp_path / "out"), "--name", "horse2zebra"]
    assert main([*command, "--size", "256", "--data-licence", "CC0"]) == 0
    out = capsys.readouterr().out
    assert "blocks 2" in out
    assert "It goes one way" in out
    described = json.loads((tmp_path / "out" / "config.json").read_text())
    assert described["directions"] == {"a_to_b": "to_zebra", "b_to_a": None}
    assert described["training"]["size"] == 256
    assert described["data_licence"] == "CC0"
    translation = Translation.load(tmp_path / "out")
    assert list(translation.generators) == [Direction.A_TO_B]
    translation.save(tmp_path / "again")
    assert Translation.load(tmp_path / "again").config == translation.config


def without(state: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in state.items() if part not in key}


def affine(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Norms with weights although the convolutions have biases: instance norm of early 2017."""
    return {**state, "model.2.weight": torch.ones(4), "model.2.bias": torch.zeros(4)}


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda state: [1, 2], "is not the state_dict of one network"),
        (lambda state: {"netG": state}, "is not the state_dict of one network"),
        (lambda state: {}, "no convolutions"),
        (lambda state: {"weight": torch.zeros(3, 3, 1, 1)}, "no generator of"),
        (lambda state: {**state, "model.3.filt": torch.zeros(1)}, "'model.3' with filt, which no generator"),
        (lambda state: without(state, "conv_block.5."), "neither a ResNet|has .* layers|does not fit"),
        (lambda state: without(state, "conv_block"), "neither a ResNet nor a U-Net"),
        (lambda state: {**state, "model.1.weight": torch.zeros(4, 1, 7, 7)}, "from 1 to 3 channels"),
        (lambda state: {**state, "model.4.weight": torch.zeros(8, 4, 5, 5)}, "layer model.4 does not fit"),
        (lambda state: {**state, "model.4.weight": torch.full((8, 4, 3, 3), torch.nan)}, "model.4 holds numbers"),
        (affine, "instance norm with weights"),
        (lambda state: Path("x"), "is damaged or holds more than weights"),
    ],
)
def test_other_files_are_refused_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[dict[str, Tensor]], Any], says: str
) -> None:
    torch.save(spoil(ReferenceResnet(4, 1).state_dict()), tmp_path / "net.pth")
    assert refusal(capsys, [tmp_path / "net.pth"], tmp_path / "out", says)


def refusal(capsys: pytest.CaptureFixture[str], files: list[Path], output: Path, says: str, *more: str) -> bool:
    capsys.readouterr()
    assert main(["--from-junyanz", *map(str, files), "--output", str(output), *more]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert not output.exists()
    assert re.search(says, said), said
    return True


def test_a_discriminator_a_cut_file_and_none_at_all_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judge = nn.Sequential(nn.Conv2d(3, 4, 4), nn.LeakyReLU(), nn.Conv2d(4, 8, 4), nn.Conv2d(8, 1, 4))
    torch.save({f"model.{key}": tensor for key, tensor in judge.state_dict().items()}, tmp_path / "latest_net_D_A.pth")
    assert refusal(capsys, [tmp_path / "latest_net_D_A.pth"], tmp_path / "out", "a discriminator, or another code's")
    whole = saved(ReferenceResnet(4, 1), tmp_path / "a.pth").read_bytes()
    (tmp_path / "a.pth").write_bytes(whole[:-500])
    assert refusal(capsys, [tmp_path / "a.pth"], tmp_path / "out", "is damaged")
    assert refusal(capsys, [tmp_path / "no.pth"], tmp_path / "out", r"no\.pth cannot be read: No such file")


def test_pairs_that_do_not_belong_together_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    six, nine, other = (
        saved(ReferenceResnet(4, blocks), tmp_path / f"{name}.pth")
        for name, blocks in (("six", 6), ("nine", 9), ("other", 6))
    )
    out = tmp_path / "out"
    assert refusal(capsys, [six, six], out, "same weights; for one way give one file")
    assert refusal(capsys, [six, nine], out, "different networks")
    assert refusal(capsys, [six], out, r"is no unet_256 but a ResnetGenerator \(.*blocks 6", "--netG", "unet_256")
    assert refusal(capsys, [six], out, "is no resnet_9blocks", "--netG", "resnet_9blocks")
    assert refusal(capsys, [six, other], out, "1 names for 2 files", "--directions", "to_zebra")
    assert refusal(capsys, [six, other], out, "same name", "--directions", "there,there")
    assert refusal(capsys, [six], out, "error: name must be 1 to 64 letters.* not 'a b'", "--name", "a b")
    with pytest.raises(SystemExit):
        main(["--from-junyanz", *map(str, (six, nine, other)), "--output", str(out)])
    assert main(["--from-junyanz", str(six), str(other), "--output", str(out), "--netG", "resnet_6blocks"]) == 0


def test_it_runs_as_a_file(tmp_path: Path) -> None:
    program = ROOT / "train" / "convert.py"
    command = [sys.executable, str(program), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--from-junyanz" in done.stdout


@pytest.mark.parametrize("size", ["5", "9999", "large"])
def test_a_senseless_size_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str], size: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--from-junyanz", "x.pth", "--output", str(tmp_path / "out"), "--size", size])
    *_, said = capsys.readouterr().err.splitlines()
    assert said.endswith(f"argument --size: {size!r} is not a side of 16 to 4096 pixels, such as 256")
