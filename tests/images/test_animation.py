"""Animations: every frame comes in, in its time, and goes out again as WebP or APNG."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cyclegan_core import images, provenance
from cyclegan_core.errors import PictureError
from cyclegan_core.images import animation as animations

SHADES = (20, 120, 220)


def encoded(form: str, *, transparent: bool = False, **options: Any) -> bytes:
    frames = []
    for shade in SHADES:
        pixels = np.full((24, 32, 4), (shade, shade, 255 - shade, 255), np.uint8)
        if transparent:
            pixels[:8, :, 3] = 0
        frames.append(Image.fromarray(pixels))
    coded = io.BytesIO()
    frames[0].save(coded, form, save_all=True, append_images=frames[1:], duration=[40, 0, 500], **options)
    return coded.getvalue()


LOSSLESS: dict[str, dict[str, Any]] = {"gif": {}, "png": {}, "webp": {"lossless": True}}


@pytest.mark.parametrize("form", ["gif", "png", "webp"])
def test_every_frame_comes_in_with_its_time(form: str) -> None:
    animation = images.load_animation(encoded(form, loop=0, **LOSSLESS[form]))
    assert animation is not None
    frames = list(animation.read())
    assert (animation.frames, animation.plays) == (3, 0)
    assert [frame.milliseconds for frame in frames] == [40, 100, 500], "no time at all is what browsers show for 100 ms"
    for frame, shade in zip(frames, SHADES, strict=True):
        assert np.abs(frame.picture.pixels.astype(int) - (shade, shade, 255 - shade)).max() < 6
        assert frame.picture.alpha is None


@pytest.mark.parametrize(
    ("form", "options", "plays"), [("gif", {}, 1), ("gif", {"loop": 2}, 3), ("png", {"loop": 2}, 2)]
)
def test_how_often_it_is_shown(form: str, options: dict[str, Any], plays: int) -> None:
    animation = images.load_animation(encoded(form, **options))
    assert animation is not None
    assert animation.plays == plays


@pytest.mark.parametrize("form", ["gif", "png", "webp"])
@pytest.mark.parametrize("suffix", animations.ANIMATED_SUFFIXES)
def test_transparency_times_and_origin_go_out_again(form: str, suffix: str, tmp_path: Path) -> None:
    animation = images.load_animation(encoded(form, transparent=True, loop=0, **LOSSLESS[form]))
    assert animation is not None
    target = tmp_path / f"out{suffix}"
    images.save_animation(list(animation.read()), target, plays=2, made_by="age: older")
    again = images.load_animation(target)
    assert again is not None
    assert again.plays == 2
    for frame, shade, time in zip(again.read(), SHADES, (40, 100, 500), strict=True):
        assert frame.milliseconds == time
        assert frame.picture.alpha is not None
        assert (frame.picture.alpha[:8] == 0).all()
        assert (frame.picture.alpha[8:] == 255).all()
        assert abs(int(frame.picture.pixels[16, 16, 0]) - shade) < 12
    assert provenance.sentence("age: older").encode() in target.read_bytes()


def test_a_default_picture_that_is_no_frame_is_left_out() -> None:
    frames = [Image.new("RGB", (16, 16), (shade,) * 3) for shade in (255, *SHADES)]
    coded = io.BytesIO()
    frames[0].save(coded, "png", save_all=True, append_images=frames[1:], default_image=True, duration=50)
    animation = images.load_animation(coded.getvalue())
    assert animation is not None
    assert [frame.picture.pixels[0, 0, 0] for frame in animation.read()] == list(SHADES)


def test_a_damaged_one_ends_where_the_damage_begins() -> None:
    noise = [Image.fromarray(np.random.default_rng(n).integers(0, 255, (64, 64, 3)).astype(np.uint8)) for n in range(6)]
    coded = io.BytesIO()
    noise[0].save(coded, "gif", save_all=True, append_images=noise[1:])
    animation = images.load_animation(coded.getvalue()[: len(coded.getvalue()) * 2 // 3])
    assert animation is not None
    assert 2 <= len(list(animation.read())) <= 5


def test_what_is_no_animation_or_too_much_of_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    still = io.BytesIO()
    Image.new("RGB", (32, 32)).save(still, "webp")
    assert images.load_animation(still.getvalue()) is None
    assert images.load_animation(b"GIF89a is no picture") is None
    monkeypatch.setattr(animations, "MAX_TOTAL_PIXELS", 3 * 24 * 32 - 1)
    assert images.load_animation(encoded("gif")) is None
    with pytest.raises(PictureError, match="there is no such file"):
        images.load_animation(tmp_path / "none.gif")


def test_places_and_formats_that_cannot_be_written(tmp_path: Path) -> None:
    animation = images.load_animation(encoded("gif"))
    assert animation is not None
    frames = list(animation.read())
    with pytest.raises(PictureError, match=r"end its name in \.webp or \.png"):
        images.save_animation(frames, tmp_path / "out.gif")
    with pytest.raises(PictureError, match="there is no such file or folder"):
        images.save_animation(frames, tmp_path / "missing" / "out.webp")
    with pytest.raises(ValueError, match="at least one frame"):
        images.save_animation([], tmp_path / "out.webp")
    assert list(tmp_path.iterdir()) == []
