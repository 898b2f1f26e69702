"""The detector of the page: the embedded weights at once, the published ones when they have come."""

import shutil
from pathlib import Path

import pytest

from cyclegan_core.faces import detector_weights
from cyclegan_core.faces.embedded_detector import EmbeddedDetector
from tests import ROOT
from tests.support.registries import loaded, pulled

pytestmark = pytest.mark.usefixtures("bare_machine")

SHARED_WEIGHTS = ROOT.parent / "shared" / "weights" / detector_weights.FILE


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is fetched as the detector's weights."""
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv(detector_weights.ADDRESS_VARIABLE, (tmp_path / "mirror.pth").as_uri())
    return tmp_path / "mirror.pth"


@pytest.mark.medium
def test_it_takes_over_when_its_weights_have_come(mirror: Path) -> None:
    if not SHARED_WEIGHTS.is_file():
        pytest.skip("needs facexlib's detector weights, which are not on this machine")
    shutil.copy(SHARED_WEIGHTS, mirror)
    registry = loaded()
    assert registry.studio.detector.name == EmbeddedDetector.name
    assert "are not here" in registry.detector_status()
    registry.pull()
    assert registry.wait(60)
    assert registry.studio.detector.name == "RetinaFace mobile0.25"
    assert registry.detector_status() == "RetinaFace mobile0.25 finds the faces."
    mirror.unlink()
    assert loaded().studio.detector.name == "RetinaFace mobile0.25"


@pytest.mark.parametrize(("content", "says"), [(b"no weights", "not facexlib's file"), (None, "downloaded")])
def test_without_them_the_embedded_weights_stay(mirror: Path, content: bytes | None, says: str) -> None:
    if content:
        mirror.write_bytes(content)
    registry = pulled()
    assert registry.studio.detector.name == EmbeddedDetector.name
    assert registry.detector_status().startswith(f"{EmbeddedDetector.name} finds the faces: ")
    assert says in registry.detector_status()
    assert str(mirror.parent) not in registry.detector_status()


def test_offline_nothing_is_tried(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE" in pulled().detector_status()


def test_a_setting_that_names_no_file(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(detector_weights.VARIABLE, "/no/such.pth")
    registry = pulled()
    assert registry.studio.detector.name == EmbeddedDetector.name
    assert f"{detector_weights.VARIABLE} names a file that is not there" in registry.detector_status()
