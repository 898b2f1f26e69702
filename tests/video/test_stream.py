"""Frames in, frames out: no flicker, no jump, nothing mixed between two streams."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cyclegan_core import CycleganError, FaceTranslator, Translation, TranslationError
from cyclegan_core.inference.composition import Layer
from cyclegan_core.inference.studio import Studio
from cyclegan_core.video.stream import FaceStream
from tests.video.test_tracking import FPS, Told, moved, other_scene, two_people


@pytest.fixture(scope="module")
def translator(tiny_translation: Path) -> FaceTranslator:
    return FaceTranslator.from_pretrained(str(tiny_translation))


@pytest.fixture
def detector() -> Told:
    return Told()


@pytest.fixture
def studio(translator: FaceTranslator, detector: Told) -> Studio:
    return Studio({"tiny": translator}, detector)


@pytest.fixture
def stream(studio: Studio) -> FaceStream:
    return FaceStream(studio)


def effect(before: np.ndarray, after: np.ndarray) -> float:
    """How much of the picture was changed, and how strongly."""
    return float(np.abs(after.astype(int) - before).mean())


def test_the_face_changes_and_nothing_else(stream: FaceStream, studio: Studio) -> None:
    frame = moved()
    given = frame.copy()
    result = stream.process(frame, studio.chain("to_female"), time=0.0)

    assert (result.shape, result.dtype, stream.faces) == (frame.shape, np.uint8, 1)
    assert np.array_equal(frame, given)
    assert effect(frame, result) > 0.5
    assert np.array_equal(result[:, :40], frame[:, :40])
    assert np.array_equal(result[200:], frame[200:])


def test_no_chain_and_no_strength_leave_the_frame(stream: FaceStream, studio: Studio) -> None:
    frame = moved()
    assert np.array_equal(stream.process(frame, (), time=0.0), frame)
    # A new chain fades in; without strength there is nothing of it.
    assert np.array_equal(stream.process(frame, studio.chain("to_female"), strength=0.0, time=0.04), frame)


def test_strength_is_proportional(studio: Studio) -> None:
    chain = studio.chain("to_female")
    effects = [
        effect(moved(), FaceStream(studio).process(moved(), chain, strength=strength, time=0.0))
        for strength in (0.5, 1.0)
    ]
    assert effects[0] == pytest.approx(effects[1] / 2, rel=0.1)


@pytest.mark.medium
def test_a_still_face_does_not_flicker(translator: FaceTranslator) -> None:
    frame = moved()
    studio = Studio({"tiny": translator}, Told(noise=0.03))
    stream, chain = FaceStream(studio), studio.chain("to_female")
    steady = [stream.process(frame, chain, time=i / FPS) for i in range(30)]
    naive = [
        translator.blend(frame, translator.generate(frame, "to_female", studio.detector.detect(frame))).picture
        for _ in range(10)
    ]

    flicker = np.mean([effect(a, b) for a, b in pairwise(steady)])
    assert flicker < 0.1 * np.mean([effect(a, b) for a, b in pairwise(naive)])
    assert flicker < 0.06 * effect(frame, steady[0])


def test_a_face_fades_in(stream: FaceStream, studio: Studio, detector: Told) -> None:
    frame, chain = moved(), studio.chain("to_female")
    detector.blind = True
    seen = []
    for i in range(24):
        detector.blind = i < 8
        seen.append(effect(frame, stream.process(frame, chain, time=i / FPS)))

    assert seen[:8] == [0] * 8
    assert seen[-1] > 0.5
    assert np.diff(seen).max() < 0.25 * seen[-1]
    began = next(i for i, value in enumerate(seen) if value > 0)
    assert 4 <= next(i for i, value in enumerate(seen) if value > 0.97 * seen[-1]) - began <= 8


def test_a_face_that_is_missed_stays_and_then_fades(stream: FaceStream, studio: Studio, detector: Told) -> None:
    chain = studio.chain("to_female")
    seen = []
    for i in range(75):
        detector.blind = i >= 10
        frame = moved(i / FPS / 4)
        seen.append(effect(frame, stream.process(frame, chain, time=i / FPS)))

    full = seen[9]
    assert min(seen[10:18]) > 0.9 * full  # carried by optical flow
    assert seen[-1] == 0
    assert stream.faces == 0
    assert np.abs(np.diff(seen)).max() < 0.25 * full


def test_a_short_miss_is_not_seen(stream: FaceStream, studio: Studio, detector: Told) -> None:
    chain = studio.chain("to_female")
    seen = []
    for i in range(30):
        detector.blind = 10 <= i < 14
        frame = moved(i / FPS / 4)
        seen.append(effect(frame, stream.process(frame, chain, time=i / FPS)))
    assert min(seen) > 0.9 * max(seen)


def test_chains_cross_fade(stream: FaceStream, studio: Studio) -> None:
    frame = moved()
    chains = [studio.chain("to_female")] * 10 + [studio.chain("to_male")] * 10 + [()] * 10
    shown = [stream.process(frame, chain, time=i / FPS).astype(int) for i, chain in enumerate(chains)]
    face = np.abs(shown[0] - frame).sum(2) > 20
    means = np.array([picture[face].mean(0) for picture in shown])

    assert np.abs(means[19] - means[9]).max() > 10  # red and blue change places
    assert np.array_equal(shown[-1], frame)
    for begin, end in ((9, 19), (19, 29)):
        assert np.abs(np.diff(means[begin : end + 1], axis=0)).max() < 0.25 * np.abs(means[end] - means[begin]).max()


def test_a_cut_is_translated_at_once(stream: FaceStream, studio: Studio) -> None:
    other = other_scene()
    chain = studio.chain("to_female")
    for i in range(4):
        stream.process(moved(), chain, time=i / FPS)
    at_once = stream.process(other, chain, time=4 / FPS)
    alone = FaceStream(studio).process(other, chain, time=0.0)
    assert np.array_equal(at_once, alone)


def test_the_size_may_change(stream: FaceStream, studio: Studio) -> None:
    chain = studio.chain("to_female")
    for i, size in enumerate([(320, 240), (240, 320), (640, 480), (641, 479)]):
        frame = moved(0.0, *size)
        result = stream.process(frame, chain, time=i / FPS)
        assert result.shape == frame.shape
        assert effect(frame, result) > 0.2


def test_streams_do_not_mix(studio: Studio) -> None:
    """Two people at once see what each would have seen alone."""
    frames = {"to_female": [moved(i / FPS) for i in range(8)], "to_male": [moved(3 + i / FPS) for i in range(8)]}

    def play(streams: dict[str, FaceStream], name: str, i: int) -> np.ndarray:
        return streams[name].process(frames[name][i], studio.chain(name), time=i / FPS)

    together = {name: FaceStream(studio) for name in frames}
    mixed: dict[str, list[np.ndarray]] = {name: [] for name in frames}
    for i in range(8):
        for name in frames:
            mixed[name].append(play(together, name, i))
    for name in frames:
        alone = {name: FaceStream(studio)}
        for i in range(8):
            assert np.array_equal(play(alone, name, i), mixed[name][i])


def test_the_largest_only(studio: Studio) -> None:
    picture = two_people()
    chain, both, one = studio.chain("to_female"), FaceStream(studio), FaceStream(studio)
    of_both = both.process(picture, chain, time=0.0)
    of_one = one.process(picture, chain, time=0.0, largest_only=True)

    assert (both.faces, one.faces) == (2, 2)
    halves = [(slice(None), slice(0, 320)), (slice(None), slice(320, 640))]
    assert sorted(effect(picture[half], of_one[half]) > 0 for half in halves) == [False, True]
    assert all(effect(picture[half], of_both[half]) > 0.2 for half in halves)
    # The other fades in when it is asked for.
    later = [one.process(picture, chain, time=(1 + i) / FPS) for i in range(8)]
    assert np.abs(later[0].astype(int) - of_one).max() < 0.4 * np.abs(of_both.astype(int) - picture).max()
    assert effect(later[-1], of_both) < 0.1


def test_reset(stream: FaceStream, studio: Studio) -> None:
    chain = studio.chain("to_female")
    first = [stream.process(moved(i / FPS), chain, time=i / FPS) for i in range(4)]
    stream.reset()
    assert stream.faces == 0
    again = [stream.process(moved(i / FPS), chain, time=i / FPS) for i in range(4)]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_a_painted_face(tiny_translation: Path, detector: Told) -> None:
    """Of output `picture`, alone and after a change."""
    tiny = Translation.from_pretrained(str(tiny_translation))
    painting = Translation(replace(tiny.config, name="painting", output="picture"), tiny.generators)
    studio = Studio({"tiny": FaceTranslator(tiny), "painting": FaceTranslator(painting)}, detector)
    stream = FaceStream(studio)
    for i, text in enumerate(["painting:to_female"] * 4 + ["tiny:to_male+painting:to_female"] * 8):
        frame = moved(i / FPS)
        result = stream.process(frame, studio.chain(text), time=i / FPS)
        assert effect(frame, result) > 0.3
    assert np.array_equal(result[:, :20], frame[:, :20])


def test_a_painted_face_is_made_for_every_second_frame_and_moves_in_each(
    tiny_translation: Path, detector: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = Translation.from_pretrained(str(tiny_translation))
    painter = FaceTranslator(Translation(replace(tiny.config, name="painting", output="picture"), tiny.generators))
    studio, made = Studio({"painting": painter}, detector), 0

    def noted(*given: Any, **more: Any) -> Any:
        nonlocal made
        made += 1
        return FaceTranslator.generate(painter, *given, **more)

    monkeypatch.setattr(painter, "generate", noted)
    stream, chain, shift = FaceStream(studio), studio.chain("to_female"), 6
    frame = moved()
    for i in range(12):
        now = np.roll(frame, i * shift, axis=1)
        shown = stream.process(now, chain, time=i / FPS)
        changed = np.abs(shown.astype(int) - now).sum(2).sum(0)
        middle = (changed * np.arange(len(changed))).sum() / changed.sum()
        if i == 0:
            begun = middle
        assert abs(middle - begun - i * shift) < 0.5 * shift
    assert made == 6
    for i in range(12, 16):  # a slow stream has each frame drawn
        stream.process(now, chain, time=1 + i / 5)
    assert made == 10


@pytest.mark.medium
def test_a_whole_picture_needs_no_face(tiny_translation: Path, detector: Told) -> None:
    tiny = Translation.from_pretrained(str(tiny_translation))
    whole = Translation(replace(tiny.config, name="whole", crop=None), tiny.generators)
    studio = Studio({"whole": FaceTranslator(whole), "tiny": FaceTranslator(tiny)}, detector)
    wall = np.full((96, 128, 3), 120, np.uint8)
    stream = FaceStream(studio)
    result = stream.process(wall, studio.chain("whole:to_female"), time=0.0)
    assert effect(wall[:8, :8], result[:8, :8]) > 5

    stream.reset()
    frame = moved()
    only = stream.process(frame, studio.chain("whole:to_female"), time=0.0)
    stream.reset()
    both = stream.process(frame, studio.chain("whole:to_female+tiny:to_male"), time=0.0)
    assert np.array_equal(only[:, :20], both[:, :20])
    assert effect(only, both) > 0.3


def test_wrong_calls(stream: FaceStream, studio: Studio) -> None:
    chain = studio.chain("to_female")
    wrong: list[Any] = [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)]
    for frame in wrong:
        with pytest.raises(ValueError, match="picture"):
            stream.process(frame, chain, time=0.0)
    for strength, time in ((1.6, 0.0), (float("nan"), 0.0), (1.0, float("nan"))):
        with pytest.raises(ValueError, match=r"strength|time"):
            stream.process(moved(), chain, strength=strength, time=time)
    with pytest.raises(TranslationError, match="no translation"):
        stream.process(moved(), (replace(chain[0], translation="none"),), time=0.0)
    with pytest.raises(TranslationError, match="no direction"):
        stream.process(moved(), (replace(chain[0], direction="sideways"),), time=0.1)


def test_a_translator_that_fails_is_heard(tiny_translation: Path, detector: Told) -> None:
    class Failing(FaceTranslator):
        def generate(self, *_: object, **__: object) -> tuple[Layer, ...]:
            raise CycleganError("the network is broken")

    studio = Studio({"tiny": Failing.from_pretrained(str(tiny_translation))}, detector)
    stream = FaceStream(studio)
    with pytest.raises(CycleganError, match="broken"):
        stream.process(moved(), studio.chain("to_female"), time=0.0)
    studio.replace("tiny", FaceTranslator.from_pretrained(str(tiny_translation)))
    assert effect(moved(), stream.process(moved(), studio.chain("to_female"), time=0.04)) > 0.3
