"""The Photo tab's events without a browser: what is worked on, what is refused, and what the files say."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import gradio as gr
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cyclegan_core import images
from cyclegan_core.faces.alignment import TIGHT_TEMPLATE
from cyclegan_core.faces.face import Face
from cyclegan_core.inference.registry import TranslationRegistry
from cyclegan_core.translations.catalog import CATALOG, Entry
from cyclegan_core.translations.translation import Translation
from demo.context import PageContext
from demo.languages.phrases import say
from demo.pictures import SHOWN_SIDE
from demo.server.files import Files
from demo.tabs.photo import view
from demo.tabs.photo.actions import PhotoActions
from demo.tabs.photo.example import ExampleView
from demo.tabs.photo.photo_state import CARD_SIDE, PhotoState
from demo.tabs.photo.view import COMPARISON, EXAMPLES, JPEG, LOOP, PNG, WHOLE

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


@pytest.fixture(autouse=True)
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """gradio's folder for what visitors send."""
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


def test_photo_is_translated_at_once_and_cards_show_its_face(
    actions: PhotoActions, photo: Path, runs: list[str]
) -> None:
    shown, state, made = actions.open_photo(event(path=str(photo)))
    assert shown["status"].startswith("2 faces translated in ")
    assert shown["step"] == FEMALE
    assert changed(images.load(file_of(shown["before"])), images.load(file_of(shown["after"])), RIGHT) > 10
    assert steps_of(shown["cards"]) == ["", FEMALE, MALE], "the original, to leave one face of several as it is"
    original, *others = [images.load(file_of(card["picture"])) for card in shown["cards"]]
    assert original.shape == (CARD_SIDE, CARD_SIDE, 3)
    assert all(np.abs(original.astype(int) - other).mean() > 3 for other in others)
    assert b"AI-altered" in file_of(shown["cards"][1]["picture"]).read_bytes()
    assert steps_of(shown["more"]) == [STRIPES, "stripes:to_plain"], "whole pictures are made when they are asked for"
    assert runs == ["find", "to_female 2", "to_male 1"], "the largest face alone is shown in the other directions"
    assert state.card_face == 1
    assert made[2] == "people.png: to female"
    assert Path(made[1]).exists()
    assert made[0] != state.before, "it may be deleted there"
    assert shown["form"] == PNG
    assert shown["save"] == [
        (WHOLE, "Full picture"),
        (COMPARISON, "Before and after"),
        (LOOP, "Moving picture"),
        ("0", "Face 1 alone"),
        ("1", "Face 2 alone"),
    ]


def test_no_network_runs_twice(actions: PhotoActions, photo: Path, runs: list[str]) -> None:
    _, state = opened(actions, photo)
    runs.clear()
    _, state, made = actions.edit(event(step=MALE), state)
    assert runs == ["to_male 1"], "one face was on a card"
    assert made[2] == "people.png: to male"
    runs.clear()
    for _ in range(2):
        _, state, made = actions.edit(event(step=FEMALE), state)
    assert not isinstance(made, tuple), "it is no new translation"
    actions.strengthen(event(strength=0.5), state)
    assert runs == []
    actions.edit(event(then=MALE), state)
    assert runs == ["to_female 2", "to_male 2"]


def test_each_face_gets_its_own(actions: PhotoActions, photo: Path) -> None:
    _, state = opened(actions, photo)
    shown, state, _ = actions.edit(event(face=0, step=""), state)
    assert shown["status"].startswith("1 of 2 faces translated in ")
    assert (shown["face"], shown["step"]) == (0, "")
    before, after = images.load(photo), images.load(saved(actions, state))
    assert changed(before, after, LEFT) == 0
    assert changed(before, after, RIGHT) > 10
    shown, state, _ = actions.edit(event(face=-1), state)
    assert shown["step"] is None, "the faces differ"
    shown, state, _ = actions.edit(event(step=""), state)
    assert (shown["status"], shown["after"]) == ("All faces are left as they are.", None)


