"""`FaceTranslator`, the public way in, on real photographs with small generators."""

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cyclegan_core import FaceTranslator, images
from cyclegan_core.errors import TranslationError
from cyclegan_core.faces.alignment import HEAD_ASPECT, HEAD_TEMPLATE
from cyclegan_core.inference import engines
from cyclegan_core.inference.composition import STRONGEST
from cyclegan_core.inference.crops.sharpness import sharpness
from cyclegan_core.inference.engines import TOLERANCE, TOLERATED, engine_name, make_engine
from cyclegan_core.runtime.compiled import convert, has_bf16
from cyclegan_core.translations.config import Crop, Direction
from cyclegan_core.translations.translation import Translation, build_generator
from tests import ROOT

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def translator(tiny_translation: Path) -> FaceTranslator:
    return FaceTranslator.from_pretrained(str(tiny_translation))


@pytest.fixture(scope="module")
def two_people() -> np.ndarray:
    return images.load(EXAMPLES / "two_people.jpg")


def test_both_faces_are_found_and_changed(translator: FaceTranslator, two_people: np.ndarray) -> None:
    kept = two_people.copy()
    result = translator(two_people, "to_female")
    assert (result.picture.dtype, result.picture.shape) == (np.uint8, two_people.shape)
    assert [face.face.box[0] for face in result.faces] == sorted(face.face.box[0] for face in result.faces)
    assert len(result.faces) == 2
    assert np.array_equal(two_people, kept)
    for face in result.faces:
        assert face.before.shape == face.after.shape == (256, 256, 3)
        # The tiny generator reddens: the middle must be redder than before, in this face as in the other.
        before, after = (crop[96:160, 96:160].astype(int).mean((0, 1)) for crop in (face.before, face.after))
        assert after[0] - after[1] > before[0] - before[1] + 15


def test_what_lies_outside_the_faces_is_bit_identical(translator: FaceTranslator, two_people: np.ndarray) -> None:
    result = translator(two_people, "to_male")
    touched = (result.picture != two_people).any(axis=2)
    allowed = np.zeros_like(touched)
    for item in translator.generate(two_people, "to_male"):
        assert item.alignment is not None
        left, top, right, bottom = item.alignment.footprint(*two_people.shape[:2]) or (0, 0, 0, 0)
        allowed[top:bottom, left:right] = True
    assert touched.any()
    assert not (touched & ~allowed).any()


def test_strength_runs_from_nothing_to_everything(translator: FaceTranslator, two_people: np.ndarray) -> None:
    generated = translator.generate(two_people, "to_female")
    changes = [
        np.abs(translator.blend(two_people, generated, s).picture.astype(int) - two_people).sum()
        for s in (0.0, 0.25, 0.5, 1.0, STRONGEST)
    ]
    assert changes[0] == 0
    assert changes == sorted(changes)
    assert changes[2] / changes[3] == pytest.approx(0.5, abs=0.1)
    assert np.array_equal(
        translator.blend(two_people, generated, np.float32(0.5)).picture,  # type: ignore[arg-type]
        translator.blend(two_people, generated, 0.5).picture,
    )
    assert changes[4] / changes[3] == pytest.approx(STRONGEST, abs=0.1)


def test_gain_multiplies_the_change(tiny_translation: Path, two_people: np.ndarray) -> None:
    plain = Translation.load(tiny_translation)
    bold = FaceTranslator(Translation(replace(plain.config, gain=2.0), plain.generators))
    once, twice = (t.generate(two_people, "to_male")[0].generated for t in (FaceTranslator(plain), bold))
    assert np.allclose(twice, 2 * once, atol=1e-3)


def test_a_photo_sharper_than_the_training_pictures_is_softened_for_the_generator_alone(
    tiny_translation: Path, two_people: np.ndarray
) -> None:
    plain = Translation.load(tiny_translation)
    assert plain.config.crop is not None
    crop = replace(plain.config.crop, sharpness={Direction.A_TO_B: 3.0})
    seen: list[np.ndarray] = []

    class Noting(FaceTranslator):
        def _run(self, way: Direction, crops: np.ndarray) -> np.ndarray:
            seen.extend(crops)
            return super()._run(way, crops)

    translator = Noting(Translation(replace(plain.config, crop=crop), plain.generators))
    translator(two_people, "to_female")
    translator(two_people, "to_male")  # no limit is set for that direction
    softer, sharper = [sharpness(crop) for crop in seen[:2]], [sharpness(crop) for crop in seen[2:]]
    assert len(softer) == len(sharper) == 2
    assert all(soft < 0.5 * sharp for soft, sharp in zip(softer, sharper, strict=True))


def test_no_face_is_the_same_picture_and_no_faces(translator: FaceTranslator) -> None:
    picture = np.full((120, 200, 3), 90, np.uint8)
    result = translator(picture, "to_female")
    assert np.array_equal(result.picture, picture)
    assert not result.altered
    assert result.faces == ()


@pytest.mark.parametrize("strength", [-0.1, 1.6, float("nan"), True, "1"])
def test_a_strength_outside_the_range_is_an_error(
    translator: FaceTranslator, two_people: np.ndarray, strength: float
) -> None:
    with pytest.raises(ValueError, match=r"strength must be a number from 0 to 1\.5"):
        translator(two_people, "to_female", strength)


@pytest.mark.parametrize(
    "picture",
    [None, "a.jpg", np.zeros((8, 8)), np.zeros((8, 8, 3)), np.zeros((8, 8, 4), np.uint8), np.zeros((0, 3, 3), "u1")],
)
def test_what_is_no_picture_is_an_error(translator: FaceTranslator, picture: object) -> None:
    with pytest.raises(ValueError, match="picture"):
        translator(picture, "to_female")  # type: ignore[arg-type]


