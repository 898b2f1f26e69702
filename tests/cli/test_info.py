"""`python -m cyclegan_core info`: what is at work, for people and as JSON, and what is broken."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cyclegan_core.cli.main import main
from cyclegan_core.faces import detector_weights
from cyclegan_core.faces.embedded_detector import EmbeddedDetector
from cyclegan_core.inference import engines
from cyclegan_core.translations import catalog, source, translation

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def info(
    tiny_translation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs `info` where one translation, `tiny`, is embedded and there are no detector weights."""
    embedded = tmp_path / "weights"
    embedded.mkdir()
    (embedded / "tiny").symlink_to(tiny_translation)
    monkeypatch.setattr(source, "EMBEDDED", embedded)
    tiny = catalog.Entry("tiny", "Tiny", {"to_female": "", "to_male": ""})
    monkeypatch.setattr(catalog, "CATALOG", (tiny,))
    monkeypatch.setattr(detector_weights, "find", lambda: None)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(["info", *arguments])
        return code, *capsys.readouterr()

    return call


def test_info(info: Run, tiny_translation: Path) -> None:
    code, said, errors = info()

    assert (code, errors) == (0, "")
    size = (tiny_translation / "model.safetensors").stat().st_size
    for line in (
        f"python                  {sys.version.split()[0]}",
        f"detector                {EmbeddedDetector.name}",
        "translation tiny        to_female, to_male",
        f"  source: embedded, run by {engines.engine_name(32)}",
        f"  weights: {size / 1e6:.1f} MB",
        "  trained: 1,234,567 pictures in 42.5 minutes",
    ):
        assert line in said.splitlines()
    assert "cyclegan_core.faces.detector_weights" in said
    assert detector_weights.VARIABLE in said


def test_info_as_json(info: Run) -> None:
    code, said, _ = info("--json")

    report = json.loads(said)
    assert code == 0
    assert report["versions"]["torch"].startswith("2.")
    assert report["detector"]["name"] == EmbeddedDetector.name
    (tiny,) = report["translations"]
    assert (tiny["name"], tiny["source"], tiny["problem"]) == ("tiny", "embedded", None)
    assert tiny["weights_bytes"] > 1000
    assert tiny["engine"] == engines.engine_name(32)
    assert tiny["training"]["pictures"] == 1234567


def test_info_names_a_broken_translation_and_still_says_the_rest(
    info: Run, tiny_translation: Path, tmp_path: Path
) -> None:
    (tmp_path / "weights" / "tiny").unlink()
    (tmp_path / "weights" / "tiny").mkdir()
    config, weights = ((tiny_translation / name).read_bytes() for name in ("config.json", "model.safetensors"))
    (tmp_path / "weights" / "tiny" / "config.json").write_bytes(config)
    (tmp_path / "weights" / "tiny" / "model.safetensors").write_bytes(weights[: len(weights) // 2])

    code, said, _ = info()

    assert code == 1
    assert f"detector                {EmbeddedDetector.name}" in said
    assert "  problem: model.safetensors is damaged or cut off" in said


def test_info_of_a_training_that_is_not_recorded(info: Run, tiny_translation: Path, tmp_path: Path) -> None:
    (tmp_path / "weights" / "tiny").unlink()
    loaded = translation.Translation.load(tiny_translation)
    loaded.config.training.clear()
    loaded.save(tmp_path / "weights" / "tiny")

    code, said, _ = info()

    assert code == 0
    assert "  trained: for how long is not recorded" in said


def test_info_of_a_hub_translation_does_not_download(info: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = catalog.Entry("far", "Far", {"there": "", "back": ""}, repository="no-such-org/far", revision="abc")
    monkeypatch.setattr(catalog, "CATALOG", (entry,))

    code, said, _ = info()

    assert code == 0
    assert "  source: no-such-org/far@abc" in said
    assert "  weights: fetched from the Hub at the first use" in said


def test_info_of_what_the_environment_names(info: Run, tiny_translation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYCLEGAN_HORSE2ZEBRA_REPO", str(tiny_translation))

    code, said, _ = info()

    assert code == 0
    assert "translation horse2zebra to_female, to_male" in said
    assert f"  source: folder {tiny_translation.name}, run by" in said


@pytest.mark.parametrize("setting", ["no blanks please", "horse2zebra", "/no/such/folder"])
def test_info_of_a_setting_that_names_nothing(info: Run, monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setenv("CYCLEGAN_TINY_REPO", setting)

    code, said, _ = info()

    assert code == 1
    assert "  problem: CYCLEGAN_TINY_REPO" in said
    assert setting not in said


def test_info_of_weights_that_are_not_embedded(info: Run, tmp_path: Path) -> None:
    (tmp_path / "weights" / "tiny").unlink()

    code, said, _ = info()

    assert code == 0
    assert "  hint: not offered: no weights come with this program, and CYCLEGAN_TINY_REPO names none" in said


def test_info_says_what_is_wrong_with_the_detector(info: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setenv(detector_weights.VARIABLE, str(tmp_path / "no-such.pth"))

    code, said, _ = info()

    assert code == 1
    assert f"  problem: {detector_weights.VARIABLE} names a file that is not there" in said