def test_strength_applies_to_the_page_and_to_the_file(actions: PhotoActions, photo: Path) -> None:
    _, state = opened(actions, photo, step=MALE)
    picture = images.load(photo)
    full, half, none = (images.load(saved(actions, state, strength=strength)) for strength in (1.0, 0.5, 0.0))
    assert changed(picture, half, LEFT) == pytest.approx(changed(picture, full, LEFT) / 2, rel=0.2)
    assert np.array_equal(none, picture)
    shown = [images.load(file_of(actions.strengthen(event(strength=s), state)["after"])) for s in (1.0, 0.5)]
    assert changed(shown[0], shown[1], RIGHT) > 3


def test_large_photo_is_small_on_the_page_and_large_in_the_file(actions: PhotoActions, uploads: Path) -> None:
    photo = picture_of(uploads / "large.jpg", (2000, 1000))
    shown, state = opened(actions, photo)
    before, after = images.load(file_of(shown["before"])), images.load(file_of(shown["after"]))
    assert before.shape == after.shape == (SHOWN_SIDE // 2, SHOWN_SIDE, 3)
    result = images.load(saved(actions, state))
    assert result.shape == (1000, 2000, 3)
    scaled = tuple(edge * SHOWN_SIDE / 2000 for edge in RIGHT)
    ratio = changed(before, after, scaled) / changed(images.load(photo), result, RIGHT)
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
    actions: PhotoActions, uploads: Path, what: str, form: str, name: str
) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"  # GPS
    exif[0x010F] = "SecretCamera"
    photo = picture_of(uploads / "people.jpg")
    with Image.open(photo) as image:
        image.save(photo, exif=exif)
    _, state = opened(actions, photo)
    _, state, _ = actions.edit(event(face=1, step=MALE), state)
    file = saved(actions, state, what, form)
    assert file.name == name
    content = file.read_bytes()
    assert b"SecretCamera" not in content
    assert b"AI-altered (gender: to female" in content
    assert (b"to male" in content) == (what == WHOLE)
    with Image.open(file) as image:
        assert not image.getexif().get_ifd(0x8825)
        assert image.size == ((400, 200) if what == WHOLE else (256, 256))
    assert b"AI-altered" not in saved(actions, state, what, form, 0.0).read_bytes()


def test_comparison_shows_before_and_after_side_by_side(actions: PhotoActions, photo: Path) -> None:
    _, state = opened(actions, photo)
    file = saved(actions, state, COMPARISON)
    assert file.name == "people-to-female-comparison.png"
    assert b"AI-altered (gender: to female)" in file.read_bytes()
    sheet, before = images.load(file), images.load(photo)
    height, width = before.shape[:2]
    gap = (sheet.shape[1] - 2 * width) // 3
    left, right = (sheet[gap : gap + height, start : start + width] for start in (gap, width + 2 * gap))
    np.testing.assert_array_equal(left, before)
    assert changed(before, right, RIGHT) > 10
    corner = np.s_[-25:-5, -90:-10]
    assert np.abs(left[corner].astype(int) - right[corner]).mean() > 50, "AI-altered is written into the picture"
    assert sheet[gap + height + gap :, width:].min() < 60, "the direction is named below"
    plain = saved(actions, state, COMPARISON, strength=0.0)
    assert b"AI-altered" not in plain.read_bytes(), "nothing is altered at strength 0"


