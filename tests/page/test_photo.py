"""The Photo tab's events without a browser: what is worked on, what is refused, and what the files say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from cyclegan_core import FaceTranslator, images
from demo.context import PageContext
from demo.languages.phrases import say
from demo.tabs.photo import actions as actions_module
from demo.tabs.photo import photo_state, view
from demo.tabs.photo.actions import PhotoActions
from demo.tabs.photo.example import ExampleView
from demo.tabs.photo.photo_state import CARD_SIDE
from demo.tabs.photo.view import COMPARISON, EXAMPLES, JPEG, LOOP, PNG, WHOLE
from tests.support.photo_tab import (
    FEMALE,
    LEFT,
    MALE,
    RIGHT,
    STRIPES,
    changed,
    event,
    file_of,
    opened,
    picture_of,
    saved,
    steps_of,
    wall,
)

pytestmark = pytest.mark.usefixtures("uploads")


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


def test_direction_that_hardly_changes_a_face_is_dimmed_and_says_so(
    actions: PhotoActions, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, _ = opened(actions, photo)
    assert not any(card["idle"] for card in shown["cards"])
    monkeypatch.setattr(photo_state, "LEAST_CHANGE", 255)
    shown, _ = opened(actions, photo)
    assert [card["step"] for card in shown["cards"] if card["idle"]] == [FEMALE, MALE]
    assert shown["status"] == say("photo.hardly_changed")


def test_a_new_photo_begins_in_a_direction_that_shows_something(
    actions: PhotoActions, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions_module, "FAVOURITES", (MALE,))
    assert opened(actions, photo)[0]["step"] == MALE
    assert opened(actions, photo, step=FEMALE)[0]["step"] == FEMALE, "where nothing was chosen before"
    monkeypatch.setattr(photo_state, "LEAST_CHANGE", 255)
    assert opened(actions, photo)[0]["step"] == FEMALE, "the first on offer where no favourite does"


def test_a_woman_to_female_is_such_a_direction_and_to_male_is_not() -> None:
    gender = FaceTranslator.from_pretrained("gender")
    woman = images.load(next(path for path in EXAMPLES if path.name == "astronaut.jpg"))
    faces = [max(gender.find_faces(woman), key=lambda face: face.width)]
    idle = {way: photo_state.is_left_alone(gender.generate(woman, way, faces)) for way in gender.directions}
    assert idle == {"to_female": True, "to_male": False}


def test_example_shows_what_the_page_does_before_there_is_a_photo(context: PageContext, runs: list[str]) -> None:
    example = ExampleView(context)
    shown = example.get()
    assert (shown["status"], shown["photo"], shown["step"]) == (say("photo.example_shown"), None, MALE)
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


def test_an_animation_is_opened_at_its_first_frame_with_a_face(actions: PhotoActions, uploads: Path) -> None:
    frames = [Image.new("RGB", (400, 200), "black"), Image.open(picture_of(uploads / "people.png"))]
    frames[0].save(uploads / "fade.webp", save_all=True, append_images=frames[1:], lossless=True)
    shown, state = opened(actions, uploads / "fade.webp")
    assert len(state.faces) == 2
    assert "frame 2 is used. The gallery translates every frame." in shown["status"]
    assert images.load(saved(actions, state)).std() > 10
