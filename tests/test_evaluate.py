"""Measuring a translation and writing its card: the figures come from pictures, and the card from the figures."""

import json
from pathlib import Path

import pytest
import torch

from cyclegan_core import images
from cyclegan_core.translation import Translation
from train import card, evaluate
from train.classifier import DomainClassifier
from train.data import load_pictures


class BlueIsB(DomainClassifier):
    """A judge that looks at one thing: whether a picture is bluer than it is green."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x[:, 2] - x[:, 1]).mean(dim=(1, 2)) - 0.45


def test_figures_say_what_happened_to_the_pictures(tiny_translation: Path, crops: Path) -> None:
    translation = Translation.load(tiny_translation)
    pictures = {"a_to_b": load_pictures(crops / "testA", 128), "b_to_a": load_pictures(crops / "testB", 128)}
    kept = {direction: p.clone() for direction, p in pictures.items()}
    figures = evaluate.measure(translation, pictures, BlueIsB())
    assert all(torch.equal(pictures[direction], kept[direction]) for direction in pictures)
    # The tiny generators redden A (+0.3 of [-1, 1], green -0.2) and make B bluer and less red (-0.3, +0.2).
    assert figures["to_female"]["faces"] == 8
    assert figures["to_female"]["judged_other_before"] == 0
    assert figures["to_male"]["judged_other_after"] <= figures["to_male"]["judged_other_before"]
    assert figures["to_female"]["skin_shift"] == pytest.approx(127.5 * 0.36, rel=0.25)
    assert 0 < figures["to_female"]["change"] < figures["to_female"]["skin_shift"]


def test_from_weights_to_a_card(
    tiny_translation: Path, crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    translation = Translation.load(tiny_translation)
    translation.config.training.update(train_a=12, train_b=12, device="a test")
    translation.save(tmp_path / "mine")
    out = tmp_path / "evaluation"
    common = ["--translation", str(tmp_path / "mine"), "--data", str(crops), "--judge", str(crops)]
    assert evaluate.main([*common, "--judge-pictures", "64", "--output", str(out)]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    assert set(metrics["translation"]) == {"to_female", "to_male"}
    assert 0 <= metrics["judge"]["right"]["on the real test faces"] <= 1
    capsys.readouterr()
    assert evaluate.main([*common, "--output", str(out)]) == 0
    assert "Training the judge" not in capsys.readouterr().out  # it is kept
    arguments = [str(tmp_path / "mine"), "--metrics", str(out / "metrics.json")]
    arguments += ["--sheet", str(out / "sheet.png")]
    for word in card.WORDS:
        arguments += [f"--{word}", f"THE-{word}"]
    assert card.main(arguments) == 0
    text = (tmp_path / "mine" / "README.md").read_text()
    assert all(f"THE-{word}" in text for word in card.WORDS)
    assert f"**{metrics['translation']['to_male']['judged_other_after']:.1%}**" in text
    assert "$" not in text
    assert images.load(tmp_path / "mine" / "sheet.jpg").shape[1] == 1024


def test_what_cannot_be_measured_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--translation", "nosuch", "--data", str(tmp_path), "--judge", str(tmp_path)]
    assert evaluate.main([*arguments, "--output", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("error: there is no translation 'nosuch'")
