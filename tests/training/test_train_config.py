"""The config of a run: what it refuses, how it goes through JSON, and what its schedules say."""

import json
import re

import pytest
import torch

from cyclegan_core.errors import CycleganError
from train.config.presets import PRESETS, preset
from train.config.schedule import Budget, rate_factor, stage_at, weight_at
from train.config.train_config import Stage, TrainConfig, known_fields
from train.training.networks import build_networks

PLAIN = TrainConfig("plain", ("there", "back"))


@pytest.mark.medium
@pytest.mark.parametrize("name", PRESETS)
def test_presets_build_and_go_through_json(name: str) -> None:
    config = preset(name)
    assert TrainConfig(**json.loads(json.dumps(config.to_dict()))) == config
    nets = build_networks(config, torch.device("cpu"))
    x = torch.zeros(1, 3, config.size, config.size)
    scores = nets.discriminator_b(nets.a_to_b(x))
    for one in [scores] if isinstance(scores, torch.Tensor) else scores:
        assert one.shape[:2] == (1, 1)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"batch": 0}, "batch must be greater than or equal to 1, not 0"),
        ({"batch": 2.5}, "batch must be a valid integer, not 2.5"),
        ({"batch": True}, "batch must be a valid integer, not True"),
        ({"learning_rate": float("nan")}, "learning_rate must be a finite number, not nan"),
        ({"learning_rate": 0}, "learning_rate must be greater than 0, not 0"),
        ({"cycle": -1}, "cycle must be greater than or equal to 0, not -1"),
        ({"cycle": None}, "cycle must be a valid number, not None"),
        ({"cycle_end": "late"}, "cycle_end must be a valid number, not 'late'"),
        ({"hold": 2}, "hold must be less than or equal to 1, not 2"),
        ({"lr_policy": "exponential"}, "lr_policy must be 'linear', 'cosine', 'step' or 'plateau', not 'exponential'"),
        ({"lr_factor": 1.0}, "lr_factor must be less than 1, not 1.0"),
        ({"lr_factor": 0}, "lr_factor must be greater than 0, not 0"),
        ({"lr_step": 0}, "lr_step must be greater than 0, not 0"),
        ({"lr_patience": 0}, "lr_patience must be greater than or equal to 1, not 0"),
        ({"lr_policy": "plateau", "validation": 0}, "lr_policy=plateau needs validation pictures"),
        ({"final_rate": 1.5}, "final_rate must be less than or equal to 1, not 1.5"),
        ({"gradient_clip": -1}, "gradient_clip must be greater than or equal to 0, not -1"),
        ({"diff_augment_probability": 2}, "diff_augment_probability must be less than or equal to 1, not 2"),
        ({"cross_domain": True}, "cross_domain must be a valid number, not True"),
        ({"flip": "yes"}, "flip must be a valid boolean, not 'yes'"),
        ({"output": "film"}, "output must be 'picture' or 'change', not 'film'"),
        ({"cycle_loss": "l3"}, "cycle_loss must be 'l1' or 'l2', not 'l3'"),
        ({"adversarial": "wasserstein"}, "needs a critic with limits"),
        ({"adversarial": "magic"}, "adversarial must be 'least_squares', 'vanilla', 'hinge' or 'wasserstein'"),
        ({"diff_augment": "magic"}, "diff_augment knows no 'magic'"),
        ({"directions": ["same", "same"]}, "directions must be two different names"),
        ({"stages": 3}, "stages must be a valid tuple, not 3"),
        ({"stages": [[64, 4]]}, "stages.0.share cannot be [64, 4]: missing required argument"),
        ({"stages": [[64, 0, 1]]}, "stages.0.1 must be greater than or equal to 1, not 0"),
        ({"stages": [[32, 4, 0.5], [64, 4, 0.4]]}, "must add up to 1, not 0.9"),
        ({"stages": [[64, 4, 0.5], [32, 4, 0.5]]}, "the last stage must be at the run's size of 64"),
        ({"accumulate": 3}, "every batch must be a multiple of accumulate, which is 3"),
        ({"generator_arguments": [1]}, "generator_arguments must be a valid dictionary, not [1]"),
        ({"discriminator_arguments": 3}, "discriminator_arguments must be a valid dictionary, not 3"),
        ({"seed": -1}, "seed must be greater than or equal to 0, not -1"),
        ({"translation": 5}, "translation must be a valid string, not 5"),
        ({"directions": "older"}, "directions must be a valid tuple, not 'older'"),
        ({"directions": ["older", 3]}, "directions.1 must be a valid string, not 3"),
        ({"betas": [0.5]}, "betas.1 cannot be [0.5]: field required"),
        ({"betas": [0.5, 1.0]}, "betas.1 must be less than or equal to 0.999999, not 1.0"),
        ({"nosuch": 1}, "there is no field 'nosuch' to set; there are accumulate, adversarial"),
    ],
)
def test_senseless_values_are_refused_by_name(changes: dict[str, object], says: str) -> None:
    with pytest.raises(CycleganError, match=re.escape(says)):
        PLAIN.with_fields(changes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"size": 50}, r"ResnetGenerator takes multiples of 4 from \d+ pixels on, not 50"),
        ({"size": 16, "discriminator_arguments": {"channels": 4, "layers": 4}}, "PatchDiscriminator takes sizes from"),
    ],
)
def test_a_size_that_a_network_cannot_take_is_refused(changes: dict[str, object], says: str) -> None:
    config = PLAIN.with_fields({"generator_arguments": {"channels": 4, "blocks": 1}, **changes})
    with pytest.raises(CycleganError, match=says):
        build_networks(config, torch.device("cpu"))


