"""A machine on which nothing but one small translation is embedded."""

import os
import shutil
from pathlib import Path

import pytest

from cyclegan_core.faces import detector_weights
from cyclegan_core.translations import source


@pytest.fixture(scope="session")
def converted_networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the detector's network, which takes seconds to convert, is kept for all tests."""
    return tmp_path_factory.mktemp("converted")


@pytest.fixture
def bare_machine(
    tiny_translation: Path, converted_networks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`gender` is embedded, and nothing else; there are no settings, no detector weights and no way to them."""
    (tmp_path / "weights").mkdir()
    shutil.copytree(tiny_translation, tmp_path / "weights" / "gender")
    monkeypatch.setattr(source, "EMBEDDED", tmp_path / "weights")
    for variable in os.environ:
        if variable.startswith("CYCLEGAN_"):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "cache" / "cyclegan").mkdir(parents=True)
    (tmp_path / "cache" / "cyclegan" / "models").symlink_to(converted_networks)
    monkeypatch.setattr(detector_weights, "facexlib_path", list)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # read by the detector's part alone: the client has read it already
