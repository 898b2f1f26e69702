"""The command that measures this machine."""

import json
from pathlib import Path

import numpy as np
import pytest

from cyclegan_core import FaceTranslator, benchmark, images
from cyclegan_core.cli.main import main
from cyclegan_core.faces.detection import find_detector
from cyclegan_core.inference.studio import Studio
from tests import ROOT


@pytest.mark.medium
def test_every_part_is_measured_against_the_papers_generator(tiny_translation: Path) -> None:
    detector = find_detector()
    studio = Studio({"gender": FaceTranslator.from_pretrained(str(tiny_translation), detector=detector)}, detector)
    rows = list(benchmark.measure(studio, images.load(ROOT / "examples" / "astronaut.jpg"), times=1, frames=9))
    assert rows[0].ratio == 1
    assert all(row.seconds > 0 for row in rows)
    names = " ".join(row.name for row in rows)
    for part in ("find faces", "cut and translate", "blend ", "photo, ", "stream", "film"):
        assert part in names
    assert all(row.ratio == pytest.approx(row.seconds / rows[0].seconds) for row in rows)


@pytest.mark.medium
def test_a_photo_without_a_face_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images.save(np.full((64, 64, 3), 90, np.uint8), tmp_path / "wall.png")
    for photo, reason in (("wall.png", "no face found in wall.png"), ("none.png", "none.png is not here")):
        assert main(["benchmark", str(tmp_path / photo)]) == 1
        assert reason in capsys.readouterr().err


@pytest.mark.medium
def test_a_profile_names_what_takes_the_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cyclegan_core.cli.benchmark.PROFILED_FRAMES", 12)
    assert main(["benchmark", "--profile", "gender:to_male"]) == 0
    said = capsys.readouterr().out
    assert "12 frames" in said
    assert "imdecode" in said


@pytest.mark.medium
def test_json_is_for_programs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    rows = iter([benchmark.Row("one thing", 0.25, 2.0)])
    monkeypatch.setattr(benchmark, "measure", lambda *_: rows)
    assert main(["benchmark", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["rows"] == [{"name": "one thing", "milliseconds": 250.0, "ratio": 2.0}]
    assert report["peak_memory_bytes"] > 2**20
