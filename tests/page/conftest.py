"""The Photo tab without a browser, on pictures with two faces."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cyclegan_core.inference.registry import TranslationRegistry
from cyclegan_core.translations.catalog import CATALOG, Entry
from demo.context import PageContext
from demo.server.files import Files
from demo.tabs.photo.actions import PhotoActions
from tests.support.photo_tab import TwoFaces, picture_of
from tests.support.serving import whole_picture


@pytest.fixture(scope="module")
def context(tiny_translation: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageContext]:
    """With a translation of faces, and one of whole pictures."""
    folder = whole_picture(tiny_translation, tmp_path_factory.mktemp("translations"))
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

        def noted(picture: Any, way: str, faces: Any = (), *, hair: bool = True, generate: Any = generate) -> Any:
            runs.append(f"{way} {len(faces)}")
            return generate(picture, way, faces, hair=hair)

        monkeypatch.setattr(translator, "generate", noted)
    return runs
