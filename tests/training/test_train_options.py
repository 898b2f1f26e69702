"""Every choice of network, loss and schedule trains: weights move, stay finite, and the translation can be loaded."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cyclegan_core.errors import CycleganError
from cyclegan_core.translations.config import Direction
from cyclegan_core.translations.translation import Translation, build_generators
from tests.training.test_train import TINY, go, weights
from train.config.schedule import Budget
from train.config.train_config import TrainConfig
from train.training import loop
from train.training.distributed import ProcessGroup
from train.training.initialisation import Initialisation, initialise
from train.training.networks import build_networks, describe

GENERATOR = {"channels": 4, "blocks": 1, "norm": "channel", "residual": True}
DISCRIMINATOR = {"channels": 4, "layers": 1}
OPTIONS: dict[str, dict[str, Any]] = {
    "resnet": {"generator": "ResnetGenerator", "generator_arguments": {"channels": 4, "blocks": 1}},
    "transposed": {"generator_arguments": {**GENERATOR, "upsampling": "transposed"}},
    "pixel shuffle": {"generator_arguments": {**GENERATOR, "upsampling": "shuffle"}},
    "unet": {"generator": "UnetGenerator", "generator_arguments": {"channels": 4, "depth": 3}},
    "self-attention": {"generator_arguments": {**GENERATOR, "attention": [4]}},
    "one network for both ways": {"generator_arguments": {**GENERATOR, "conditions": 2}},
    "batch norm": {"generator_arguments": {**GENERATOR, "norm": "batch"}},
    "pixel discriminator": {"discriminator": "PixelDiscriminator", "discriminator_arguments": {"channels": 4}},
    "multi-scale discriminator": {
        "discriminator": "MultiscaleDiscriminator", "discriminator_arguments": {**DISCRIMINATOR, "scales": 2}
    },
    "minibatch statistics": {"discriminator_arguments": {**DISCRIMINATOR, "minibatch_std": True, "attention": [2]}},
    "vanilla": {"adversarial": "vanilla"},
    "hinge with R1": {"adversarial": "hinge", "r1": 1.0, "r1_every": 2},
    "Wasserstein, clipped": {"adversarial": "wasserstein", "clip": 0.01, "cycle": 1.0},
    "Wasserstein with a penalty": {
        "adversarial": "wasserstein", "gradient_penalty": 10.0,
        "discriminator_arguments": {**DISCRIMINATOR, "norm": "none"}, "cycle": 1.0,
    },
    "L2 and weights that fall": {
        "cycle_loss": "l2", "identity_loss": "l2", "cycle_end": 1.0, "identity_end": 0.0
    },
    "differentiable augmentation": {"diff_augment": "color,translation,cutout"},
    "bfloat16": {"bf16": True},
    "stages": {"stages": [[8, 4, 0.5], [16, 2, 0.5]]},
    "colours that stay": {"colour": 5.0},
    "augmentation now and then": {"diff_augment": "color,translation", "diff_augment_probability": 0.5},
    "a cosine": {"lr_policy": "cosine", "hold": 0.0},
    "steps": {"lr_policy": "step", "hold": 0.25, "lr_factor": 0.5},
    "clipped gradients": {"gradient_clip": 0.1},
    "no real picture of the other domain": {"cross_domain": 0.0},
}  # fmt: skip


@pytest.mark.medium
@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_trains(name: str, crops: Path, tmp_path: Path) -> None:
    config = TINY.with_fields(OPTIONS[name])
    torch.manual_seed(config.seed)  # as the loop does before it builds
    fresh = [p.clone() for net in build_networks(config, torch.device("cpu")).generators().values()
             for p in net.parameters()]  # fmt: skip
    go(crops, tmp_path, config, pictures=12)
    trained = weights(Translation.load(tmp_path / "translation"))
    assert all(bool(torch.isfinite(p).all()) for p in trained)
    moved = max(float((a - b).detach().abs().max()) for a, b in zip(fresh, trained, strict=True))
    assert 1e-6 < moved < 0.1  # a few steps of the averaged weights


@pytest.mark.medium
def test_a_batch_in_parts_is_the_batch(crops: Path, tmp_path: Path) -> None:
    config = replace(TINY, batch=4, pool=0, discriminator_arguments={**DISCRIMINATOR, "norm": "none"})
    whole = go(crops, tmp_path / "whole", config, pictures=16)
    parts = go(crops, tmp_path / "parts", replace(config, accumulate=2), pictures=16)
    for a, b in zip(weights(whole), weights(parts), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


@pytest.mark.medium
def test_stages_resume_in_the_stage_where_they_were(crops: Path, tmp_path: Path) -> None:
    config = TINY.with_fields({"stages": [[8, 4, 0.5], [16, 2, 0.5]]})
    whole = go(crops, tmp_path / "whole", config, pictures=32)
    for stop in (2, 3, 2):  # within the first stage, across its end, within the second
        go(crops, tmp_path / "parts", config, pictures=32, stop_after=stop)
    parts = go(crops, tmp_path / "parts", config, pictures=32)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(parts), strict=True))


@pytest.mark.medium
def test_discriminators_have_a_head_start(crops: Path, tmp_path: Path) -> None:
    start = go(crops, tmp_path / "start", pictures=2)

    def after(steps: int) -> tuple[list[torch.Tensor], torch.Tensor]:
        """The generators' weights and the discriminators', after so many more of 8 steps."""
        trained = go(
            crops,
            tmp_path / "run",
            replace(TINY, head_start=0.5),
            pictures=16,
            initialisation=Initialisation(start),
            stop_after=steps - 1,
        )
        state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
        return weights(trained), torch.cat([p.flatten() for p in state["networks"]["discriminators"].values()])

    (_, early), (frozen, judged), (learned, _) = after(1), after(3), after(4)
    for old, same, new in zip(weights(start), frozen, learned, strict=True):
        assert torch.equal(old, same)
        assert not torch.equal(same, new)
    assert not torch.equal(early, judged)


def test_one_way_is_the_start_of_that_way_only(crops: Path, tmp_path: Path) -> None:
    config = TrainConfig("tiny", ("there", "back"), size=32, generator_arguments={"channels": 4, "blocks": 1})
    described = describe(config, None)
    generators = build_generators(described)
    one_way = Translation(
        replace(described, directions={Direction.A_TO_B: "there"}), {Direction.A_TO_B: generators[Direction.A_TO_B]}
    )
    nets = build_networks(config, torch.device("cpu"))
    initialise(Initialisation(one_way), nets, config)
    for a, b in zip(nets.a_to_b.parameters(), generators[Direction.A_TO_B].parameters(), strict=True):
        assert torch.equal(a, b)
    assert any(
        not torch.equal(a, b)
        for a, b in zip(nets.b_to_a.parameters(), generators[Direction.B_TO_A].parameters(), strict=True)
    )


def test_a_run_whose_losses_explode_stops_and_keeps_what_was_good(crops: Path, tmp_path: Path) -> None:
    go(crops, tmp_path, pictures=4)
    good = (tmp_path / "checkpoint.pt").read_bytes()
    broken = (tmp_path / "translation" / "model.safetensors").read_bytes()

    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    state["networks"]["generators"]["a_to_b.net.0.weight"][:] = float("inf")
    torch.save(state, tmp_path / "checkpoint.pt")
    with pytest.raises(CycleganError, match="no longer finite numbers; nothing saved before was changed"):
        go(crops, tmp_path, pictures=8)
    assert (tmp_path / "checkpoint.pt").stat().st_size >= len(good) - 4096
    assert (tmp_path / "translation" / "model.safetensors").read_bytes() == broken


class Always:
    """A validator that never sees anything get better."""

    def __init__(self, *_: object) -> None: ...

    def score(self, _: object) -> dict[str, float]:
        return {"score": 0.5}


@pytest.mark.medium
def test_patience_begins_after_the_head_start(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(loop, "Validator", Always)
    config = replace(TINY, validation=0.05, head_start=0.5)

    def pictures() -> int:
        trained = loop.train(
            config, crops, tmp_path, budget=Budget(pictures=64), group=ProcessGroup(torch.device("cpu")),
            snapshot_minutes=1e-9, patience=2,
        )  # fmt: skip
        return int(trained.config.training["pictures"])

    assert pictures() == 36, "two steps of two pictures after half of the budget"
    capsys.readouterr()
    assert pictures() == 36, "and it does not go on when it is started again"
    assert "has not improved for 2 snapshots" in capsys.readouterr().out


@pytest.mark.medium
def test_a_plateau_lowers_the_rate_and_a_resume_knows_it(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(loop, "Validator", Always)
    config = replace(TINY, validation=0.05, lr_policy="plateau", lr_patience=3, lr_factor=0.5, hold=0.25)

    def rate(pictures: int) -> float:
        loop.train(
            config, crops, tmp_path, budget=Budget(pictures=pictures), group=ProcessGroup(torch.device("cpu")),
            snapshot_minutes=1e-9,
        )  # fmt: skip
        last = [line for line in (tmp_path / "log.jsonl").read_text().splitlines() if "learning_rate" in line][-1]
        return float(json.loads(last)["learning_rate"])

    # Every step of two pictures is a snapshot, the first the best one. That after 8 pictures would lower the rate, but
    # it is still held then; those after 14, 20, 26 and 32 do.
    assert rate(32) == TINY.learning_rate / 2**3
    said = capsys.readouterr().out
    assert said.count("The validation score has not improved for") == 4
    assert "not improved for 6 snapshots: learning rate 0.0001 from now on\n" in said
    assert rate(34) == TINY.learning_rate / 2**4, "what the last snapshot has changed is in the checkpoint"


@pytest.mark.medium
def test_what_comes_before_the_first_step_is_not_of_the_budget(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = loop._shown

    def slowly(*arguments: Any) -> Any:
        time.sleep(1.5)
        return shown(*arguments)

    monkeypatch.setattr(loop, "_shown", slowly)
    trained = loop.train(
        TINY, crops, tmp_path, budget=Budget(minutes=1 / 60, pictures=10_000), group=ProcessGroup(torch.device("cpu"))
    )
    assert trained.config.training["pictures"] > 2 * TINY.batch
