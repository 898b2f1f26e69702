"""What a generator does to hair in its crop goes on over the hair around it, and over nothing else."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from cyclegan_core import FaceTranslator, images
from cyclegan_core.faces.alignment import TIGHT_TEMPLATE, Alignment, align
from cyclegan_core.faces.blending import feathered_mask
from cyclegan_core.faces.embedded_detector import EmbeddedDetector
from cyclegan_core.faces.face import Face
from cyclegan_core.faces.head_matte import embedded_head_matte
from cyclegan_core.inference import translator as translator_module
from cyclegan_core.inference.crops.hair import CHIN, SIZE, change_of_hair
from cyclegan_core.inference.studio import Studio
from cyclegan_core.translations.translation import Translation
from cyclegan_core.video.stream import FaceStream
from tests import ROOT

PHOTO = images.load(ROOT / "examples" / "barack_obama.jpg")  # short dark hair
CROP_SIDE = 128


@pytest.fixture(scope="module")
def face() -> Face:
    return max(EmbeddedDetector().detect(PHOTO), key=lambda face: face.width)


@pytest.fixture(scope="module")
def crop(face: Face) -> Alignment:
    return align(face.landmarks, np.array(TIGHT_TEMPLATE), CROP_SIDE)


def lighter_where_dark(crop: Alignment) -> np.ndarray:
    """A change by 60 of all that is dark in the crop."""
    dark = crop.crop(PHOTO).mean(2) < 90
    return np.repeat(60 * dark[..., None].astype(np.float32), 3, axis=2)


def test_hair_around_the_crop_changes_and_nothing_beside_the_head(face: Face, crop: Alignment) -> None:
    window, change = change_of_hair(PHOTO, face.landmarks, crop, lighter_where_dark(crop), 1.0)
    assert change.shape == (window.size, window.size, 3) == (SIZE, SIZE, 3)
    head = window.crop(PHOTO)
    matte = embedded_head_matte()(head[None])[0]
    above = (np.arange(SIZE) < 0.3 * SIZE)[:, None]
    hair = (matte > 0.95) & (head.mean(2) < 75) & above
    assert hair.sum() > 10
    assert change[hair].mean() > 20
    assert np.abs(change[(matte < 0.01) & above]).mean() < 0.5, "the wall"
    assert np.abs(change[round(CHIN[1] * SIZE) + 1 :]).max() < 1, "a black suit is no hair"


def test_within_the_crop_the_change_is_the_generators_own(face: Face, crop: Alignment) -> None:
    """Where the mask of the crop is whole nothing is added, and as it fades, this grows."""
    window, around = change_of_hair(
        PHOTO, face.landmarks, crop, np.full((CROP_SIDE, CROP_SIDE, 3), 10, np.float32), 1.0
    )
    x, y = (window.matrix @ np.append(crop.inverse @ (63.5, 63.5, 1), 1)).round().astype(int)
    assert feathered_mask(CROP_SIDE)[64, 64] == 1
    assert not around[y - 2 : y + 3, x - 2 : x + 3].any()
    assert around.max() > 5


def test_no_change_stays_none_and_a_larger_share_is_more(face: Face, crop: Alignment) -> None:
    none = np.zeros((CROP_SIDE, CROP_SIDE, 3), np.float32)
    assert not change_of_hair(PHOTO, face.landmarks, crop, none, 1.0)[1].any()
    less, more = (
        change_of_hair(PHOTO, face.landmarks, crop, lighter_where_dark(crop), share)[1].mean() for share in (0.5, 1.5)
    )
    assert more == pytest.approx(3 * less)


@pytest.fixture(scope="module")
def age() -> FaceTranslator:
    return FaceTranslator.from_pretrained("age")


@pytest.mark.medium
def test_older_carries_its_change_on_where_its_config_says_so(age: FaceTranslator) -> None:
    photo = images.load(ROOT / "examples" / "astronaut.jpg")
    faces = age.find_faces(photo)
    plain = Translation.from_pretrained("age")
    assert plain.config.crop is not None
    plain.config = replace(plain.config, crop=replace(plain.config.crop, hair={}))
    older, bare = age.generate(photo, "older", faces), FaceTranslator(plain).generate(photo, "older", faces)
    assert older[0].around is not None
    assert bare[0].around is None
    assert age.generate(photo, "older", faces, hair=False)[0].around is None
    both, face_alone = (age.blend(photo, layers).picture.astype(int) for layers in (older, bare))
    assert ((both - face_alone) > 8).mean() > 0.01, "blond hair is paler"


@pytest.mark.medium
def test_hair_follows_the_head_through_a_film(age: FaceTranslator, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made anew twice a second, and is to be seen in every frame, where the head is."""
    photo = cv2.resize(images.load(ROOT / "examples" / "astronaut.jpg"), None, fx=0.5, fy=0.5)
    made = []
    monkeypatch.setattr(
        translator_module,
        "change_of_hair",
        lambda *given: made.append(1) or change_of_hair(*given),  # type: ignore[func-returns-value]
    )
    studio = Studio({"age": age})
    stream = FaceStream(studio)
    chain = studio.chain("older")
    for number in range(30):
        frame = np.roll(photo, number, axis=1)
        shown = stream.process(frame, chain, time=number / 30)
        if number % 10 == 9:
            whole = studio.translate(frame, chain).picture
            without = age.blend(frame, age.generate(frame, "older", hair=False)).picture
            apart = np.abs(shown.astype(int) - whole).mean()
            assert apart < 0.5 * np.abs(whole.astype(int) - without).mean()
    assert len(made) <= 2 + 3  # and once for each picture that is compared


def test_a_step_after_hair_always_sees_it(age: FaceTranslator) -> None:
    photo = cv2.resize(images.load(ROOT / "examples" / "astronaut.jpg"), None, fx=0.5, fy=0.5)
    studio = Studio({"age": age})
    stream = FaceStream(studio)
    pictures = [stream.process(photo, studio.chain("older+younger"), time=number / 10) for number in range(4)]
    for picture in pictures[1:]:
        assert np.abs(picture.astype(int) - pictures[0]).mean() < 0.1