def test_an_unknown_direction_is_a_sentence(translator: FaceTranslator, two_people: np.ndarray) -> None:
    with pytest.raises(TranslationError, match="it goes to_female or to_male"):
        translator(two_people, "older")


def test_threads_get_the_same_as_one_alone(translator: FaceTranslator, two_people: np.ndarray) -> None:
    alone = [translator(two_people, d).picture for d in translator.directions]
    results: dict[int, np.ndarray] = {}

    def work(i: int) -> None:
        results[i] = translator(two_people, translator.directions[i % 2]).picture

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4, "a thread that fails says so elsewhere"
    for i, result in results.items():
        assert np.array_equal(result, alone[i % 2])


@pytest.mark.parametrize(("size", "sides"), [(32, (32, 32)), (128, (128, 128)), (None, (24, 40))])
def test_every_engine_agrees_with_the_module(tiny_translation: Path, size: int | None, sides: tuple[int, int]) -> None:
    generator = Translation.load(tiny_translation).generators[Direction.A_TO_B]
    x = np.random.default_rng(0).uniform(-1, 1, (11, 3, *sides)).astype(np.float32)
    with torch.inference_mode():
        expected = generator(torch.from_numpy(x)).numpy()
    error = np.abs(make_engine(generator, size)(x) - expected)
    if size == 128 and engine_name(size) == "OpenVINO" and has_bf16():
        assert np.quantile(error, TOLERATED) < 2 * TOLERANCE, "on noise, twice what it may be on a picture"
    else:
        assert error.max() < 1e-4


@pytest.mark.medium
@pytest.mark.skipif(engine_name(256) != "OpenVINO" or not has_bf16(), reason="no bfloat16 here")
def test_the_embedded_painter_runs_in_bfloat16() -> None:
    """In float32 it would take twice as long, and five times on a processor with AMX."""
    translation = Translation.from_pretrained("anime")
    assert translation.config.crop is not None
    size = translation.config.crop.size
    generator = translation.generators[Direction.A_TO_B]
    model = convert(generator, torch.zeros(1, 3, 64, 64), [[-1, 3, size, size]])
    assert engines._precision(model, size) == "bf16"


def test_openvino_reports_to_nobody(tmp_path: Path) -> None:
    """In a new process whose home folder says yes to reports: OpenVINO would at once write an identity there."""
    (tmp_path / "intel").mkdir()
    (tmp_path / "intel" / "openvino_telemetry").write_text("1")  # consent, as OpenVINO's own opt_in_out writes it
    code = (
        "import sys; from torch import nn; from cyclegan_core.inference.engines import make_engine\n"
        "make_engine(nn.Conv2d(3, 3, 3, padding=1).eval(), None)\n"
        "assert 'openvino' in sys.modules"
    )
    unknown = {name: value for name, value in os.environ.items() if name != "CI"}  # where it reports nothing
    home = {**unknown, "HOME": str(tmp_path), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", code], env=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "intel").iterdir()] == ["openvino_telemetry"]


def test_a_translation_of_whole_pictures_takes_any_size(tiny_translation: Path) -> None:
    faces = Translation.load(tiny_translation)
    config = replace(faces.config, crop=None)
    translator = FaceTranslator(Translation(config, faces.generators))
    for height, width in ((17, 33), (120, 90), (300, 1500)):
        picture = np.full((height, width, 3), 100, np.uint8)
        result = translator(picture, "to_female").picture
        assert result.shape == picture.shape
        assert (result != picture).any(axis=2).all()


def test_a_painter_replaces_the_face(tiny_translation: Path, two_people: np.ndarray) -> None:
    faces = Translation.load(tiny_translation)
    config = replace(faces.config, output="picture", generator_arguments={"channels": 8, "blocks": 1})
    generators = {direction: build_generator(config).eval() for direction in Direction}
    result = FaceTranslator(Translation(config, generators))(two_people, "to_female")
    assert len(result.faces) == 2
    for face in result.faces:
        assert np.abs(face.after.astype(int) - face.before)[96:160, 96:160].mean() > 20


def test_a_painted_head_leaves_its_background_alone(two_people: np.ndarray, tiny_translation: Path) -> None:
    faces = Translation.load(tiny_translation)
    assert faces.config.crop is not None
    window = Crop(64, HEAD_TEMPLATE, aspect=HEAD_ASPECT, matte=True)
    config = replace(faces.config, output="picture", generator_arguments={"channels": 8, "blocks": 1}, crop=window)
    generators = {direction: build_generator(config).eval() for direction in Direction}
    matted = FaceTranslator(Translation(config, generators))
    plain = FaceTranslator(Translation(replace(config, crop=replace(window, matte=False)), generators))
    made, all_of_it = matted(two_people, "to_female"), plain(two_people, "to_female")
    for (head, whole), layer in zip(
        zip(made.faces, all_of_it.faces, strict=True), matted.generate(two_people, "to_female"), strict=True
    ):
        assert layer.generated.shape == (64, 64, 4)
        changes = [np.abs(face.after.astype(int) - face.before).mean(2) for face in (head, whole)]
        assert changes[0][120:136, 120:136].mean() > 20, "the face is painted"
        corner = np.s_[40:70, 215:240]  # of the crop: flag or wall behind the head
        assert changes[0][corner].mean() < 0.5 * changes[1][corner].mean()
    changed = [(result.picture != two_people).any(2).sum() for result in (made, all_of_it)]
    assert changed[0] < 0.95 * changed[1]
