"""Translations of whole pictures, by the command line and on the page."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from torch import nn

from cyclegan_core import FaceTranslator, images
from cyclegan_core.cli.main import main
from cyclegan_core.faces.alignment import TIGHT_TEMPLATE
from cyclegan_core.faces.face import Face
from cyclegan_core.inference.engines import WholeEngine, _torch_pieces
from cyclegan_core.inference.registry import TranslationRegistry
from cyclegan_core.inference.studio import Studio
from cyclegan_core.inference.whole_layers import Piecewise
from cyclegan_core.networks.layers import SelfAttention
from cyclegan_core.translations.catalog import Entry
from cyclegan_core.translations.config import Direction, TranslationConfig
from cyclegan_core.translations.translation import Translation, build_generator
from cyclegan_core.video.stream import FaceStream
from cyclegan_core.video.translate import VideoReport
from demo import pictures
from demo.context import PageContext
from demo.server.files import Files
from demo.tabs.gallery.batch import Batch, Request
from demo.tabs.photo.actions import PhotoActions
from demo.tabs.photo.view import JPEG, WHOLE
from demo.tabs.video.tab import sentences
from tests.inference.test_tiling import GENERATORS, landscape, lively

CONFIG = TranslationConfig(
    name="seasons",
    directions={Direction.A_TO_B: "to_winter", Direction.B_TO_A: "to_summer"},
    generator="ResnetGenerator",
    generator_arguments={"channels": 4, "blocks": 1, "upsampling": "resize", "residual": True},
    crop=None,
)


@pytest.fixture(scope="module")
def seasons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a translation that paints whole pictures colder, or warmer."""
    return save(CONFIG, tmp_path_factory.mktemp("translations") / "seasons")


def save(config: TranslationConfig, folder: Path) -> Path:
    torch.manual_seed(0)
    generators = {direction: build_generator(config).eval() for direction in Direction}
    for direction, colour in ((Direction.A_TO_B, (-0.3, 0.0, 0.4)), (Direction.B_TO_A, (0.4, 0.0, -0.3))):
        last = [module for module in generators[direction].modules() if isinstance(module, nn.Conv2d)][-1]
        assert last.bias is not None
        with torch.no_grad():
            last.bias.copy_(torch.tensor(colour))
    Translation(config, generators).save(folder)
    return folder