def test_a_run_goes_on_with_another_precision_but_not_with_other_weights() -> None:
    begun = PLAIN.to_dict()
    assert PLAIN.with_fields({"bf16": True, "compile": True}).differences(begun) == []
    assert PLAIN.with_fields({"cycle": 1, "bf16": True}).differences(begun) == ["cycle"]


def test_a_config_of_an_earlier_version_is_read_without_its_retired_fields() -> None:
    recorded = {**PLAIN.to_dict(), "cross_domain": True, "gain": 1.4, "attribute": 0.0, "guide_size": 64}
    config = PLAIN.with_fields(known_fields(recorded))
    assert config == PLAIN.with_fields({"cross_domain": 0.5})
    assert config.differences(recorded) == []
    assert known_fields({"cross_domain": False}) == {"cross_domain": 0.0}
    assert config.differences(recorded | {"attribute": 0.3}) == ["attribute"], "it was trained for what is gone"


def test_the_learning_rate_ends_at_the_final_rate() -> None:
    config = PLAIN.with_fields({"hold": 0.5, "final_rate": 0.2})
    assert [rate_factor(config, p) for p in (0, 0.5, 0.75, 1)] == pytest.approx([1, 1, 0.6, 0.2])


def test_the_learning_rate_holds_and_then_falls_to_zero() -> None:
    config = PLAIN.with_fields({"hold": 0.25})
    assert [rate_factor(config, p) for p in (0, 0.25, 0.625, 1)] == [1, 1, 0.5, 0]
    assert rate_factor(PLAIN.with_fields({"hold": 1.0}), 1.0) == 1


def test_the_cosine_is_that_of_torch() -> None:
    config = PLAIN.with_fields({"lr_policy": "cosine", "hold": 0.0, "final_rate": 0.1})
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=10, eta_min=0.1)
    for epoch in range(11):
        assert rate_factor(config, epoch / 10) == pytest.approx(theirs.get_last_lr()[0])
        optimiser.step()
        theirs.step()
    held = PLAIN.with_fields({"lr_policy": "cosine", "hold": 0.5})
    assert [rate_factor(held, p) for p in (0.5, 0.75, 1)] == pytest.approx([1, 0.5, 0])


def test_steps_are_those_of_torch() -> None:
    config = PLAIN.with_fields({"lr_policy": "step", "hold": 0.3, "lr_step": 0.3, "lr_factor": 0.5})
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.StepLR(optimiser, step_size=3, gamma=0.5)
    for epoch in range(11):
        middle = (epoch + 0.5) / 10  # at the moment of a step itself theirs counts the epoch to come
        assert rate_factor(config, min(middle, 1.0)) == pytest.approx(theirs.get_last_lr()[0])
        optimiser.step()
        theirs.step()
    assert rate_factor(config.with_fields({"final_rate": 0.4}), 1.0) == 0.4


def test_a_plateau_lowers_the_rate_as_often_as_there_were_some() -> None:
    config = PLAIN.with_fields({"lr_policy": "plateau", "hold": 0.25, "final_rate": 0.05})
    assert [rate_factor(config, 0.5, reductions) for reductions in range(4)] == pytest.approx([1, 0.1, 0.05, 0.05])
    assert rate_factor(config, 0.25, 3) == 1


def test_a_checkpoint_from_before_there_were_policies_has_the_linear_one() -> None:
    recorded = {name: value for name, value in PLAIN.to_dict().items() if not name.startswith("lr_")}
    assert PLAIN.differences(recorded) == []
    assert PLAIN.with_fields({"lr_policy": "cosine"}).differences(recorded) == ["lr_policy"]


def test_weights_go_on_a_straight_line() -> None:
    assert [weight_at(10, 2, p) for p in (0, 0.5, 1)] == [10, 6, 2]
    assert weight_at(10, None, 0.9) == 10


def test_stages_follow_one_another_by_their_shares() -> None:
    config = PLAIN.with_fields({"stages": [[16, 8, 0.5], [32, 4, 0.25], [64, 2, 0.25]]})
    sizes = [stage_at(config, p).size for p in (0, 0.49, 0.5, 0.74, 0.75, 1.0)]
    assert sizes == [16, 16, 32, 32, 64, 64]
    assert stage_at(PLAIN, 0.3) == Stage(64, 8, 1.0)


def test_a_budget_ends_by_what_comes_first() -> None:
    both = Budget(minutes=10, pictures=100)
    assert both.progress(50, 60) == 0.5
    assert both.progress(10, 540) == 0.9
    assert both.progress(500, 0) == 1
    assert Budget().progress(10**9, 10**9) == 0
