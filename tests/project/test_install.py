"""`pip install .` gives the library with its weights, and its command, to programs outside of this folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that this project is installed into, from a copy, as setuptools builds beside the sources."""
    copy, target = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("site")
    for name in ("pyproject.toml", "README.md", "requirements.txt"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "cyclegan_core", copy / "cyclegan_core", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-compile"]
    done = subprocess.run([*pip, "--target", str(target), str(copy)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def test_every_file_of_the_library_is_installed(site: Path) -> None:
    sources = {path.relative_to(ROOT) for path in (ROOT / "cyclegan_core").rglob("*") if path.is_file()}
    expected = {path for path in sources if "__pycache__" not in path.parts}
    assert {path.suffix for path in expected} >= {".py", ".safetensors", ".json", ".md", ".jpg"}
    assert sorted(path for path in expected if not (site / path).is_file()) == []
    assert not (site / "train").exists()


def test_the_installed_command_works_elsewhere(site: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, str(site / "bin" / "cyclegan"), "info"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "to_female" in done.stdout
    code = "import cyclegan_core; print(cyclegan_core.__file__)"
    told = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert told.stdout.strip() == str(site / "cyclegan_core" / "__init__.py")
