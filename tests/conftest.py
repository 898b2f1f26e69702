"""What several test files need: a translation that is made in a moment, and photographs of faces.

And how a run goes: in which order, which tests are quick, and what it says at the end about those that were skipped.
"""

import json
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType

import cv2
import numpy as np
import pytest
import torch

from cyclegan_core import images
from cyclegan_core.faces.alignment import TIGHT_TEMPLATE
from cyclegan_core.translations.config import Crop, Direction, TranslationConfig
from cyclegan_core.translations.translation import Translation, build_generator
from tests import ROOT
from tests.support.browser import address, browser, playwright, visit
from tests.support.command_line import run, two_faces, wall

__all__ = ["address", "browser", "playwright", "run", "two_faces", "visit", "wall"]  # fixtures of theirs

PHOTOS = ROOT.parent / "shared" / "photos"
SERVED = {"address", "page", "visit"}  # fixtures that are a server in a process of its own


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that start programs, and runs the files that take longest first, so that no worker waits long.

    The order within a file stays, and that of the files whose longest test is alike.
    """
    weights: dict[Path, int] = {}
    for item in items:
        function = getattr(item, "function", None)
        if SERVED & set(getattr(item, "fixturenames", ())) or starts_a_program(function):
            item.add_marker("process")
        marks = {mark.name for mark in item.iter_markers()}
        weight = 2 if marks & {"slow", "browser"} else 1 if "process" in marks else 0
        weights[item.path] = max(weight, weights.get(item.path, 0))
    items.sort(key=lambda item: -weights[item.path])


def starts_a_program(function: Callable[..., object] | None) -> bool:
    """Whether a test names `subprocess`, or a function of its file that does."""
    if not isinstance(function, FunctionType):
        return False
    named = _names(function.__code__)
    neighbours = [function.__globals__.get(name) for name in named]
    within = [_names(other.__code__) for other in neighbours if isinstance(other, FunctionType)]
    return any("subprocess" in names for names in (named, *within))


def _names(code: CodeType) -> set[str]:
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*map(_names, inner))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how many tests were skipped for photographs and weights that lie in ../shared."""
    reasons = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    lacking = sum("not on this machine" in reason for reason in reasons)
    if lacking:
        terminalreporter.write_line(
            f"{lacking} tests were skipped: they need photographs or weights in {PHOTOS.parent}, which are not there.",
            yellow=True,
        )


@pytest.fixture(scope="session")
def tiny_translation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a translation whose generators, small and untrained, change the colours of a face for all to see."""
    config = TranslationConfig(
        name="tiny",
        directions={Direction.A_TO_B: "to_female", Direction.B_TO_A: "to_male"},
        generator="MobileResnetGenerator",
        generator_arguments={"channels": 8, "blocks": 1, "residual": True},
        crop=Crop(32, TIGHT_TEMPLATE),
        output="change",
        training={"pictures": 1234567, "minutes": 42.5},
    )
    torch.manual_seed(0)
    generators = {direction: build_generator(config) for direction in Direction}
    for direction, colour in ((Direction.A_TO_B, (0.3, -0.2, 0.0)), (Direction.B_TO_A, (-0.3, 0.0, 0.2))):
        last = [module for module in generators[direction].modules() if isinstance(module, torch.nn.Conv2d)][-1]
        assert last.bias is not None
        with torch.no_grad():
            last.bias.copy_(torch.tensor(colour))
    folder = tmp_path_factory.mktemp("translations") / "tiny"
    Translation(config, generators).save(folder)
    return folder


@pytest.fixture(scope="session")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two domains of small pictures: reddish above in A, bluish below in B."""
    folder = tmp_path_factory.mktemp("crops")
    rng = np.random.default_rng(0)
    for domain, channel, rows in (("A", 0, slice(0, 8)), ("B", 2, slice(8, 16))):
        for split, count in (("train", 12), ("test", 8)):
            (folder / f"{split}{domain}").mkdir()
            for i in range(count):
                picture = rng.integers(60, 120, (16, 16, 3), np.uint8)
                picture[rows, :, channel] += 100
                images.save(picture, folder / f"{split}{domain}" / f"{i:02d}.png")
    described = {"template": TIGHT_TEMPLATE, "margin": 0.0, "size": 16}
    (folder / "crops.json").write_text(json.dumps(described))
    return folder


@pytest.fixture(scope="session")
def face_picture() -> Path:
    """A photograph with one face, 910 x 1137 pixels."""
    return _photo("obama.jpg")


@pytest.fixture(scope="session")
def two_faces_picture() -> Path:
    """A photograph with two faces, 2000 x 1428 pixels."""
    return _photo("obama_and_biden.jpg")


@pytest.fixture(scope="session")
def face(face_picture: Path) -> np.ndarray:
    """A photograph of a face, small enough to be translated in a moment."""
    return cv2.resize(images.load(face_picture), (300, 375), interpolation=cv2.INTER_AREA)


def _photo(name: str) -> Path:
    path = PHOTOS / name
    if not path.is_file():
        pytest.skip(f"needs the photograph {name}, which is not on this machine")
    return path
