"""The benchmark of training: both loops train, the arithmetic is counted right, the figures fit together."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from train import benchmark
from train.config.presets import PRESETS
from train.config.train_config import TrainConfig
from train.training.distributed import ProcessGroup
from train.training.networks import build_networks

TINY = TrainConfig(
    translation="tiny",
    directions=("warmer", "colder"),
    size=16,
    generator_arguments={"channels": 4, "blocks": 1, "upsampling": "resize"},
    discriminator_arguments={"channels": 4, "layers": 1},
    batch=2,
)
GROUP = ProcessGroup(torch.device("cpu"))
PICTURES = [torch.randint(0, 256, (benchmark.PICTURES, 3, 16, 16), dtype=torch.uint8) for _ in "ab"]


@pytest.mark.medium
@pytest.mark.parametrize("build", [benchmark.plain_loop, benchmark.our_loop])
def test_every_network_learns_in_both_loops(build: object, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def noted(*arguments: object) -> object:
        made.append(build_networks(*arguments))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(benchmark, "build_networks", noted)
    step = build(TINY, GROUP, *PICTURES)  # type: ignore[operator]
    nets = made[0].generators() | made[0].discriminators()
    before = {name: [p.clone() for p in net.parameters()] for name, net in nets.items()}
    step()
    step()
    for name, net in nets.items():
        for old, new in zip(before[name], net.parameters(), strict=True):
            assert not torch.equal(old, new), name


def test_the_arithmetic_is_that_of_the_networks() -> None:
    """Six passes of the generators and, of the discriminators, one for each generator and two for themselves."""
    nets = build_networks(TINY, GROUP.device)
    x = torch.zeros(1, 3, 16, 16)

    def forward(net: torch.nn.Module) -> int:
        with benchmark.FlopCounterMode(display=False) as counter:
            net(x)
        return int(counter.get_total_flops())

    generator, discriminator = forward(nets.a_to_b), forward(nets.discriminator_a)
    counted = benchmark.count_arithmetic(replace(TINY, batch=1), GROUP, benchmark.plain_loop, PICTURES)
    # A backward pass costs twice its forward one, less where a first layer needs no slope of the pictures.
    most = 3 * (6 * generator + 6 * discriminator)
    assert 0.8 * most < counted < most
    ours = benchmark.count_arithmetic(TINY, GROUP, benchmark.our_loop, PICTURES)
    assert ours == pytest.approx(counted, rel=0.02)  # per picture, whatever the batch


@pytest.mark.medium
def test_the_figures_fit_together(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "cyclegan", TINY)
    asked = ["--preset", "cyclegan", "--size", "24", "--batch", "3", "--seconds", "0.6", "--device", "cpu", "--no-bf16"]
    assert benchmark.main([*asked, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    plain, ours = said["loops"]
    assert (said["size"], plain["batch"], ours["batch"]) == (24, 1, 3)
    assert plain["precision"] == ours["precision"] == "float32"
    assert said["ratio"] == pytest.approx(ours["pictures_per_second"] / plain["pictures_per_second"])
    for loop in (plain, ours):
        assert loop["share"] == pytest.approx(loop["pictures_per_second"] * loop["arithmetic"] / loop["peak"])
        assert loop["share"] > 0  # of a peak that is measured, on a machine that may have been busy then
    assert ours["arithmetic"] == pytest.approx(plain["arithmetic"], rel=0.02)  # the paper's recipe, loss by loss


def test_what_people_read_has_both_loops_and_the_ratio(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def compared(*_: object) -> tuple[benchmark.Measured, benchmark.Measured]:
        return (
            benchmark.Measured("plain", 1, "float32", 2.0, 300 * 2**20, 1e9, 1e10),
            benchmark.Measured("ours", 4, "bfloat16", 11.0, None, 1e9, 4e10),
        )

    monkeypatch.setattr(benchmark, "compare", compared)
    assert benchmark.main(["--device", "cpu"]) == 0
    title, plain, ours, ratio = capsys.readouterr().out.splitlines()
    assert title.startswith("cyclegan at 128 pixels on ")
    assert "2.00 pictures/s      300 MiB   20% of the peak" in plain
    assert "11.00 pictures/s  memory unknown   28% of the peak" in ours
    assert ratio == "ours is 5.5 times as fast"


@pytest.mark.parametrize("wrong", [["--size", "0"], ["--batch", "x"], ["--preset", "none"], ["--seconds", "long"]])
def test_wrong_arguments_are_for_argparse(wrong: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        benchmark.main(wrong)


@pytest.mark.medium
@pytest.mark.parametrize(("size", "words"), [("30", "multiples of 4"), ("16", "sizes from 24 pixels on")])
def test_a_size_that_the_networks_do_not_take_is_a_sentence(
    size: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmark.main(["--preset", "cyclegan", "--size", size, "--device", "cpu", "--seconds", "0.1"]) == 1
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_ours_is_faster_on_a_cpu(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # Counting takes as long as measuring, and is tested on small networks above.
    monkeypatch.setattr(benchmark, "count_arithmetic", lambda *_: 1.0)
    assert benchmark.main(["--preset", "gender", "--seconds", "2", "--device", "cpu", "--json"]) == 0
    ratio = json.loads(capsys.readouterr().out)["ratio"]
    cpu = Path("/proc/cpuinfo")
    if cpu.is_file() and "amx_bf16" in cpu.read_text():
        least = 1.5
    else:  # with AVX512-BF16 alone 1.5 was measured on a quiet machine, 1.25 on a busy one
        least = 1.1 if benchmark.has_bf16(torch.device("cpu")) else 1.0
    assert ratio > least
