"""`train/run.py` as a practitioner types it: what it refuses, what it takes from where, dry runs, and the push."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cyclegan_core import FaceTranslator
from cyclegan_core.translations.config import Direction
from cyclegan_core.translations.translation import Translation
from tests.support.push_hub import Fault, PushHub, give_token, serving_pushes
from train import run
from train.config import recipe
from train.evaluation import features
from train.publishing import hub_calls
from train.training.checkpoint import alone_in
from train.training.initialisation import read_initialisation

SMALL = [
    "--preset", "cyclegan", "--size", "16", "--batch", "2", "--threads", "1", "--device", "cpu",
    "--set", "validation=0", "--set", 'generator_arguments={"channels": 4, "blocks": 1}',
    "--set", 'discriminator_arguments={"channels": 4, "layers": 1}',
]  # fmt: skip


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PushHub]:
    monkeypatch.setattr(hub_calls, "WAITS", (0.05, 0.05, 0.05))
    with serving_pushes(tmp_path / "cache", monkeypatch) as served:
        yield served


def go(crops: Path, output: Path, *more: str) -> int:
    return run.main(["--data", str(crops), "--output", str(output), *SMALL, *more])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give a budget: --minutes, --pictures or --epochs"),
        (["--minutes", "1", "--preset", "nosuch"], "there is no preset 'nosuch'"),
        (["--minutes", "1", "--init", "nosuch"], "there is no translation 'nosuch'"),
        (["--minutes", "1"], "holds no pictures"),
        (["--minutes", "1", "--set", "cycle"], "--set takes FIELD=VALUE"),
        (["--minutes", "1", "--set", "magic=1"], "there is no field 'magic' to set"),
        (["--minutes", "1", "--set", "cycle=much"], "cycle must be a valid number, not 'much'"),
        (["--minutes", "1", "--directions", "older"], "directions.1 cannot be"),
        (["--minutes", "1", "--patience", "2", "--set", "validation=0"], "--patience needs validation pictures"),
        (["--minutes", "1", "--push-to-hub", "nobody"], "is not a name of a Hub repository"),
    ],
)
def test_a_wrong_command_is_one_sentence(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(["--data", str(tmp_path / "none"), "--output", str(tmp_path / "out"), *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert says in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["--minutes", "0"], ["--minutes", "soon"], ["--pictures", "-1"], ["--epochs", "0"]]
)
def test_a_senseless_budget_is_refused(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        run.main(["--data", str(tmp_path), "--output", str(tmp_path), *arguments])


def test_a_run_needs_data_and_output(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run.main(["--minutes", "1"])
    assert "--data is missing" in capsys.readouterr().err


def test_epochs_count_the_larger_domain(crops: Path, tmp_path: Path) -> None:
    assert go(crops, tmp_path / "run", "--epochs", "0.5") == 0
    assert Translation.load(tmp_path / "run" / "translation").config.training["pictures"] == 6


def test_a_dry_run_tells_and_leaves_nothing(crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stages = "--set=stages=[[8, 4, 0.5], [16, 2, 0.5]]"
    assert go(crops, tmp_path / "run", "--dry-run", stages) == 0
    said = capsys.readouterr().out
    assert "stage of 8 pixels, batches of 4: 12 and 12 training pictures" in said
    assert "stage of 16 pixels, batches of 2" in said
    assert "MB for checkpoints" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.medium
def test_fine_tuning_takes_network_and_names_from_where_it_starts(
    tiny_translation: Path, crops: Path, tmp_path: Path
) -> None:
    begun = Translation.load(tiny_translation)
    arguments = ["--data", str(crops), "--output", str(tmp_path / "run"), "--init", str(tiny_translation)]
    arguments += ["--pictures", "2", "--batch", "2", "--device", "cpu", "--threads", "1", "--set", "validation=0"]
    assert run.main([*arguments, "--set", 'discriminator_arguments={"channels": 4, "layers": 1}']) == 0
    tuned = Translation.load(tmp_path / "run" / "translation").config
    assert tuned.generator_arguments == begun.config.generator_arguments
    assert (tuned.name, tuned.directions) == (begun.config.name, begun.config.directions)
    assert tuned.output == begun.config.output
    assert tuned.crop is not None
    assert begun.config.crop is not None
    assert tuned.crop.size == begun.config.crop.size


@pytest.mark.medium
def test_fine_tuning_goes_by_the_recipe_that_the_start_was_trained_by(
    crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go(crops, tmp_path / "first", "--pictures", "2", "--set", "cycle=7", "--name", "mine") == 0
    begun = tmp_path / "first" / "translation"
    arguments = ["--data", str(crops), "--output", str(tmp_path / "second"), "--init", str(begun)]
    assert run.main([*arguments, "--pictures", "2", "--device", "cpu", "--threads", "1"]) == 0
    assert "Recipe: that of mine's own training" in capsys.readouterr().out
    trained = Translation.load(tmp_path / "second" / "translation").config.training
    assert trained["config"]["cycle"] == 7
    assert trained["config"]["head_start"] == recipe.HEAD_START
    assert trained["config"]["discriminator_arguments"] == {"channels": 4, "layers": 1}
    assert trained["init"] == "folder translation"

    told = json.loads((begun / "config.json").read_text())
    told["training"]["config"] = {"cycle": -1}  # of some other program
    (begun / "config.json").write_text(json.dumps(told))
    config, whose = recipe.recipe_of(Translation.load(begun))
    assert (config, whose) == (recipe.preset("cyclegan"), "the preset cyclegan")


@pytest.mark.medium
def test_a_start_that_was_cut_in_another_way_is_noted(
    tiny_translation: Path, crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (other := tmp_path / "other").mkdir()
    for split in ("trainA", "trainB"):
        (other / split).symlink_to(crops / split)
    arguments = ["--init", str(tiny_translation), "--pictures", "1", "--batch", "1", "--device", "cpu"]
    arguments += ["--threads", "1", "--set", "validation=0"]
    arguments += ["--set", 'discriminator_arguments={"channels": 4, "layers": 1}']
    for data, noted in ((crops, False), (other, True)):
        assert run.main([*arguments, "--data", str(data), "--output", str(tmp_path / data.name / "run")]) == 0
        assert ("cut in another way" in capsys.readouterr().out) is noted


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--name", "my cats"], "name must be 1 to 64 letters, digits"),
        (["--directions", "to cat,to dog"], "directions.a_to_b must be 1 to 40 letters, digits"),
        (["--set", "gain=2"], "there is no field 'gain' to set"),
        (["--set", "validation=0.9"], "validation must be less than or equal to 0.5, not 0.9"),
        (["--set", "generator_arguments=3"], "generator_arguments must be a valid dictionary, not 3"),
        (["--set", "discriminator_arguments=3"], "discriminator_arguments must be a valid dictionary, not 3"),
        (["--set", 'discriminator_arguments={"chanels": 3}'], "chanels"),
        (["--set", 'discriminator_arguments={"channels": "three"}'], "arguments of PatchDiscriminator are wrong"),
        (["--set", "discriminator=NoSuch"], "NoSuch"),
        (["--set", "adversarial=wasserstein"], "needs a critic with limits: set gradient_penalty=10"),
    ],
)
def test_what_could_not_be_read_again_is_refused_before_an_hour_is_spent(
    more: list[str], says: str, crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for dry in ([], ["--dry-run"]):
        assert go(crops, tmp_path / "run", "--pictures", "2", *more, *dry) == 1
        assert says in capsys.readouterr().err
        assert not (tmp_path / "run").exists()


@pytest.mark.medium
def test_a_dry_run_sees_the_run_that_is_there(crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert go(crops, tmp_path / "run", "--pictures", "2") == 0
    assert go(crops, tmp_path / "run", "--pictures", "2", "--dry-run", "--batch", "4") == 1
    assert "holds a run with another batch" in capsys.readouterr().err
    with alone_in(tmp_path / "run"):
        assert go(crops, tmp_path / "run", "--pictures", "2", "--dry-run") == 1
    assert go(crops, tmp_path / "run", "--pictures", "2", "--dry-run") == 0


@pytest.mark.medium
def test_memory_that_is_too_small_is_a_sentence_whose_advice_works(
    crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go(crops, tmp_path / "run", "--pictures", "2", "--set", "pool=100000000000") == 1
    assert "the memory is too small for this batch" in capsys.readouterr().err
    assert go(crops, tmp_path / "other", "--pictures", "2") == 0
    assert go(crops, tmp_path / "other", "--pictures", "4", "--set", "accumulate=2") == 0
    assert "Resumed after 2 pictures" in capsys.readouterr().out


@pytest.mark.medium
def test_a_run_goes_on_whatever_has_become_of_its_start(
    crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert go(crops, first, "--pictures", "2", "--name", "mine", "--set", "cycle=7") == 0
    asked = ["--data", str(crops), "--output", str(second), "--init", str(first), "--device", "cpu", "--threads", "1"]
    assert run.main([*asked, "--pictures", "2"]) == 0
    shutil.rmtree(first)
    assert run.main([*asked, "--pictures", "4"]) == 0
    assert "Resumed after 2 pictures" in capsys.readouterr().out
    trained = Translation.load(second / "translation").config.training
    assert (trained["pictures"], trained["init"], trained["config"]["cycle"]) == (4, "folder translation", 7)
    assert run.main([*asked, "--pictures", "4", "--set", "cycle=5"]) == 1
    assert "holds a run with another cycle" in capsys.readouterr().err


@pytest.mark.medium
def test_what_another_run_had_for_itself_is_not_taken_over(
    crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--seed", "9", "--set", "accumulate=2", "--set", "stages=[[8, 4, 0.5], [16, 2, 0.5]]"]
    assert go(crops, tmp_path / "first", "--pictures", "4", *more, "--licence", "mine alone") == 0
    config, _ = recipe.recipe_of(Translation.load(tmp_path / "first" / "translation"))
    assert (config.seed, config.accumulate, config.validation) == (0, 1, 0.05)
    options = run.parse(["--data", "x", "--output", "y", "--init", "z", "--licence", "free"])
    begun = read_initialisation(str(tmp_path / "first"))
    made = recipe.recipe(options, begun, run.ProcessGroup.join("cpu"))
    assert (made.stages, made.size, made.batch) == ((), 16, 2), "as the last stage was"
    assert made.data_licence == "free; begun with weights trained on mine alone"


def test_a_batch_is_that_of_all_stages() -> None:
    options = run.parse(["--data", "x", "--output", "y", "--preset", "cyclegan256", "--batch", "2"])
    made = recipe.recipe(options, None, run.ProcessGroup.join("cpu"))
    assert [(stage.size, stage.batch) for stage in made.stages] == [(128, 2), (256, 2)]
    options = run.parse(["--data", "x", "--output", "y"])
    assert recipe.recipe(options, None, run.ProcessGroup.join("cpu")).translation == "custom", "nobody asked for faces"


@pytest.mark.medium
def test_crops_too_small_for_the_networks_are_noted(
    crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go(crops, tmp_path / "run", "--pictures", "2", "--size", "32") == 0
    said = capsys.readouterr().out
    assert "the crops have 16 pixels and the networks see 32" in said
    assert "prepare them again with --size 32" in said


@pytest.mark.medium
def test_two_runs_in_one_folder_are_refused(crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with alone_in(tmp_path / "run"):
        assert go(crops, tmp_path / "run", "--pictures", "2") == 1
    assert "another run is writing to" in capsys.readouterr().err
    (tmp_path / "run" / ".0123456789abcdef.part").write_bytes(b"half")  # what a kill leaves
    assert go(crops, tmp_path / "run", "--pictures", "2") == 0
    assert not list((tmp_path / "run").glob("*.part"))


def test_an_output_that_is_a_file_is_a_sentence(
    crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").write_text("")
    assert go(crops, tmp_path / "run", "--pictures", "2") == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"error: {tmp_path / 'run'} cannot be used: ")


def test_a_log_that_cannot_be_written_costs_a_note(
    crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.training.loop.REPORT_SECONDS", 0)
    (tmp_path / "run" / "log.jsonl").mkdir(parents=True)
    assert go(crops, tmp_path / "run", "--pictures", "4") == 0
    assert capsys.readouterr().out.count("log.jsonl cannot be written") == 1
    assert Translation.load(tmp_path / "run" / "translation").config.training["pictures"] == 4


@pytest.mark.medium
def test_log_and_board_of_a_run(crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.training.loop.REPORT_SECONDS", 0)
    assert go(crops, tmp_path / "run", "--pictures", "6") == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["pictures"] for line in lines] == [2, 4, 6]
    assert {
        "adversarial",
        "cycle",
        "identity",
        "discriminator_a",
        "discriminator_b",
        "right_a",
        "rate",
        "minutes",
    } <= lines[0].keys()
    assert any(name.startswith("events.out") for name in os.listdir(tmp_path / "run" / "tensorboard"))


@pytest.mark.medium
def test_snapshots_are_scored_and_the_best_is_kept(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "PICTURES", 256)
    more = ["--set", "validation=0.1", "--pictures", "8"]
    assert go(crops, tmp_path / "run", *more) == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    scores = [line["validation/score"] for line in lines if "validation/score" in line]
    assert len(scores) == 1
    kept = Translation.load(tmp_path / "run" / "best").config.training
    assert kept["validation"]["score"] == pytest.approx(scores[0], abs=1e-4)


@pytest.mark.medium
def test_a_run_is_pushed_and_read_back(
    hub: PushHub, crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go(crops, tmp_path / "run", "--pictures", "4", "--push-to-hub", "alice/mine", "--private") == 0
    said = capsys.readouterr().out
    assert "alice will make it" in said
    assert f"Pushed: {hub.address}/alice/mine/commit/" in said
    assert hub.commits("alice/mine") == 1
    translator = FaceTranslator.from_pretrained("alice/mine", revision="main")
    trained = Translation.load(tmp_path / "run" / "translation")
    assert translator.directions == tuple(trained.config.directions[direction] for direction in Direction)


@pytest.mark.medium
def test_a_lost_network_costs_nothing_that_was_trained(
    hub: PushHub, crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.faults = [Fault("POST .*/commit/", status=503, times=100)]
    assert go(crops, tmp_path / "run", "--pictures", "4", "--push-to-hub", "alice/mine") == 1
    error = capsys.readouterr().err.splitlines()[-1]  # after the client's progress bars
    assert error.startswith("error: ")
    assert f"finish later with: python train/run.py --push-only {tmp_path / 'run'}" in error
    assert Translation.load(tmp_path / "run" / "translation").config.training["pictures"] == 4
    hub.faults = []
    assert run.main(["--push-only", str(tmp_path / "run")]) == 0
    assert hub.commits("alice/mine") == 1


def test_no_token_is_said_before_the_training(
    hub: PushHub, crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give_token(monkeypatch, tmp_path / "nothing", None)
    assert go(crops, tmp_path / "run", "--pictures", "4", "--push-to-hub", "alice/mine") == 1
    assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "run" / "checkpoint.pt").exists()
