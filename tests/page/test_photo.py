"""The Photo tab's events without a browser: what is worked on, what is refused, and what the files say."""

import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import gradio as gr
import numpy as np
import pytest
from demo.tabs.photo.face_strip import AS_ABOVE, LEAVE
from numpy.typing import NDArray
from PIL import Image

from cyclegan_core import images
from cyclegan_core.faces.alignment import TIGHT_TEMPLATE
from cyclegan_core.faces.face import Face
from cyclegan_core.translations.catalog import CATALOG, Entry
from cyclegan_core.translations.registry import Shelf
from cyclegan_core.translations.translation import Translation
from demo.context import PageContext
from demo.pictures import SHOWN_SIDE, Photo
from demo.server.files import Files
from demo.tabs.photo.actions import FIRST, GONE, JPEG, PNG, WHOLE, UploadActions

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
        shelf = Shelf([CATALOG[0], Entry("stripes", "Stripes", {})])
        shelf.load()
        shelf.studio.replace_detector(TwoFaces())
        yield PageContext(shelf, Files(tmp_path_factory.mktemp("files")))


@pytest.fixture(scope="module")
def actions(context: PageContext) -> UploadActions:
    return UploadActions(context)


@pytest.fixture
def photo(tmp_path: Path) -> Photo:
    return picture_of(tmp_path / "people.png")


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


def picture_of(path: Path, size: tuple[int, int] = (400, 200)) -> Photo:
    Image.fromarray(np.random.default_rng(0).integers(60, 190, (*size[::-1], 3), dtype=np.uint8)).save(path)
    return Photo(images.load(path), path)


def wall(tmp_path: Path) -> Photo:
    Image.new("RGB", (160, 120), "grey").save(tmp_path / "wall.jpg")
    return Photo(images.load(tmp_path / "wall.jpg"), tmp_path / "wall.jpg")


def found(actions: UploadActions, photo: Photo) -> tuple[dict[str, Any], Any]:
    """The faces as the page has them, and what is known of the photo."""
    _, strip, _, _, work = actions.find(photo)
    return strip, work


def file_of(address: str) -> Path:
    return Path(unquote(address.removeprefix("gradio_api/file=")))


