"""HDR, orientation and languages of films: with values that standards give, or that a player shows."""

from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from cyclegan_core import FaceTranslator
from cyclegan_core.inference.studio import Studio
from cyclegan_core.video.tone_mapping import HLG, PQ, compressed, luminance_to_pq, pq_to_luminance, to_sdr
from cyclegan_core.video.translate import translate_video
from tests import ROOT
from tests.video.test_film_kinds import Film, labels, make, patches, picture
from tests.video.test_translate_video import Still

CASES = ROOT.parent / "shared" / "cases"


@pytest.fixture(scope="module")
def studio(tiny_translation: Path) -> Studio:
    return Studio({"tiny": FaceTranslator.from_pretrained(str(tiny_translation))}, Still())


def last_picture(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][-1]


# ---- HDR


def test_the_curves_have_the_values_of_the_standards() -> None:
    """PQ: BT.2408, table 1 (58 % is 203 cd/m²). HLG: BT.2408 puts the same white at 75 %."""
    assert float(luminance_to_pq(203.0)) == pytest.approx(0.581, abs=0.001)
    assert float(luminance_to_pq(10_000.0)) == pytest.approx(1)
    assert float(pq_to_luminance(np.array(0.508))) == pytest.approx(100, abs=0.6)
    assert float(pq_to_luminance(np.array(0.0))) == 0
    white = [to_sdr(np.full((1, 3), value), transfer) for value, transfer in ((0.75, HLG), (0.581, PQ))]
    assert white[0] == pytest.approx(white[1], abs=0.004)


def test_highlights_are_compressed_and_the_rest_is_not() -> None:
    luminance = np.array([0.0, 1.0, 20.0, 85.0, 203.0, 500.0, 1000.0, 4000.0])
    mapped = compressed(luminance)
    assert mapped[:4] == pytest.approx(luminance[:4], abs=0.01)
    assert (np.diff(mapped)[:-1] > 0).all()
    assert mapped[-2:] == pytest.approx([203, 203])
    assert mapped[4] == pytest.approx(159, abs=1)


# What 203, 100, 26 cd/m² of grey look like in SDR (by hand: the curve, then (L / 203) ** (1 / 2.4) * 255), then skin.
GREYS = {203.0: 230, 100.0: 189, 26.0: 108}
SKIN = (222, 171, 150)  # SDR, which the HDR film below shows with a white of 203 cd/m²
BT709_TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])  # BT.2087


def hdr_value(light: np.ndarray, transfer: int) -> np.ndarray:
    """Light in cd/m² as a value of PQ, or of HLG for a display of 1000 cd/m², by the formulae of BT.2100."""
    if transfer == PQ:
        return luminance_to_pq(light)
    luminance = light @ [0.2627, 0.6780, 0.0593] / 1000
    scene = light / 1000 * luminance[..., None] ** (1 / 1.2 - 1)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize("turned", [False, True])
def test_an_hdr_film_looks_as_it_was_meant(studio: Studio, tmp_path: Path, transfer: int, turned: bool) -> None:
    skin = 203 * (np.array(SKIN) / 255) ** 2.4 @ BT709_TO_BT2020.T
    light = np.array([[level] * 3 for level in GREYS] + [skin.tolist()])
    values = np.repeat(np.repeat(hdr_value(light, transfer)[None], 128, 0), 48, 1)
    frame = VideoFrame.from_ndarray(np.rint(values * 65535).astype(np.uint16), format="rgb48le")
    film = Film(
        frames=3,
        codec="libx265",
        pixels="yuv420p10le",
        labels=(9, 9, transfer),
        options={"crf": "4", "preset": "ultrafast", "x265-params": "log-level=none"},
        display=(0, 1, -1, 0) if turned else None,
    )
    source, target = make(tmp_path, film, frame), tmp_path / "out.mp4"
    translate_video(source, target, studio, ())

    assert labels(target) == (1, 1, 1, 1)
    shown = last_picture(target).astype(float)
    shown = np.rot90(shown) if turned else shown
    assert shown.shape == (128, 192, 3)
    seen = shown[64, [24, 72, 120, 168]]
    for grey, expected in zip(seen, GREYS.values(), strict=False):
        assert grey == pytest.approx(expected, abs=4)
    # Skin of that brightness is in the beginning of the curve: darker by a little, of the same hue, no paler.
    assert seen[3] == pytest.approx(SKIN, abs=16)
    assert seen[3][0] - seen[3][2] == pytest.approx(SKIN[0] - SKIN[2], abs=8)


@pytest.mark.parametrize(("name", "mean"), [("pq_up.mp4", (155, 117, 105)), ("v_rgb264.mkv", (155, 117, 105))])
def test_films_of_a_portrait(studio: Studio, tmp_path: Path, name: str, mean: tuple[int, int, int]) -> None:
    """Both show the same portrait; its mean colour is that of the photograph."""
    if not (CASES / name).is_file():
        pytest.skip(f"needs the film {name}, which is not on this machine")
    target = tmp_path / "out.mp4"
    translate_video(CASES / name, target, studio, ())
    assert labels(target) == (1, 1, 1, 1)
    assert last_picture(target).mean((0, 1)) == pytest.approx(mean, abs=5)


def test_a_matrix_that_cannot_be_converted(studio: Studio, tmp_path: Path) -> None:
    source, target = make(tmp_path, Film(labels=(8, 1, 1))), tmp_path / "out.mp4"
    assert translate_video(source, target, studio, ()).frames == 10
    assert labels(target) == (6, 1, 1, 1)


# ---- orientation: a pixel at (x, y) is shown at (a x + c y, b x + d y)

ORIENTATIONS = {
    "turned right": ((0, 1, -1, 0), lambda pixels: np.rot90(pixels, -1)),
    "turned left": ((0, -1, 1, 0), lambda pixels: np.rot90(pixels, 1)),
    "upside down": ((-1, 0, 0, -1), lambda pixels: np.rot90(pixels, 2)),
    "mirrored": ((-1, 0, 0, 1), np.fliplr),
    "flipped": ((1, 0, 0, -1), np.flipud),
    "mirrored and turned": ((0, 1, 1, 0), lambda pixels: pixels.transpose(1, 0, 2)),
}


@pytest.mark.parametrize(("display", "shown"), ORIENTATIONS.values(), ids=ORIENTATIONS)
def test_orientation(studio: Studio, tmp_path: Path, display: tuple[int, int, int, int], shown: object) -> None:
    assert callable(shown)
    film = Film(frames=2, display=display)
    source, target = make(tmp_path, film), tmp_path / "out.mp4"
    translate_video(source, target, studio, ())
    expected, pixels = shown(picture(film.size)), last_picture(target)
    assert pixels.shape == expected.shape
    turn = expected.shape[0] > expected.shape[1]
    both = [patches(one.transpose(1, 0, 2) if turn else one) for one in (pixels, expected)]
    assert np.abs(both[0] - both[1]).max() < 7


# ---- sounds


def test_both_sounds_keep_their_language(studio: Studio, tmp_path: Path) -> None:
    film = Film("in.mkv", sounds=(("libopus", 0, 0.4), ("aac", 0, 0.4)), languages=("deu", "fra"))
    target = tmp_path / "out.mp4"
    translate_video(make(tmp_path, film), target, studio, ())
    with av.open(str(target)) as container:
        assert [stream.language for stream in container.streams.audio] == ["deu", "fra"]
        assert [stream.codec_context.name for stream in container.streams.audio] == ["aac", "aac"]
