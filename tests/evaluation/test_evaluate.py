"""Measuring a translation and writing its card: the figures come from pictures, and the card from the figures."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cyclegan_core import images
from cyclegan_core.errors import CycleganError
from cyclegan_core.translations.config import Direction
from cyclegan_core.translations.translation import Translation
from tests.conftest import PHOTOS
from train import evaluate
from train.evaluation import classifier_pair, features, judges
from train.evaluation.classifier import Classifier
from train.evaluation.classifier_pair import Pair
from train.preparation.labels import Person, groups, person
from train.publishing import card

CPU = torch.device("cpu")
pytestmark = pytest.mark.medium  # classifiers are trained


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the encoder knows is not asked here."""
    monkeypatch.setattr(features, "PICTURES", 128)
    monkeypatch.setattr(features, "BATCH", 16)


@pytest.fixture(scope="module")
def people(crops: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crops whose names tell who is in them; the older they are, the lighter."""
    folder = tmp_path_factory.mktemp("people")
    shutil.copy(crops / "crops.json", folder)
    rng = np.random.default_rng(1)
    for split, count in (("train", 60), ("test", 12)):
        for sex, domain in enumerate("AB"):
            (folder / f"{split}{domain}").mkdir()
            for i in range(count):
                age = int(rng.integers(18, 90))
                picture = rng.integers(0, 60, (16, 16, 3)) + 2 * age
                picture[:8, :, 2 * sex] += 15
                name = f"{age}_{sex}_{i % 5}_2017{i:013d}.jpg.chip.png"
                images.save(picture.astype(np.uint8), folder / f"{split}{domain}" / name)
    return folder


class BlueIsB(Classifier):
    """Looks at one thing: whether a picture is bluer than it is green by a margin."""

    def __init__(self, margin: float) -> None:
        super().__init__(torch.nn.Identity(), 1)
        self.margin = margin

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = (x[:, 2] - x[:, 1]).mean(dim=(1, 2)) - self.margin
        return logits, torch.full_like(logits, 40.0)


def bluer(folder: Path) -> Pair:
    """Two classifiers, the second of which is harder to convince that a picture is of domain B."""
    return Pair((folder,), {"residual": BlueIsB(0.45), "plain": BlueIsB(0.6)}, False)


def test_figures_say_what_happened_to_the_pictures(tiny_translation: Path, crops: Path) -> None:
    translation = Translation.load(tiny_translation)
    folders = {"a_to_b": crops / "testA", "b_to_a": crops / "testB"}
    splits = {name: evaluate.load_split(folder, 128, None, 0) for name, folder in folders.items()}
    kept = {name: split.pictures.clone() for name, split in splits.items()}
    encoder = features.load_or_train_encoder(crops, CPU)
    who = evaluate.Judges(features.PictureFeatures(encoder), "ours", encoder, attribute=bluer(crops))
    figures, by_group = evaluate.measure(translation, splits, who, CPU)
    assert all(torch.equal(splits[name].pictures, kept[name]) for name in splits)
    # The tiny generators redden A (+0.3 of [-1, 1], green -0.2) and make B bluer and less red (-0.3, +0.2).
    female, male = figures["to_female"], figures["to_male"]
    assert female["pictures"] == 8
    assert female["judged_other_before"] == 0
    assert female["judged_other_after"] == min(female["each"]["judged_other_after"].values())
    assert male["judged_other_after"] == min(male["each"]["judged_other_after"].values())
    assert female["skin_shift"] == pytest.approx(127.5 * 0.36, rel=0.25)
    assert 0 < female["border_shift"] < 0.2 * female["skin_shift"]
    assert 0 < female["change"] < female["skin_shift"]
    assert female["rank_1"] == 1 or female["likeness_own"] < 1
    assert female["kid_share"] == pytest.approx(female["kid"] / female["kid_untouched"], rel=0.01)
    assert "years" not in female
    assert not by_group  # the names do not tell who they are


def test_from_weights_to_a_card(
    tiny_translation: Path, crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    translation = Translation.load(tiny_translation)
    translation.config.training.update(train_a=12, train_b=12, device="a test")
    mine = tmp_path / "run" / "translation"
    translation.save(mine)
    out = tmp_path / "run" / "evaluation"
    data = Path(shutil.copytree(crops, tmp_path / "data", ignore=shutil.ignore_patterns(".cache")))
    common = ["--translation", str(tmp_path / "run"), "--data", str(data), "--features", "own"]
    common += ["--judge-pictures", "64", "--output", str(out)]
    assert evaluate.main(common) == 0
    printed = capsys.readouterr().out
    assert "Training the residual classifier on 64 pictures" in printed
    assert "Training the plain classifier on 64 pictures" in printed
    metrics = json.loads((out / "metrics.json").read_text())
    assert set(metrics["translation"]) == {"to_female", "to_male"}
    right = metrics["judges"]["attribute"]["right"]["on the real test pictures"]
    assert right.keys() == {"residual", "plain"}
    assert all(0 <= share <= 1 for share in right.values())
    told = " and ".join(f"{share:.1%}" for share in right.values())
    assert f"right on {told} of the real" in metrics["judges"]["attribute"]["words"]
    assert evaluate.main(common) == 0
    assert "Training" not in capsys.readouterr().out  # both are kept
    assert json.loads((out / "metrics.json").read_text()) == metrics  # and nothing is by chance
    sheet = images.load(out / "sheet.png")
    assert sheet.shape == (4 * 256, 8 * 256, 3)

    arguments = [str(mine), "--metrics", str(out / "metrics.json"), "--sheet", str(out / "sheet.png")]
    for word in card.WORDS:
        arguments += [f"--{word}", f"THE-{word}"]
    assert card.main(arguments) == 0
    text = (mine / "README.md").read_text()
    assert all(f"THE-{word}" in text for word in card.WORDS)
    assert f"**{metrics['translation']['to_male']['judged_other_after']:.1%}**" in text
    assert f"are right on {told}" in text
    assert "$" not in text
    assert images.load(mine / "sheet.jpg").shape[1] == 2048
    assert Translation.load(mine).config.training["quality"] == "THE-verdict"
    card.ensure_card(mine, run=tmp_path / "run")
    assert (mine / "README.md").read_text() == text  # a person's words stay


def test_ages_and_groups_are_measured_where_names_tell_them(
    tiny_translation: Path, people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--translation", str(tiny_translation), "--data", str(people), "--features", "own"]
    arguments += ["--judge-pictures", "480", "--keeps", str(people), "--output", str(tmp_path), "--pictures", "8"]
    assert evaluate.main(arguments) == 0
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert found["protocol"]["pictures"] == 16
    assert min(found["judges"]["age"]["mean error"].values()) < 14  # a constant is wrong by 18
    lighter = found["translation"]["to_female"]
    assert isinstance(lighter["years"], float)
    assert 0 <= lighter["kept"] <= 1
    by_group = found["groups"]["to_female"]
    assert by_group["male"]["pictures"] == 8
    bands = [figures["pictures"] for name, figures in by_group.items() if name.endswith("years")]
    assert sum(bands) == 8
    assert {"years", "judged_other_after", "rank_1", "skin_shift"} <= by_group["male"].keys()


@pytest.mark.parametrize("lacks_packages", [False, True])
def test_features_are_the_first_to_be_had(crops: Path, monkeypatch: pytest.MonkeyPatch, lacks_packages: bool) -> None:
    def offline(_: object) -> None:
        raise CycleganError("there is no network in this test")

    monkeypatch.setattr(judges.metrics, "inception_features", offline)
    if lacks_packages:
        monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    options = evaluate.parse(["--translation", "x", "--data", str(crops), "--output", "y"])
    options.judge, options.ages, options.judge_pictures = [], [], 64
    noise = torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8)
    _, about = judges.assemble(options, noise, noise, torch.device("cpu"), faces=False)
    assert about["features"]["name"].startswith("features of our own" if lacks_packages else "ImageNet features")


def test_whole_pictures_are_measured_too(tiny_translation: Path, crops: Path, tmp_path: Path) -> None:
    translation = Translation.load(tiny_translation)
    translation.config = replace(translation.config, crop=None, training={"config": {"size": 32}})
    translation.save(tmp_path / "whole")
    out = tmp_path / "evaluation"
    arguments = ["--translation", str(tmp_path / "whole"), "--data", str(crops), "--features", "own"]
    assert evaluate.main([*arguments, "--judge-pictures", "64", "--output", str(out)]) == 0
    found = json.loads((out / "metrics.json").read_text())
    figures = found["translation"]["to_female"]
    assert not {"skin_shift", "border_shift", "years"} & figures.keys()
    assert {"fid", "kid", "cycle", "judged_other_after", "feature_variety"} <= figures.keys()
    assert found["protocol"]["side"] == 32
    card.ensure_card(tmp_path / "whole", run=tmp_path)
    text = (tmp_path / "whole" / "README.md").read_text()
    assert "as squares of 32 pixels" in text
    assert "face" not in text.split("## Whose pictures")[1]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("18_0_0_20170110231228322.jpg.chip.png", Person(18, "male", "White")),
        ("61_1_3_20170109150557335.jpg", Person(61, "female", "Indian")),
        ("000016.png", None),
        ("39_1_20170116174525125.jpg.chip.jpg", None),  # some files of UTKFace lack a label
    ],
)
def test_who_a_name_tells_of(name: str, found: Person | None) -> None:
    assert person(name) == found


def test_groups_are_rows_by_sex_band_and_ancestry() -> None:
    names = ["18_0_0_2017.png", "61_1_3_2017.png", "70_1_0_2017.png"]
    assert groups(names) == {
        "female": [1, 2],
        "male": [0],
        "18 to 29 years": [0],
        "60 to 116 years": [1, 2],
        "Indian": [1],
        "White": [0, 2],
    }
    assert groups([*names, "1.png"]) == {}


def test_ages_are_judged_only_where_both_domains_have_them(people: Path, tmp_path: Path) -> None:
    """As of photographs and drawings: what is learned from photographs alone means nothing for the others."""
    half = tmp_path / "half"
    shutil.copytree(people, half, ignore=shutil.ignore_patterns(".cache"))
    for number, drawing in enumerate(sorted((half / "trainB").iterdir())):
        drawing.rename(drawing.with_name(f"{number:04d}.png"))
    learned: dict[str, Any] = {"pictures": 16, "seed": 0, "device": CPU}
    assert classifier_pair.load_or_train_pair([people], **learned).knows_ages
    assert not classifier_pair.load_or_train_pair([half], **learned).knows_ages


def test_views_of_faces_are_recognised_better_than_by_chance(crops: Path) -> None:
    folder = PHOTOS.parent / "data" / "utkface"
    if not folder.is_dir():
        pytest.skip("needs the faces of UTKFace, which are not on this machine")
    faces = [images.load(path)[:192, :192] for path in sorted(folder.iterdir())[:60]]
    pictures = torch.from_numpy(np.stack(faces)).permute(0, 3, 1, 2)
    encoder = features.load_or_train_encoder(crops, CPU)  # of other pictures, hardly trained
    assert classifier_pair.views_recognised(encoder, pictures) > 5 / 60


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--translation", "nosuch"], "there is no translation 'nosuch'"),
        (["--data", "CROPS/nowhere"], "there is no folder"),
        (["--data", "CROPS/crops.json"], "there is no folder"),
        (["--data", "EMPTY"], "has no pictures in testA and testB to measure on; prepare it with a share"),
        (["--data", "HALF"], "has no pictures in testB to measure on; prepare it with a share for testing"),
        (["--data", "LONELY"], "testA holds one picture that can be read; measuring needs two"),
        (["--judge", "EMPTY"], "in testA and testB to measure on"),
        (["--ages", "EMPTY"], "in testA and testB to measure on"),
        (["--keeps", "EMPTY"], "train/prepare.py ... --test 0.1 --output ANOTHER"),
        (["--output", "CROPS/crops.json"], "crops.json is a file; name a folder"),
        (["--output", "CROPS/crops.json/x"], "crops.json/x cannot be written or read: Not a directory"),
    ],
)
def test_what_cannot_be_measured_is_a_sentence(
    arguments: list[str],
    says: str,
    tiny_translation: Path,
    crops: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for folder in ("empty", "half/testB", "lonely/testA"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copytree(crops / "testA", tmp_path / "half" / "testA")
    shutil.copy(crops / "testA" / "00.png", tmp_path / "lonely" / "testA")
    shutil.copytree(crops / "testB", tmp_path / "lonely" / "testB")
    shutil.copy(crops / "crops.json", tmp_path / "lonely")
    named = {"CROPS": crops, **{f.upper(): tmp_path / f for f in ("empty", "half", "lonely")}}
    option, value = arguments
    folder, _, rest = value.partition("/")
    usual = ["--translation", str(tiny_translation), "--data", str(crops), "--output", str(tmp_path / "out")]
    assert evaluate.main([*usual, option, str(named[folder] / rest) if folder in named else value]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert says in told
    assert told.count("\n") == 1


def test_a_gpu_that_is_not_there_is_not_replaced_by_the_cpu(
    tiny_translation: Path, crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one here")
    arguments = ["--translation", str(tiny_translation), "--data", str(crops), "--output", str(tmp_path)]
    assert evaluate.main([*arguments, "--device", "cuda"]) == 1
    assert "error: this torch sees no CUDA GPU" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("told", "side"),
    [
        ({}, 40),
        ({"size": 48}, 48),
        ({"config": {"size": "big"}}, 40),
        ({"config": []}, 40),
        ({"config": {"size": 22}}, 24),
    ],
)
def test_one_way_is_measured_without_the_way_back(
    told: dict[str, Any],
    side: int,
    tiny_translation: Path,
    crops: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evaluate, "WHOLE_SIZE", 40)
    translation = Translation.load(tiny_translation)
    there = Direction.A_TO_B
    directions = {there: translation.config.directions[there]}
    config = replace(translation.config, crop=None, training=told, directions=directions)
    Translation(config, {there: translation.generators[there]}).save(tmp_path / "run" / "best")
    out = tmp_path / "run" / "evaluation"
    common = ["--translation", str(tmp_path / "run"), "--data", str(crops), "--features", "own", "--pictures", "2"]
    assert evaluate.main([*common, "--judge-pictures", "2", "--output", str(out)]) == 0
    found = json.loads((out / "metrics.json").read_text())
    assert found["translation"].keys() == {"to_female"}
    assert "cycle" not in found["translation"]["to_female"]
    assert found["protocol"]["side"] == side  # a multiple of 4


def test_faces_that_are_cut_otherwise_are_noted(
    tiny_translation: Path, crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    translation = Translation.load(tiny_translation)
    evaluate._note_other_crops(translation, crops)
    assert capsys.readouterr().err == ""
    described = json.loads((crops / "crops.json").read_text())
    described["template"][0][0] += 0.1
    (tmp_path / "crops.json").write_text(json.dumps(described))
    evaluate._note_other_crops(translation, tmp_path)
    assert "holds crops of another kind, unlike what tiny was trained on" in capsys.readouterr().err
    (tmp_path / "crops.json").unlink()
    evaluate._note_other_crops(translation, tmp_path)
    assert "holds no crops of faces, unlike" in capsys.readouterr().err
    translation.config = replace(translation.config, crop=None)
    evaluate._note_other_crops(translation, tmp_path)
    assert capsys.readouterr().err == ""


def test_the_generators_of_a_measured_translation_stay_as_they_were(tiny_translation: Path, crops: Path) -> None:
    translation = Translation.load(tiny_translation)
    weights = {k: v.clone() for k, v in translation.generators[Direction.A_TO_B].state_dict().items()}
    encoder = features.load_or_train_encoder(crops, CPU)
    folders = {"a_to_b": crops / "testA", "b_to_a": crops / "testB"}
    splits = {name: evaluate.load_split(folder, 32, 4, 0) for name, folder in folders.items()}
    who = evaluate.Judges(features.PictureFeatures(encoder), "ours", encoder, attribute=bluer(crops))
    evaluate.measure(translation, splits, who, CPU)
    after = translation.generators[Direction.A_TO_B].state_dict()
    assert all(torch.equal(weights[key], after[key]) for key in weights)
