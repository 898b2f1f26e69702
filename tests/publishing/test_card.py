"""Model cards and plots from what a run left behind, without a word of a person."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cyclegan_core import images
from cyclegan_core.errors import CycleganError
from cyclegan_core.translations.config import Direction
from cyclegan_core.translations.translation import Translation
from demo.tabs.gallery.model_cards import text_of
from tests import ROOT
from train import plot
from train.config.presets import preset
from train.publishing import card


@pytest.fixture
def run(tiny_translation: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    shutil.copytree(tiny_translation, folder / "translation")
    translation = Translation.load(folder / "translation")
    translation.config.training.update(
        train_a=1200,
        train_b=34,
        device="NVIDIA | H100",
        minutes=9.5,
        command="python train/run.py --preset gender",
        commit="0123abc",
        config=preset("gender").to_dict(),
    )
    translation.save(folder / "translation")
    images.save(np.full((32, 64, 3), 9, np.uint8), folder / "samples_00000008.png")
    return folder


def metrics_of(folder: Path) -> dict:
    directions = {"to_female": {"pictures": 1234, "judged_other_after": 0.875, "kid_share": 0.25, "years": 19.04}}
    directions["to_male"] = {"pictures": 99, "judged_other_after": 0.5, "kid_share": 0.3}
    return {
        "weights": card.digest(folder),
        "protocol": {"data": "gender", "split": "test", "pictures": 1333, "shown": "each blended"},
        "judges": {"attribute": {"words": "The judge is right on 91.2%."}},
        "translation": directions,
        "groups": {"to_female": {"60 to 116 years": {"pictures": 7, "judged_other_after": 0.4286, "years": None}}},
    }


def test_a_card_without_words_says_all_that_the_run_noted(run: Path) -> None:
    folder = run / "translation"
    card.ensure_card(folder, run=run, repo="alice/mine")
    text = (folder / "README.md").read_text()
    front = text.split("---\n")[1]
    assert "pipeline_tag: image-to-image\n" in front
    assert "tags: [cyclegan, image-to-image, face]\n" in front
    assert "license: unknown\n" in front
    for words in (
        'from_pretrained("alice/mine")',
        'direction="to_female"',
        "1,200 and 34 training pictures",
        r"NVIDIA \| H100",
        "`python train/run.py --preset gender`",
        "| commit | 0123abc |",
        "| minutes | 9.5 |",
        "1,234,567 of each domain",
        "| cycle | `4.0` |",
        "It was not measured yet",
        "(sheet.jpg)",
        "nobody has judged it yet",
        "do not use this to identify",
    ):
        assert words in text, words
    assert "$" not in text
    assert images.load(folder / "sheet.jpg").shape == (32, 64, 3)
    assert "Written by" not in text_of(folder / "README.md")  # what the page shows


@pytest.mark.medium
def test_whole_photographs_are_shown_before_and_after(run: Path) -> None:
    folder = run / "translation"
    photos = [str(ROOT / "examples" / name) for name in ("two_people.jpg", "astronaut.jpg")]
    assert card.main([str(folder), "--photographs", *photos]) == 0
    assert (
        "![Whole photographs: as they are, then to_female, to_male](photographs.jpg)"
        in (folder / "README.md").read_text()
    )
    sheet = images.load(folder / "photographs.jpg").astype(int)
    rows = sheet.reshape(3, len(sheet) // 3, *sheet.shape[1:])
    assert rows[0, 150:200, 100:400].std() > 20, "a photograph"
    for other in rows[1:]:
        changed = np.abs(other - rows[0]).max(2) > 16
        assert 0.005 < changed.mean() < 0.4, "its faces, and not all of it"
    (run / "nothing.jpg").write_bytes(b"")
    assert card.main([str(folder), "--photographs", str(run / "nothing.jpg")]) == 1


def test_figures_of_these_weights_are_in_the_card_and_those_of_others_are_not(run: Path) -> None:
    folder = run / "translation"
    (run / "evaluation").mkdir()
    (run / "evaluation" / "metrics.json").write_text(json.dumps(metrics_of(folder)))
    images.save(np.full((16, 16, 3), 77, np.uint8), run / "evaluation" / "sheet.png")
    card.ensure_card(folder, run=run)
    text = (folder / "README.md").read_text()
    assert "Measured on 1333 pictures of the test split of gender, which training never saw, each blended." in text
    assert "- The judge is right on 91.2%." in text
    assert "| test pictures | 1,234 | 99 |" in text
    assert "| **87.5%** | **50.0%** |" in text
    assert "| **+19.0** | – |" in text
    assert "| to_female | 60 to 116 years | 7 | 42.9% | – |" not in text  # nobody has years there
    assert "| to_female | 60 to 116 years | 7 | 42.9% |" in text
    assert images.load(folder / "sheet.jpg").shape == (16, 16, 3)

    translation = Translation.load(folder)
    next(iter(translation.generators.values())).requires_grad_(False)
    for parameter in next(iter(translation.generators.values())).parameters():
        parameter.mul_(1.01)
    translation.save(folder)
    card.ensure_card(folder, run=run)
    assert "It was not measured yet" in (folder / "README.md").read_text()
    with pytest.raises(CycleganError, match="of other weights than these"):
        card.write_card(folder, metrics={**metrics_of(folder), "weights": "0123"})


def test_scores_of_the_run_stand_in_for_figures(run: Path) -> None:
    translation = Translation.load(run / "translation")
    translation.config.training["validation"] = {"score": 0.31234, "cycle": 3.5}
    translation.save(run / "translation")
    card.ensure_card(run / "translation")
    text = (run / "translation" / "README.md").read_text()
    assert "| score | 0.312 |\n| cycle | 3.500 |" in text
    assert "not measured on a test split yet" in text


def test_a_licence_that_is_known_is_in_the_front_matter(run: Path) -> None:
    from dataclasses import replace

    translation = Translation.load(run / "translation")
    translation.config = replace(translation.config, data_licence="UTKFace: non-commercial research")
    translation.save(run / "translation")
    card.ensure_card(run / "translation")
    text = (run / "translation" / "README.md").read_text()
    assert "license: other\nlicense_name: non-commercial-research\n" in text
    assert "UTKFace: non-commercial research. The weights inherit that" in text


def test_front_matter_is_yaml(run: Path) -> None:
    yaml = pytest.importorskip("yaml")
    card.ensure_card(run / "translation")
    front = yaml.safe_load((run / "translation" / "README.md").read_text().split("---\n")[1])
    assert front["library_name"] == "cyclegan-faces"
    assert front["tags"] == ["cyclegan", "image-to-image", "face"]


def test_what_a_card_cannot_be_written_from_is_a_sentence(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "bad.json").write_text("{")
    assert card.main([str(run / "translation"), "--metrics", str(run / "bad.json")]) == 1
    assert card.main([str(run)]) == 1
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert all(line.startswith("error: the card cannot be written: ") for line in told)


def test_a_plot_shows_every_number_of_the_log(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    others = {"note": "words", "better": True, "minutes": 3.5, "left": 9}
    lines = [{"pictures": n, "cycle": 1 / n, "validation/score": 2 / n, **others} for n in (8, 16, 24)]
    text = "\n".join(json.dumps(line) for line in lines) + '\n{"pictures": 32, "cyc'  # cut off by a kill
    (run / "log.jsonl").write_text(text)
    assert plot.read_log(run) == {
        "cycle": ([8, 16, 24], [1 / 8, 1 / 16, 1 / 24]),
        "validation/score": ([8, 16, 24], [2 / 8, 2 / 16, 2 / 24]),
    }
    assert plot.main([str(run)]) == 0
    first = images.load(run / "metrics.png")
    assert first.shape[0] > 100
    assert (first < 128).any()
    assert capsys.readouterr().out == f"{run / 'metrics.png'}\n"
    assert not list(run.glob(".metrics*"))


def test_what_cannot_be_drawn_is_a_sentence(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plot.main([str(run)]) == 1
    assert "holds no log.jsonl" in capsys.readouterr().err
    (run / "log.jsonl").write_text("")
    assert plot.main([str(run)]) == 1
    assert "holds no numbers yet" in capsys.readouterr().err


def test_a_translation_of_one_way_has_a_card_too(tiny_translation: Path, tmp_path: Path) -> None:
    both = Translation.load(tiny_translation)
    way = Direction.A_TO_B
    one = Translation(replace(both.config, directions={way: both.config.directions[way]}), {way: both.generators[way]})
    one.save(tmp_path / "one")
    card.ensure_card(tmp_path / "one")
    text = (tmp_path / "one" / "README.md").read_text()
    assert f"A generator of a CycleGAN, **{both.config.directions[way]}**." in text
    assert "two" not in text.split("## How good it is")[0]