def test_loop_fades_from_before_to_after_and_back_in_two_seconds(actions: PhotoActions, uploads: Path) -> None:
    photo = picture_of(uploads / "large.jpg", (1600, 800))
    _, state = opened(actions, photo)
    file = saved(actions, state, LOOP)
    assert file.name == "large-to-female-loop.webp"
    assert b"AI-altered (gender: to female)" in file.read_bytes()
    with Image.open(file) as loop:
        assert loop.size == (720, 360)
        assert loop.info["loop"] == 0, "without end"
        frames, total = [], 0
        for index in range(getattr(loop, "n_frames", 1)):
            loop.seek(index)
            loop.load()
            frames.append(np.asarray(loop.convert("RGB")).astype(int))
            total += loop.info["duration"]
    assert total == 2000
    distance = [float(np.abs(frame - frames[0]).mean()) for frame in frames]
    middle = len(frames) // 2
    assert distance[middle] == max(distance) > distance[middle // 2] > 0
    assert distance[1] == pytest.approx(distance[-1], abs=1), "back the same way"


def test_nothing_is_compared_before_there_is_a_translation(actions: PhotoActions, uploads: Path) -> None:
    _, state = opened(actions, wall(uploads))
    for what in (COMPARISON, LOOP):
        with pytest.raises(gr.Error, match=say("error.unaltered")):
            saved(actions, state, what)


def test_photo_without_a_face_says_so_but_can_be_translated_as_a_whole(actions: PhotoActions, uploads: Path) -> None:
    shown, state = opened(actions, wall(uploads), step=FEMALE)
    assert shown["status"] == (none := "No face found. What needs none: To stripes, To plain.")
    assert (shown["after"], steps_of(shown["cards"]), shown["more"]) == (None, [STRIPES, "stripes:to_plain"], [])
    shown, state, _ = actions.edit(event(step=STRIPES), state)
    assert shown["status"].startswith("The whole picture was translated in ")
    before, after = images.load(file_of(shown["before"])), images.load(file_of(shown["after"]))
    assert changed(before, after, (0, 0, 160, 120)) > 10
    assert b"AI-altered (stripes: to stripes)" in saved(actions, state, form=JPEG).read_bytes()
    shown, _, _ = actions.edit(event(step=MALE), state)
    assert shown["status"] == none


def test_example_shows_what_the_page_does_before_there_is_a_photo(context: PageContext, runs: list[str]) -> None:
    example = ExampleView(context)
    shown = example.get()
    assert (shown["status"], shown["photo"], shown["step"]) == (say("photo.example_shown"), None, FEMALE)
    assert steps_of(shown["cards"]) == [FEMALE, MALE]
    pictures = [shown["before"], shown["after"], *(card["picture"] for card in shown["cards"])]
    assert all(picture.startswith("data:image/jpeg;base64,") for picture in pictures), "files would be deleted"
    assert len(set(pictures)) == 4
    runs.clear()
    assert example.get() == shown
    assert runs == []


def test_examples_are_opened_by_their_number(actions: PhotoActions) -> None:
    _, state, _ = actions.open_photo(event(example=0, step=MALE))
    assert state.file == EXAMPLES[0]
    assert state.steps == (MALE, MALE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"step": "gender:to_dog"},
        {"step": 7},
        {"step": []},
        {"then": "gender:to_dog"},
        {"then": {"a": 1}},
        {"face": 2},
        {"face": -2},
        {"face": True},
        {"face": "0"},
        {"strength": 2},
        {"strength": True},
        {"strength": "1"},
        {"strength": float("nan")},
    ],
)
def test_choices_from_outside_are_not_trusted(actions: PhotoActions, photo: Path, wrong: dict[str, Any]) -> None:
    _, state = opened(actions, photo)
    with pytest.raises(gr.Error, match=r"no longer offered|no such face|number from 0 to 1"):
        actions.edit(event(**wrong), state)


@pytest.mark.parametrize("sent", [None, {}, [], "words", {"path": 7}, {"example": 99}, {"example": -1}, {"path": "\0"}])
def test_only_uploaded_photos_are_opened(actions: PhotoActions, sent: Any) -> None:
    with pytest.raises(gr.Error, match=say("error.photo_first")):
        actions.open_photo(gr.EventData(None, sent))


def test_files_of_the_server_are_not_opened(actions: PhotoActions, uploads: Path, tmp_path: Path) -> None:
    other = picture_of(tmp_path / "other.png")
    (uploads / "link.png").symlink_to(other)
    for path in (other, uploads / "link.png", uploads / ".." / "other.png", Path("/etc/passwd"), Path("README.md")):
        with pytest.raises(gr.Error, match=say("error.photo_first")):
            actions.open_photo(event(path=str(path)))


