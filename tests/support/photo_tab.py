"""The Photo tab with two faces in every picture: fixtures, and what the browser sends and gets."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import gradio as gr
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cyclegan_core.faces.alignment import TIGHT_TEMPLATE
from cyclegan_core.faces.face import Face
from cyclegan_core.inference.registry import TranslationRegistry
from cyclegan_core.translations.catalog import CATALOG, Entry
from cyclegan_core.translations.translation import Translation
from demo.context import PageContext
from demo.server.files import Files
from demo.tabs.photo.actions import PhotoActions
from demo.tabs.photo.photo_state import PhotoState
from demo.tabs.photo.view import PNG, WHOLE

LEFT, RIGHT = (20.0, 30.0, 120.0, 130.0), (220.0, 30.0, 340.0, 150.0)
FEMALE, MALE, STRIPES = "gender:to_female", "gender:to_male", "stripes:to_stripes"


class TwoFaces:
    """Finds a face at two known places, the right one larger, of every picture that is not grey all over."""

    name = "a detector for tests"

    def detect(self, picture: NDArray[np.uint8]) -> list[Face]:
        if picture.std() == 0:
            return []
        points = np.array(TIGHT_TEMPLATE)
        return [Face(b, 0.99, (points * (b[2] - b[0]) + b[:2]).astype(np.float32)) for b in (LEFT, RIGHT)]


@pytest.fixture(scope="module")
def context(tiny_translation: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageContext]:
    """With a translation of faces, and one of whole pictures."""
    loaded = Translation.load(tiny_translation)
    names = dict(zip(loaded.config.directions, ("to_stripes", "to_plain"), strict=True))
    config = dataclasses.replace(loaded.config, name="stripes", directions=names, crop=None)
    folder = tmp_path_factory.mktemp("translations") / "stripes"
    Translation(config, loaded.generators).save(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CYCLEGAN_GENDER_REPO", str(tiny_translation))
        patch.setenv("CYCLEGAN_STRIPES_REPO", str(folder))
        registry = TranslationRegistry([CATALOG[0], Entry("stripes", "Stripes", {})])
        registry.load()
        registry.studio.replace_detector(TwoFaces())
        yield PageContext(registry, Files(tmp_path_factory.mktemp("files")))


@pytest.fixture(scope="module")
def actions(context: PageContext) -> PhotoActions:
    return PhotoActions(context)


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Gradio's folder for what visitors send."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    return folder


@pytest.fixture
def photo(uploads: Path) -> Path:
    return picture_of(uploads / "people.png")


@pytest.fixture
def runs(context: PageContext, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is worked on during a test: `find`, or a direction and the number of faces it is given."""
    runs: list[str] = []
    studio = context.studio()
    find = studio.find_faces

    def noted_find(picture: Any) -> Any:
        runs.append("find")
        return find(picture)

    monkeypatch.setattr(studio, "find_faces", noted_find)
    for translator in studio.translators.values():
        generate = translator.generate

        def noted(picture: Any, way: str, faces: Any = (), *, generate: Any = generate) -> Any:
            runs.append(f"{way} {len(faces)}")
            return generate(picture, way, faces)

        monkeypatch.setattr(translator, "generate", noted)
    return runs


def picture_of(path: Path, size: tuple[int, int] = (400, 200)) -> Path:
    Image.fromarray(np.random.default_rng(0).integers(60, 190, (*size[::-1], 3), dtype=np.uint8)).save(path)
    return path


def wall(folder: Path) -> Path:
    Image.new("RGB", (160, 120), "grey").save(folder / "wall.jpg")
    return folder / "wall.jpg"


def event(**data: Any) -> gr.EventData:
    """What the browser sends, by default at full strength."""
    return gr.EventData(None, {"strength": 1.0, "then": "", **data})


def opened(actions: PhotoActions, photo: Path, **data: Any) -> tuple[dict[str, Any], PhotoState]:
    shown, state, _ = actions.open_photo(event(path=str(photo), **data))
    return shown, state


def saved(actions: PhotoActions, state: PhotoState, what: str = WHOLE, form: str = PNG, strength: float = 1.0) -> Path:
    return Path(actions.save(event(what=what, form=form, strength=strength), state))


def steps_of(cards: list[dict[str, Any]]) -> list[str]:
    return [card["step"] for card in cards]


def file_of(address: str) -> Path:
    return Path(unquote(address.removeprefix("gradio_api/file=")))


def changed(before: NDArray[np.uint8], after: NDArray[np.uint8], box: tuple[float, ...]) -> float:
    """How far the middle of a box was changed."""
    x0, y0, x1, y1 = (int(edge) for edge in box)
    part = np.s_[(3 * y0 + y1) // 4 : (y0 + 3 * y1) // 4, (3 * x0 + x1) // 4 : (x0 + 3 * x1) // 4]
    return float(np.abs(np.asarray(after)[part].astype(int) - before[part]).mean())