def changed(before: NDArray[np.uint8], after: NDArray[np.uint8], box: tuple[float, ...]) -> float:
    """How far the middle of a box was changed."""
    x0, y0, x1, y1 = (int(edge) for edge in box)
    part = np.s_[(3 * y0 + y1) // 4 : (y0 + 3 * y1) // 4, (3 * x0 + x1) // 4 : (x0 + 3 * x1) // 4]
    return float(np.abs(np.asarray(after)[part].astype(int) - before[part]).mean())


def test_faces_are_found_at_once_and_nothing_is_translated(
    actions: UploadActions, photo: Photo, runs: list[str]
) -> None:
    said, strip, what, form, work = actions.find(photo)
    assert said == "2 faces found. Translate all alike, or choose for each."
    assert runs == ["find"]
    assert [label for label, _ in what.choices] == ["Full picture", "Face 1 alone", "Face 2 alone"]
    assert form == PNG
    assert strip["chosen"] == [AS_ABOVE, AS_ABOVE]
    assert strip["marked"] == 1, "the largest face is compared"
    for face in strip["faces"]:
        assert images.load(file_of(face["before"])).shape[:2] == (192, 192)
        assert face["after"] is None
    assert work.chains is None


def test_only_what_is_new_is_worked_on(actions: UploadActions, photo: Photo, runs: list[str]) -> None:
    strip, work = found(actions, photo)
    *_, work, made = actions.translate(photo, FEMALE, "", 1.0, strip, work)
    assert runs == ["find", "to_female 2"]
    assert made[2] == "people.png: to female"
    assert all(Path(file).exists() for file in made[:2])
    assert made[0] != work.before, "it may be deleted there"
    runs.clear()

    *_, same, made = actions.apply_again(FEMALE, "", 0.5, strip, work)
    actions.strengthen(0.25, strip, work)
    assert runs == []
    assert same is work
    assert not isinstance(made, tuple), "it is no new translation"
    actions.apply_again(FEMALE, MALE, 0.5, strip, work)
    assert runs == ["to_female 2", "to_male 2"]
    runs.clear()
    actions.apply_again(FEMALE, "", 0.5, strip | {"chosen": [MALE, LEAVE]}, work)
    assert runs == ["to_male 1"]


def test_each_face_gets_its_own(actions: UploadActions, photo: Photo, context: PageContext) -> None:
    strip, work = found(actions, photo)
    own = strip | {"chosen": [LEAVE, AS_ABOVE]}
    (before, after), said, shown, save, work, _ = actions.translate(photo, FEMALE, "", 1.0, own, work)
    assert said.startswith("1 of 2 faces translated in ")
    assert save.visible
    saved = images.load(actions.save(1.0, WHOLE, PNG, work))
    assert changed(photo.picture, saved, LEFT) == 0
    assert changed(photo.picture, saved, RIGHT) > 10
    assert images.load(before).shape == images.load(after).shape == photo.picture.shape
    assert shown["chosen"] == [LEAVE, AS_ABOVE]
    first, second = (
        np.abs(images.load(file_of(face["after"])).astype(int) - images.load(file_of(face["before"]))).mean()
        for face in shown["faces"]
    )
    assert first < 3 < second

    _, said, _, save, *_ = actions.apply(FEMALE, "", 1.0, strip | {"chosen": [LEAVE, LEAVE]}, work)
    assert (said, save.visible) == ("All faces are left as they are.", False)


def test_strength_applies_to_the_page_and_to_the_file(actions: UploadActions, photo: Photo) -> None:
    strip, work = found(actions, photo)
    *_, work, _ = actions.translate(photo, MALE, "", 1.0, strip, work)
    full, half, none = (images.load(actions.save(strength, WHOLE, PNG, work)) for strength in (1.0, 0.5, 0.0))
    assert changed(photo.picture, half, LEFT) == pytest.approx(changed(photo.picture, full, LEFT) / 2, rel=0.2)
    assert np.array_equal(none, photo.picture)
    shown = [images.load(actions.strengthen(strength, strip, work)[0][1]) for strength in (1.0, 0.5)]
    assert changed(shown[0], shown[1], RIGHT) > 3


def test_large_photo_is_small_on_the_page_and_large_in_the_file(actions: UploadActions, tmp_path: Path) -> None:
    photo = picture_of(tmp_path / "large.jpg", (2000, 1000))
    strip, work = found(actions, photo)
    (before, after), *_, work, _ = actions.translate(photo, FEMALE, "", 1.0, strip, work)
    assert images.load(before).shape == images.load(after).shape == (SHOWN_SIDE // 2, SHOWN_SIDE, 3)
    saved = images.load(actions.save(1.0, WHOLE, PNG, work))
    assert saved.shape == photo.picture.shape
    scaled = tuple(edge * SHOWN_SIDE / 2000 for edge in RIGHT)
    ratio = changed(images.load(before), images.load(after), scaled) / changed(photo.picture, saved, RIGHT)
    assert ratio == pytest.approx(1, abs=0.3), "the layers lie over the same face on the page"


@pytest.mark.parametrize(
    ("what", "form", "name"),
    [
        (WHOLE, PNG, "people-to-female-to-male.png"),
        (WHOLE, JPEG, "people-to-female-to-male.jpg"),
        ("0", JPEG, "people-face-1-to-female.jpg"),
    ],
)
def test_file_says_that_it_is_altered_and_by_what(
    actions: UploadActions, tmp_path: Path, what: str, form: str, name: str
) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"  # GPS
    exif[0x010F] = "SecretCamera"
    photo = picture_of(tmp_path / "people.jpg")
    with Image.open(photo.file) as image:
        image.save(photo.file, exif=exif)
    strip, work = found(actions, photo)
    *_, work, _ = actions.translate(photo, FEMALE, "", 1.0, strip | {"chosen": [AS_ABOVE, MALE]}, work)
    saved = Path(actions.save(1.0, what, form, work))
    assert saved.name == name
    content = saved.read_bytes()
    assert b"SecretCamera" not in content
    assert b"AI-altered (gender: to female" in content
    assert (b"to male" in content) == (what == WHOLE)
    with Image.open(saved) as image:
        assert not image.getexif().get_ifd(0x8825)
        assert image.size == (photo.picture.shape[1::-1] if what == WHOLE else (256, 256))
    unaltered = Path(actions.save(0.0, what, form, work)).read_bytes()
    assert b"AI-altered" not in unaltered


def test_comparison_shows_every_direction_and_one_can_be_taken(
    actions: UploadActions, photo: Photo, runs: list[str]
) -> None:
    strip, work = found(actions, photo)
    shown, work = actions.compare(photo, 1.0, strip | {"marked": 0}, work)
    assert "Face 1 in every direction" in shown
    assert re.findall("<span>(.*?)</span>", shown) == ["Original", "To female", "To male"]
    assert runs == ["find", "to_female 1", "to_male 1"]
    files = [images.load(file_of(address)) for address in re.findall('src="(.*?)"', shown)]
    assert all(np.abs(files[0].astype(int) - file).mean() > 3 for file in files[1:])
    taken = actions.use(gr.EventData(None, {"step": MALE}), strip | {"marked": 0}, work)
    assert taken["chosen"] == [MALE, AS_ABOVE]
    with pytest.raises(gr.Error, match="no longer offered"):
        actions.use(gr.EventData(None, {"step": "gender:to_dog"}), strip, work)


def test_photo_without_a_face_says_so_but_can_be_translated_as_a_whole(
    actions: UploadActions, tmp_path: Path, context: PageContext
) -> None:
    photo = wall(tmp_path)
    said, strip, *_, work = actions.find(photo)
    assert said == (none := "No face found. What needs none: To stripes, To plain.")
    assert strip is None
    shown, said, _, save, work, _ = actions.translate(photo, FEMALE, "", 1.0, strip, work)
    assert (shown, said, save.visible) == (None, none, False)
    (_, after), said, _, save, work, _ = actions.apply_again(STRIPES, "", 1.0, strip, work)
    assert said.startswith("The whole picture was translated in ")
    assert changed(photo.picture, images.load(after), (0, 0, 160, 120)) > 10
    assert b"AI-altered (stripes: to stripes)" in Path(actions.save(1.0, WHOLE, JPEG, work)).read_bytes()
    html, _ = actions.compare(photo, 1.0, strip, work)
    assert re.findall("<span>(.*?)</span>", html) == ["Original", "To stripes", "To plain"]
    assert "<button" not in html
    assert actions.apply_again(MALE, "", 1.0, strip, work)[1] == none


@pytest.mark.parametrize(
    "wrong",
    [
        "words",
        {},
        {"photo": "another"},
        {"chosen": [FEMALE]},
        {"chosen": "ab"},
        {"chosen": [1, 2]},
        {"chosen": [[], {}]},
        {"chosen": ["", "gender:to_dog"]},
        {"marked": 2},
        {"marked": -1},
        {"marked": True},
        {"marked": "0"},
    ],
)
def test_choices_from_outside_are_not_trusted(actions: UploadActions, photo: Photo, wrong: Any) -> None:
    strip, work = found(actions, photo)
    sent = strip | wrong if isinstance(wrong, dict) and wrong else wrong
    for act in (
        lambda: actions.translate(photo, FEMALE, "", 1.0, sent, work),
        lambda: actions.compare(photo, 1.0, sent, work),
    ):
        with pytest.raises(gr.Error, match=r"Choose the photo again\.|Load the page anew\."):
            act()


def test_what_is_missing_is_asked_for(actions: UploadActions, photo: Photo, runs: list[str]) -> None:
    strip, work = found(actions, photo)
    refused: list[tuple[str, Callable[[], Any]]] = [
        (FIRST, lambda: actions.translate(None, FEMALE, "", 1, None, None)),
        (FIRST, lambda: actions.compare(None, 1, None, None)),
        (GONE, lambda: actions.apply_again(FEMALE, "", 1, strip, None)),
        (GONE, lambda: actions.strengthen(1, strip, None)),
        (GONE, lambda: actions.save(1, WHOLE, PNG, None)),
        (GONE, lambda: actions.use(gr.EventData(None, {}), strip, None)),
    ]
    for sentence, act in refused:
        with pytest.raises(gr.Error, match=sentence):
            act()
    with pytest.raises(gr.Error, match="no such face"):
        actions.save(1, "7", PNG, work)
    with pytest.raises(gr.Error, match="Choose a translation first"):
        actions.translate(photo, "", "", 1, strip, work)
    assert runs == ["find"]
    actions.apply_again(FEMALE, "", 1, strip, work)
    actions.apply_again(FEMALE, "", 1, None, None)
    actions.strengthen(0.5, None, None)
    assert runs == ["find"], "nothing is translated before it was asked for"


def test_photo_that_was_deleted_meanwhile_is_asked_for_again(actions: UploadActions, photo: Photo) -> None:
    strip, work = found(actions, photo)
    *_, work, _ = actions.translate(photo, FEMALE, "", 1.0, strip, work)
    photo.file.unlink()
    for act in (lambda: actions.apply_again(MALE, "", 1.0, strip, work), lambda: actions.save(1.0, WHOLE, PNG, work)):
        with pytest.raises(gr.Error, match="choose it again"):
            act()
    assert actions.strengthen(0.5, strip, work)[0][1], "what is at hand still works"


def test_another_photo_is_looked_at_anew(actions: UploadActions, photo: Photo, tmp_path: Path, runs: list[str]) -> None:
    strip, work = found(actions, photo)
    another = picture_of(tmp_path / "others.png")
    *_, known, made = actions.translate(another, FEMALE, "", 1.0, strip, work)
    assert runs == ["find", "find", "to_female 2"]
    assert known.file == another.file
    assert made[2].startswith("others.png")


def test_tab_offers_no_endpoint_and_all_work_takes_turns(context: PageContext) -> None:
    from demo.tabs.photo.tab import add_upload

    with gr.Blocks() as page:
        made = add_upload(context)
    assert isinstance(made, gr.State)
    for event in page.fns.values():
        assert event.api_visibility in ("private", "undocumented")
        if event.name in ("find", "translate", "apply", "apply_again", "compare", "save"):
            assert (event.concurrency_id, event.concurrency_limit) == ("translator", 2)