def bluer(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    change = np.asarray(after, int) - before
    return change[..., 2] - change[..., 0]


# ---- the translator


@pytest.mark.medium
@pytest.mark.parametrize("name", ["resnet", "attention"])
def test_the_engine_at_work_here_agrees_with_torch_on_pieces(name: str) -> None:
    generator = lively(GENERATORS[name]())
    engine, (run, _) = WholeEngine(generator), _torch_pieces(Piecewise(generator))
    side = 64
    pieces = np.stack([landscape(side, side + 9 * i)[:, -side:] for i in range(6)])
    x = np.ascontiguousarray(pieces.transpose(0, 3, 1, 2), np.float32) / np.float32(127.5) - 1
    known, expected = engine.survey(x), run(x)
    assert len(known) == sum(isinstance(m, nn.InstanceNorm2d | SelfAttention) for m in generator.modules())
    for ours, theirs in zip(known, expected, strict=True):
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() < 1e-2 * max(1, np.abs(theirs).max())
    assert np.abs(engine.piece(x[:1], expected) - run(x[:1], *expected)[0]).max() < 1e-3


@pytest.mark.medium
@pytest.mark.parametrize("output", ["picture", "change"])
def test_tiles_reach_the_result_in_both_outputs(tmp_path: Path, output: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save(dataclasses.replace(CONFIG, output=output), tmp_path / "seasons")
    translator, picture = FaceTranslator.from_pretrained(str(folder)), landscape(241, 317)
    at_once = translator(picture, "to_winter").picture
    assert bluer(at_once, picture).mean() > 40
    monkeypatch.setattr("cyclegan_core.inference.tiling.AT_ONCE", 1)
    (item,) = translator.generate(picture, "to_winter")
    assert item.generated.dtype == np.float16  # it was made in tiles
    tiled = translator.blend(picture, [item]).picture
    assert tiled.shape == picture.shape
    assert np.abs(tiled.astype(int) - at_once).mean() < 4  # untrained networks amplify what a survey misses
    half = translator.blend(picture, [item], 0.5).picture.astype(int)
    assert np.abs(half - (tiled.astype(int) + picture) / 2).max() <= 1


@pytest.mark.medium
def test_nothing_is_resampled(seasons: Path) -> None:
    """A picture whose sides are no multiples of the network's keeps every pixel where it is."""
    plain = Translation.load(seasons)
    last = [module for module in plain.generators[Direction.A_TO_B].modules() if isinstance(module, nn.Conv2d)][-1]
    last.weight.zero_()  # the same change everywhere
    picture = np.random.default_rng(0).integers(90, 170, (101, 67, 3), np.uint8)
    change = FaceTranslator(plain)(picture, "to_winter").picture.astype(int) - picture
    assert (change.max((0, 1)) - change.min((0, 1)) <= 1).all()
    assert bluer(change, np.zeros(3, int)).mean() > 40


# ---- the command line


@pytest.mark.medium
def test_the_command_translates_whole_pictures_of_any_size(
    seasons: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    for name, sides in (("small.png", (20, 33)), ("wide.png", (64, 900)), ("large.png", (1500, 1432))):
        images.save(landscape(*sides), tmp_path / "in" / name)
    arguments = ["--translation", str(seasons), "--direction", "to_summer", "--output", str(tmp_path / "out")]
    assert main(["translate", str(tmp_path / "in"), *arguments]) == 0
    assert capsys.readouterr().out == "3 translated, 0 without a face, 0 failed\n"
    for path in (tmp_path / "in").iterdir():
        before, after = images.load(path), images.load(tmp_path / "out" / path.name)
        assert after.shape == before.shape
        assert bluer(after, before).mean() < -40
        assert b"AI-altered" in (tmp_path / "out" / path.name).read_bytes()


def test_crops_are_refused(seasons: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images.save(landscape(32, 32), tmp_path / "a.png")
    arguments = ["--translation", str(seasons), "--direction", "to_summer", "--output", str(tmp_path / "out")]
    assert main(["translate", str(tmp_path / "a.png"), "--crop-only", *arguments]) == 1
    assert "translates whole pictures, not faces; leave out --crop-only" in capsys.readouterr().err


# ---- the page


class NoFaces:
    name = "a detector for tests"

    def detect(self, picture: np.ndarray) -> list[Any]:
        return []


@pytest.fixture(scope="module")
def context(seasons: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageContext]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CYCLEGAN_SEASONS_REPO", str(seasons))
        registry = TranslationRegistry([Entry("seasons", "Seasons", {})])
        registry.load()
        registry.studio.replace_detector(NoFaces())
        yield PageContext(registry, Files(tmp_path_factory.mktemp("files")))


def event(**data: Any) -> gr.EventData:
    """What the browser sends, by default at full strength."""
    return gr.EventData(None, {"strength": 1.0, "then": "", **data})


def test_the_page_bounds_its_work_and_says_so(
    context: PageContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "WHOLE_PIXELS", 100 * 150)
    images.save(landscape(200, 300), tmp_path / "hills.png")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    actions = PhotoActions(context)
    shown, state, _ = actions.open_photo(event(path=str(tmp_path / "hills.png")))
    assert shown["status"] == "No face found. What needs none: To winter, To summer."
    shown, state, _ = actions.edit(event(step="seasons:to_winter"), state)
    assert shown["status"].startswith("The whole picture was translated in ")
    assert shown["status"].endswith(" It was made at 150 x 100 pixels, and is enlarged to the photo's size.")
    saved = images.load(actions.save(event(what=WHOLE, form=JPEG), state))
    assert saved.shape == (200, 300, 3)
    assert bluer(saved, landscape(200, 300)).mean() > 40


def test_the_gallery_takes_pictures_without_faces(context: PageContext, tmp_path: Path) -> None:
    images.save(landscape(60, 90), tmp_path / "hills.png")
    studio = context.studio()
    with Batch([tmp_path / "hills.png"], [Request("To winter", "to_winter")], 1.0, studio, context.files) as batch:
        (result,) = batch.run(lambda: False)
        assert result.problem is None
        assert result.after is not None
        assert images.load(result.after).shape == (60, 90, 3)
        assert batch.finish() is not None


def test_a_stream_of_whole_pictures_looks_for_no_face(seasons: Path) -> None:
    class Absent:
        name = "nobody asks it"

        def detect(self, picture: np.ndarray) -> list[Face]:
            raise AssertionError("a face was looked for")

    studio = Studio({"seasons": FaceTranslator.from_pretrained(str(seasons), detector=Absent())}, Absent())
    frame = landscape(60, 80)
    result = FaceStream(studio).process(frame, studio.chain("to_winter"), time=0.0)
    assert bluer(result, frame).mean() > 10


def test_a_video_of_whole_pictures_is_not_said_to_lack_faces() -> None:
    report = VideoReport(frames=50, frames_with_faces=0, skipped=0, seconds=2.0, had_sound=True)
    assert sentences(report, whole=True) == ["Done: 2 s of video, each frame translated as a whole."]
    assert "No face was found" in sentences(report)[0]


def test_one_face_is_saved_with_what_was_made_of_the_whole_picture(
    context: PageContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    face = Face((40.0, 40.0, 120.0, 120.0), 1.0, (np.array(TIGHT_TEMPLATE) * 80 + 40).astype(np.float32))
    studio = context.studio()
    before: Any = studio.detector
    studio.replace_detector(SimpleNamespace(name="one", detect=lambda picture: [face]))
    try:
        picture = np.full((200, 260, 3), 120, np.uint8)
        images.save(picture, tmp_path / "person.png")
        actions = PhotoActions(context)
        sent = event(path=str(tmp_path / "person.png"), step="seasons:to_winter")
        shown, state, _ = actions.open_photo(sent)
        assert shown["status"].startswith("The whole picture was translated in ")
        assert bluer(images.load(actions.save(event(what="0", form=JPEG), state)), np.full(3, 120)).mean() > 40
    finally:
        studio.replace_detector(before)
