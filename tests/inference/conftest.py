"""A machine on which nothing but one small translation is embedded."""

import os
import shutil
from pathlib import Path

import pytest

from cyclegan_core.faces import detector_weights
from cyclegan_core.translations import source


@pytest.fixture
def bare_machine(tiny_translation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`gender` is embedded, and nothing else; there are no settings, no detector weights and no way to them."""
    (tmp_path / "weights").mkdir()
    shutil.copytree(tiny_translation, tmp_path / "weights" / "gender")
    monkeypatch.setattr(source, "EMBEDDED", tmp_path / "weights")
    for variable in os.environ:
        if variable.startswith("CYCLEGAN_"):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(detector_weights, "facexlib_path", list)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # read by the detector's part alone: the client has read it already
