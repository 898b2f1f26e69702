"""What a generator does to hair in its crop goes on over the hair around it, and over nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from cyclegan_core import FaceTranslator, images
from cyclegan_core.faces.alignment import TIGHT_TEMPLATE, Alignment, align
from cyclegan_core.faces.blending import feathered_mask
from cyclegan_core.faces.embedded_detector import EmbeddedDetector
from cyclegan_core.faces.face import Face
from cyclegan_core.faces.head_matte import embedded_head_matte
from cyclegan_core.inference.crops.hair import CHIN, WINDOW, with_hair
from cyclegan_core.translations.translation import Translation
from tests import ROOT

PHOTO = images.load(ROOT / "examples" / "barack_obama.jpg")  # short dark hair
SIDE = 128


@pytest.fixture(scope="module")
def face() -> Face:
    return max(EmbeddedDetector().detect(PHOTO), key=lambda face: face.width)


@pytest.fixture(scope="module")
def crop(face: Face) -> Alignment:
    return align(face.landmarks, np.array(TIGHT_TEMPLATE), SIDE)


def lighter_where_dark(crop: Alignment) -> np.ndarray:
    """A change by 60 of all that is dark in the crop."""
    dark = crop.crop(PHOTO).mean(2) < 90
    return np.repeat(60 * dark[..., None].astype(np.float32), 3, axis=2)


def test_hair_around_the_crop_changes_and_nothing_beside_the_head(face: Face, crop: Alignment) -> None:
    window, change = with_hair(PHOTO, face.landmarks, crop, lighter_where_dark(crop), 1.0)
    assert change.shape == (window.size, window.size, 3) == (round(WINDOW * SIDE),) * 2 + (3,)
    head = window.crop(PHOTO)
    matte = embedded_head_matte()(head[None])[0]
    above = (np.arange(window.size) < 0.3 * window.size)[:, None]
    hair = (matte > 0.95) & (head.mean(2) < 75) & above
    assert hair.sum() > 200
    assert change[hair].mean() > 20
    assert np.abs(change[(matte < 0.01) & above]).mean() < 0.5, "the wall"
    assert np.abs(change[round(CHIN[1] * window.size) + 2 :]).max() < 1, "a black suit is no hair"


def test_within_the_crop_the_change_is_the_generators_own(face: Face, crop: Alignment) -> None:
    change = np.full((SIDE, SIDE, 3), 10, np.float32)
    change[60:68, 60:68] = -30
    window, whole = with_hair(PHOTO, face.landmarks, crop, change, 1.0)
    x, y = (window.matrix @ np.append(crop.inverse @ (63.5, 63.5, 1), 1)).round().astype(int)
    assert np.abs(whole[y - 2 : y + 3, x - 2 : x + 3] + 30).max() < 1
    assert feathered_mask(SIDE)[64, 64] == 1


def test_no_change_stays_none_and_a_larger_share_is_more(face: Face, crop: Alignment) -> None:
    assert not with_hair(PHOTO, face.landmarks, crop, np.zeros((SIDE, SIDE, 3), np.float32), 1.0)[1].any()
    less, more = (
        with_hair(PHOTO, face.landmarks, crop, lighter_where_dark(crop), share)[1].mean() for share in (0.5, 1.5)
    )
    assert more > 1.2 * less


@pytest.mark.medium
def test_older_carries_its_change_on_where_its_config_says_so() -> None:
    photo = images.load(ROOT / "examples" / "astronaut.jpg")
    age = FaceTranslator.from_pretrained("age")
    faces = age.find_faces(photo)
    plain = Translation.from_pretrained("age")
    assert plain.config.crop is not None
    plain.config = replace(plain.config, crop=replace(plain.config.crop, hair={}))
    older, bare = age.generate(photo, "older", faces), FaceTranslator(plain).generate(photo, "older", faces)
    assert older[0].generated.shape[0] == round(WINDOW * SIDE)
    assert bare[0].generated.shape[0] == SIDE
    both, face_alone = (age.blend(photo, layers).picture.astype(int) for layers in (older, bare))
    assert ((both - face_alone) > 8).mean() > 0.01, "blond hair is paler"
