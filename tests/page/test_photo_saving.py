"""What the Photo tab saves: sizes, forms, comparisons, loops, and what the files say."""

from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from cyclegan_core import images
from demo.languages.phrases import say
from demo.pictures import SHOWN_SIDE
from demo.tabs.photo.actions import PhotoActions
from demo.tabs.photo.view import COMPARISON, JPEG, LOOP, PNG, WHOLE
from tests.support.photo_tab import LEFT, MALE, RIGHT, changed, event, file_of, opened, picture_of, saved, wall

pytestmark = pytest.mark.usefixtures("uploads")


def test_strength_applies_to_the_page_and_to_the_file(actions: PhotoActions, photo: Path) -> None:
    _, state = opened(actions, photo, step=MALE)
    picture = images.load(photo)
    full, half, none = (images.load(saved(actions, state, strength=strength)) for strength in (1.0, 0.5, 0.0))
    assert changed(picture, half, LEFT) == pytest.approx(changed(picture, full, LEFT) / 2, rel=0.2)
    assert np.array_equal(none, picture)
    shown = [images.load(file_of(actions.strengthen(event(strength=s), state)["after"])) for s in (1.0, 0.5)]
    assert changed(shown[0], shown[1], RIGHT) > 3


@pytest.mark.medium
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


@pytest.mark.medium
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
