"""Several translations over one detector: chains, faces with chains of their own, strength, replacement."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cyclegan_core import images
from cyclegan_core.errors import TranslationError
from cyclegan_core.faces.alignment import WIDE_TEMPLATE
from cyclegan_core.faces.face import Face
from cyclegan_core.inference.composition import STRONGEST
from cyclegan_core.inference.studio import LONGEST_CHAIN, Step, Studio
from cyclegan_core.inference.translator import FaceTranslator
from cyclegan_core.translations.config import Crop, Direction
from cyclegan_core.translations.translation import Translation
from tests import ROOT

# Where the five points of two made-up faces lie, 100 pixels wide, one 200 pixels right of the other.
POINTS = np.array([(30, 30), (70, 30), (50, 52), (33, 68), (67, 68)], np.float32)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(90, 160, (160, 400, 3), np.uint8)


@pytest.fixture(scope="module")
def faces() -> list[Face]:
    return [Face((x, 30.0, x + 100, 130.0), 0.99, POINTS + np.array([x, 30], np.float32)) for x in (20.0, 240.0)]


@pytest.fixture(scope="module")
def studio(tiny_translation: Path) -> Studio:
    """`tint` adds a change to a tight crop, `paint` paints a wide one, `all` takes whole pictures."""
    tint = Translation.load(tiny_translation)
    generators = tint.generators
    names = {Direction.A_TO_B: "to_paint", Direction.B_TO_A: "to_photo"}
    crop = Crop(32, WIDE_TEMPLATE)
    paint = Translation(replace(tint.config, name="paint", directions=names, crop=crop, output="picture"), generators)
    names = {Direction.A_TO_B: "to_zebra", Direction.B_TO_A: "to_horse"}
    whole = Translation(replace(tint.config, name="all", directions=names, crop=None), generators)
    return Studio({t: FaceTranslator(made) for t, made in (("tint", tint), ("paint", paint), ("all", whole))})


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return (before != after).any(axis=2)


def test_chain_is_read_from_text(studio: Studio) -> None:
    assert studio.chain("to_female + to_paint") == (Step("tint", "to_female"), Step("paint", "to_paint"))
    assert studio.chain("paint:to_photo,tint:to_male") == (Step("paint", "to_photo"), Step("tint", "to_male"))
    assert studio.chain("") == ()
    assert studio.chain(str(Step("all", "to_zebra"))) == (Step("all", "to_zebra"),)


def test_chain_refuses_in_words(studio: Studio) -> None:
    with pytest.raises(TranslationError, match="there is no direction 'to_dog': choose of to_female, to_male"):
        studio.chain("to_female+to_dog")
    with pytest.raises(TranslationError, match=f"at most {LONGEST_CHAIN}"):
        studio.chain("+".join(["to_female"] * (LONGEST_CHAIN + 1)))
    twice = Studio({"one": studio.translators["tint"], "two": studio.translators["tint"]})
    with pytest.raises(TranslationError, match="one:to_male, two:to_male"):
        twice.chain("to_male")
    assert twice.chain("two:to_male") == (Step("two", "to_male"),)


def test_each_face_gets_its_own_chain(studio: Studio, picture: np.ndarray, faces: list[Face]) -> None:
    layers = studio.generate(picture, faces, [(), studio.chain("to_female")])
    after = studio.blend(picture, layers)
    assert not changed(picture, after.picture)[:, :200].any(), "the face that was left out changed"
    assert changed(picture, after.picture)[60:100, 270:310].mean() > 0.9
    alone = studio.translators["tint"]
    expected = alone.blend(picture, alone.generate(picture, "to_female", faces[1:])).picture
    np.testing.assert_array_equal(after.picture, expected)
    assert len(after.faces) == 1


def test_a_later_step_sees_what_the_earlier_one_made(studio: Studio, picture: np.ndarray, faces: list[Face]) -> None:
    both = studio.generate(picture, faces[:1], [studio.chain("to_female+to_paint")])[0]
    first = studio.blend(picture, [both[:1]])
    second = studio.translators["paint"].generate(first.picture, "to_paint", faces[:1])[0]
    np.testing.assert_array_equal(both[1].generated, second.generated)
    only = studio.generate(picture, faces[:1], [studio.chain("to_paint")])[0]
    assert np.abs(only[0].generated - both[1].generated).mean() > 1


def test_strength_runs_from_nothing_to_all(studio: Studio, picture: np.ndarray, faces: list[Face]) -> None:
    layers = studio.generate(picture, faces, [studio.chain("to_female+to_paint")] * 2)
    np.testing.assert_array_equal(studio.blend(picture, layers, 0).picture, picture)
    blended = [studio.blend(picture, layers, strength).picture.astype(int) for strength in (0.3, 0.6, 1)]
    distances = [np.abs(after - picture).sum() for after in blended]
    assert distances == sorted(distances)
    assert distances[0] > 0


def test_above_full_strength_a_change_grows_and_paint_stays(
    studio: Studio, picture: np.ndarray, faces: list[Face]
) -> None:
    changed = studio.generate(picture, faces, [studio.chain("to_female")] * 2)
    full, more = (studio.blend(picture, changed, strength).picture.astype(int) for strength in (1, STRONGEST))
    assert np.abs(more - picture).sum() > 1.3 * np.abs(full - picture).sum()
    painted = studio.generate(picture, faces, [studio.chain("to_paint")] * 2)
    full, more = (studio.blend(picture, painted, strength).picture for strength in (1, STRONGEST))
    np.testing.assert_array_equal(more, full)


def test_whole_picture_needs_no_face(studio: Studio, picture: np.ndarray) -> None:
    chain = studio.chain("to_zebra")
    assert studio.needs_no_face(chain)
    assert not studio.needs_no_face(studio.chain("to_zebra+to_male"))
    after = studio.translate(picture, chain)
    assert changed(picture, after.picture).mean() > 0.9
    assert after.faces == ()


def test_whole_picture_lies_under_the_faces(studio: Studio, picture: np.ndarray, faces: list[Face]) -> None:
    chain = studio.chain("to_zebra+to_female")
    layers = studio.generate(picture, faces, [chain, ()])
    assert [len(items) for items in layers] == [1, 0, 1]
    background = studio.translate(picture, chain[:1]).picture
    after = studio.blend(picture, layers).picture
    np.testing.assert_array_equal(after[:, 200:], background[:, 200:])
    assert changed(background, after)[60:100, 50:90].mean() > 0.9


def test_close_up_of_a_painter_fills_its_square(studio: Studio, picture: np.ndarray, faces: list[Face]) -> None:
    layers = studio.generate(picture, faces[:1], [studio.chain("to_paint")])
    shown = studio.blend(picture, layers).faces[0]
    assert shown.before.shape == shown.after.shape == (256, 256, 3)
    assert changed(shown.before, shown.after)[[0, 0, -1, -1], [0, -1, 0, -1]].all(), "faded corners"
    tinted = studio.blend(picture, studio.generate(picture, faces[:1], [studio.chain("to_female")])).faces[0]
    assert not changed(tinted.before, tinted.after)[[0, 0, -1, -1], [0, -1, 0, -1]].any()


@pytest.mark.medium
def test_replaced_translator_is_at_work_at_once(tiny_translation: Path, picture: np.ndarray, faces: list[Face]) -> None:
    studio = Studio({"tint": FaceTranslator.from_pretrained(str(tiny_translation))})
    chains = [studio.chain("to_female")]
    before = studio.generate(picture, faces[:1], chains)[0][0].generated
    other = Translation.load(tiny_translation)
    with torch.no_grad():
        for generator in other.generators.values():
            for parameter in generator.parameters():
                parameter.mul_(0.5)
    studio.replace("tint", FaceTranslator(other))
    after = studio.generate(picture, faces[:1], chains)[0][0].generated
    assert np.abs(before - after).mean() > 1


def test_refuses_what_does_not_fit(studio: Studio, picture: np.ndarray, faces: list[Face]) -> None:
    with pytest.raises(ValueError, match="2 faces need as many chains"):
        studio.generate(picture, faces, [()])
    with pytest.raises(TranslationError, match="there is no translation 'gone'"):
        studio.generate(picture, faces[:1], [(Step("gone", "to_x"),)])
    with pytest.raises(ValueError, match="strength"):
        studio.blend(picture, [], 1.6)
    with pytest.raises(ValueError, match="RGB uint8"):
        studio.find_faces(images.load(ROOT / "examples" / "astronaut.jpg")[..., 0])
