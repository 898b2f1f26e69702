"""Chains of steps on faces and on whole pictures: the order in which they are written, everywhere the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cyclegan_core.faces.face import Face
from cyclegan_core.inference.descriptions import describe
from cyclegan_core.inference.studio import Studio
from cyclegan_core.inference.translator import FaceTranslator
from cyclegan_core.translations.config import Direction
from cyclegan_core.translations.translation import Translation
from cyclegan_core.video.stream import FaceStream
from tests.inference.test_studio import POINTS


class OneFace:
    """A detector that sees one face, at the same place of every picture."""

    name = "one face"

    def __init__(self) -> None:
        self.face = Face((20.0, 30.0, 120.0, 130.0), 0.99, POINTS + np.array([20, 30], np.float32))

    def detect(self, picture: np.ndarray) -> list[Face]:
        return [self.face]


class NoFace:
    name = "no face"

    def detect(self, picture: np.ndarray) -> list[Face]:
        return []


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(90, 160, (160, 200, 3), np.uint8)


@pytest.fixture(scope="module")
def studio(tiny_translation: Path) -> Studio:
    """`tint` works on faces, `all` on the whole picture."""
    tint = Translation.load(tiny_translation)
    names = {Direction.A_TO_B: "to_zebra", Direction.B_TO_A: "to_horse"}
    whole = Translation(
        replace(tint.config, name="all", directions=names, crop=None, output="picture"), tint.generators
    )
    return Studio({"tint": FaceTranslator(tint), "all": FaceTranslator(whole)}, OneFace())


def by_hand(studio: Studio, picture: np.ndarray, text: str) -> np.ndarray:
    """One step after the other, each on the finished picture of the one before."""
    for step in studio.chain(text):
        translator = studio.translators[step.translation]
        faces = None if translator.config.crop is None else studio.detector.detect(picture)
        picture = translator.blend(picture, translator.generate(picture, step.direction, faces)).picture
    return picture


CHAINS = [
    "to_zebra+to_female",
    "to_female+to_zebra",
    "to_female+to_zebra+to_male",
    "to_zebra+to_female+to_horse+to_male",
]


@pytest.mark.parametrize("text", CHAINS)
def test_steps_are_carried_out_in_the_order_in_which_they_are_written(
    studio: Studio, picture: np.ndarray, text: str
) -> None:
    np.testing.assert_array_equal(studio.translate(picture, studio.chain(text)).picture, by_hand(studio, picture, text))


def test_the_order_matters(studio: Studio, picture: np.ndarray) -> None:
    one, other = (studio.translate(picture, studio.chain(text)).picture for text in CHAINS[:2])
    assert np.abs(one.astype(int) - other)[60:100, 50:90].mean() > 1


@pytest.mark.parametrize("text", CHAINS)
def test_a_frame_is_translated_as_a_photo_is(studio: Studio, picture: np.ndarray, text: str) -> None:
    chain = studio.chain(text)
    frame = FaceStream(studio).process(picture, chain, time=0.0)
    difference = np.abs(frame.astype(int) - studio.translate(picture, chain).picture)
    assert difference.max() <= 2  # a frame's face is where the tracker has it, to a hundredth of a pixel


@pytest.mark.parametrize("text", CHAINS[:3])
def test_without_a_face_the_steps_on_the_whole_picture_are_carried_out(
    studio: Studio, picture: np.ndarray, text: str
) -> None:
    empty = Studio(studio.translators, NoFace())
    chain = empty.chain(text)
    result = empty.translate(picture, chain)
    expected = empty.translate(picture, empty.chain("to_zebra")).picture
    assert (result.faces, result.altered) == ((), True)
    np.testing.assert_array_equal(result.picture, expected)
    np.testing.assert_array_equal(FaceStream(empty).process(picture, chain, time=0.0), expected)


def test_without_a_face_a_chain_on_faces_alters_nothing(studio: Studio, picture: np.ndarray) -> None:
    result = Studio(studio.translators, NoFace()).translate(picture, studio.chain("to_female"))
    assert not result.altered
    np.testing.assert_array_equal(result.picture, picture)


@pytest.mark.parametrize("text", ["to_zebra", *CHAINS[:2]])
def test_the_limit_on_whole_pictures_holds_within_every_chain(studio: Studio, picture: np.ndarray, text: str) -> None:
    chain = studio.chain(text)
    faces = [] if studio.needs_no_face(chain) else studio.find_faces(picture)
    layers = studio.generate(picture, faces, [chain] * len(faces) or [chain], whole_pixels=80 * 100)
    assert layers[-1][-1].generated.shape == (80, 100, 3)
    assert studio.blend(picture, layers).picture.shape == picture.shape


def test_faces_that_come_to_the_same_step_share_it(studio: Studio, picture: np.ndarray) -> None:
    chains = [studio.chain("to_zebra+to_female"), studio.chain("to_male+to_zebra"), ()]
    layers = studio.generate(picture, [OneFace().face] * 3, chains)
    assert [len(items) for items in layers] == [1, 1, 0, 1]
    assert [items[0].stage for items in layers if items] == [1, 0, 1]


@pytest.mark.parametrize("text", CHAINS[:2])
def test_a_close_up_shows_what_was_made_of_the_whole_picture(studio: Studio, picture: np.ndarray, text: str) -> None:
    (face,) = studio.translate(picture, studio.chain(text)).faces
    (without,) = studio.translate(picture, studio.chain("to_female")).faces
    assert np.abs(face.after.astype(int) - without.after).mean() > 1
    result = studio.translate(picture, studio.chain(text)).picture
    square = studio.translators["tint"].generate(picture, "to_female", [OneFace().face])[0].alignment
    assert square is not None
    assert np.abs(face.after.astype(int) - square.at_size(256).crop(result)).mean() < 3


def test_a_chain_in_words(studio: Studio) -> None:
    assert describe(studio.chain("to_female+to_zebra")) == "tint: to female, all: to zebra"
    assert describe((), studio.chain("to_male"), studio.chain("to_male")) == "tint: to male"
    assert describe() == ""


@pytest.mark.medium
@pytest.mark.parametrize("shape", [(1, 1), (16, 41000), (41000, 16), (3, 5000), (2, 70000), (200, 19000)])
def test_pictures_of_any_shape_are_translated(studio: Studio, shape: tuple[int, int]) -> None:
    picture = np.full((*shape, 3), 120, np.uint8)
    empty, real = Studio(studio.translators, NoFace()), Studio(studio.translators, studio.translators["tint"].detector)
    assert real.find_faces(picture) == []
    for text in ("to_female", "to_zebra"):
        chain = studio.chain(text)
        assert empty.translate(picture, chain, whole_pixels=100_000).picture.shape == picture.shape
        assert FaceStream(real).process(picture, chain, time=0.0).shape == picture.shape


@pytest.mark.medium
@pytest.mark.parametrize("shape", [(200, 33000), (33000, 200)])
def test_a_face_is_translated_in_a_picture_of_any_shape(studio: Studio, shape: tuple[int, int]) -> None:
    """OpenCV takes no more than 32,767 pixels on a side at once."""
    picture = np.full((*shape, 3), 120, np.uint8)
    face = OneFace().face
    for text in CHAINS[:2]:
        layers = studio.generate(picture, [face], [studio.chain(text)], whole_pixels=100_000)
        assert studio.blend(picture, layers).picture.shape == picture.shape