def test_what_is_missing_is_asked_for(actions: PhotoActions, photo: Path) -> None:
    _, state = opened(actions, photo)
    refused: list[tuple[str, Callable[[], Any]]] = [
        (say("error.photo_gone"), lambda: actions.edit(event(step=MALE), None)),
        (say("error.photo_gone"), lambda: actions.strengthen(event(), None)),
        (say("error.photo_gone"), lambda: actions.save(event(what=WHOLE, form=PNG), None)),
        ("no such face", lambda: actions.save(event(what="7", form=PNG), state)),
        ("no such face", lambda: actions.save(event(what=[], form=PNG), state)),
    ]
    for sentence, act in refused:
        with pytest.raises(gr.Error, match=sentence):
            act()


def test_photo_that_was_deleted_meanwhile_is_asked_for_again(actions: PhotoActions, photo: Path) -> None:
    _, state = opened(actions, photo)
    photo.unlink()
    for act in (lambda: actions.edit(event(step=STRIPES), state), lambda: saved(actions, state)):
        with pytest.raises(gr.Error, match="choose it again"):
            act()
    with pytest.raises(gr.Error, match="choose it again"):
        opened(actions, photo)
    assert actions.strengthen(event(strength=0.5), state)["after"], "what is at hand still works"


def test_directions_for_drawings_stand_behind_more(context: PageContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "FOR_DRAWINGS", {MALE})
    first, more = view.split_directions(context, has_faces=True)
    assert [step for _, step in first] == [FEMALE]
    assert MALE in [step for _, step in more]


def test_tab_offers_no_endpoint_and_all_work_takes_turns(context: PageContext) -> None:
    from demo.tabs.photo.tab import add_photo

    with gr.Blocks() as page:
        made = add_photo(context, ExampleView(context))
    assert isinstance(made, gr.State)
    waiting = []
    for function in page.fns.values():
        assert function.api_visibility in ("private", "undocumented")
        if function.name in ("open_photo", "edit", "save"):
            waiting.append(function.name)
            assert (function.concurrency_id, function.concurrency_limit) == ("translator", 2)
    assert waiting == ["open_photo", "edit", "save", "save"]


def test_transparency_is_kept_and_a_file_without_its_end_is_told(actions: PhotoActions, uploads: Path) -> None:
    opaque = picture_of(uploads / "cut.jpg")
    (uploads / "cut.jpg").write_bytes(opaque.read_bytes()[:-2])
    shown, _ = opened(actions, opaque)
    assert "end" in shown["status"].split("translated in")[1], "the visitor is told"

    cutout = Image.open(picture_of(uploads / "people.png"))
    alpha = np.full((200, 400), 255, np.uint8)
    alpha[:20] = 0
    cutout.putalpha(Image.fromarray(alpha))
    cutout.save(uploads / "cutout.webp", lossless=True)
    shown, state = opened(actions, uploads / "cutout.webp")
    assert shown["form"] == PNG, "which keeps it"
    np.testing.assert_array_equal(np.asarray(Image.open(saved(actions, state)))[..., 3], alpha)
    assert Image.open(saved(actions, state, form=JPEG)).getpixel((5, 5)) == (255, 255, 255)
    assert Image.open(saved(actions, state, what="0")).mode == "RGB"


def test_an_animation_is_opened_at_its_first_frame_with_a_face(actions: PhotoActions, uploads: Path) -> None:
    frames = [Image.new("RGB", (400, 200), "black"), Image.open(picture_of(uploads / "people.png"))]
    frames[0].save(uploads / "fade.webp", save_all=True, append_images=frames[1:], lossless=True)
    shown, state = opened(actions, uploads / "fade.webp")
    assert len(state.faces) == 2
    assert "frame 2 is used. The gallery translates every frame." in shown["status"]
    assert images.load(saved(actions, state)).std() > 10
