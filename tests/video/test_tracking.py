"""Following faces from frame to frame: who is who, how steadily, and how seldom a detector is asked."""

from copy import copy
from dataclasses import replace

import cv2
import numpy as np
import pytest

from cyclegan_core import images
from cyclegan_core.faces.detection import Detector, find_detector
from cyclegan_core.faces.detector_weights import read_published
from cyclegan_core.faces.face import Face
from cyclegan_core.faces.retinaface import RetinaFaceDetector
from cyclegan_core.video.one_euro import OneEuroFilter
from cyclegan_core.video.optical_flow import face_size
from cyclegan_core.video.tracking import FaceTracker, Track
from tests import ROOT

SHARED_WEIGHTS = ROOT.parent / "shared" / "weights" / "detection_mobilenet0.25_Final.pth"
FPS = 30
FACE = (204, 124)  # the middle of the landmarks in the photograph
ASTRONAUT = images.load(ROOT / "examples" / "astronaut.jpg")


class Told:
    """A detector that can be told to miss or to err, and counts how often it was asked."""

    name = "told"

    def __init__(self, noise: float = 0.0) -> None:
        self.real, self.noise, self.blind, self.asked = find_detector(), noise, False, 0
        self.random = np.random.default_rng(0)

    def detect(self, picture: np.ndarray) -> list[Face]:
        self.asked += 1
        if self.blind:
            return []
        faces = self.real.detect(picture)
        return [self._shaken(face) for face in faces if face.width > 20]

    def _shaken(self, face: Face) -> Face:
        shift = self.random.normal(0, self.noise * face.width, (5, 2))
        return Face(face.box, face.score, (face.landmarks + shift).astype(np.float32))


@pytest.fixture
def detector() -> Told:
    return Told()


def transform(at: float, width: int, height: int, zoom: float = 1.0) -> np.ndarray:
    """How the astronaut lies in the frame `at` seconds after the beginning: she sways, nods and comes nearer."""
    scale = zoom * height / 420 * 0.95 * (1 + 0.12 * np.sin(at * 1.1))
    matrix = cv2.getRotationMatrix2D(FACE, 6 * np.sin(at), scale)
    centre = (width * (0.5 + 0.1 * np.sin(at * 1.7)), height * (0.42 + 0.04 * np.sin(at * 2.3)))
    matrix[:, 2] += np.array(centre) - FACE
    return matrix


def moved(at: float = 0.0, width: int = 320, height: int = 240, zoom: float = 1.0) -> np.ndarray:
    matrix = transform(at, width, height, zoom)
    options = {"flags": cv2.INTER_AREA, "borderMode": cv2.BORDER_REPLICATE}
    return cv2.warpAffine(ASTRONAUT, matrix, (width, height), **options)


def two_people() -> np.ndarray:
    """Two faces, the smaller one on the left: 640 x 240 pixels."""
    return np.hstack([moved(zoom=0.8), moved()])


def other_scene() -> np.ndarray:
    """Another frame of 320 x 240 pixels, with one face too."""
    frame = moved(1.0, zoom=0.9)[:, ::-1].copy()
    frame[:, 220:] = 255 - frame[:, 220:]
    return frame


def run(detector: Detector, frames: list[np.ndarray], fps: float = FPS) -> list[list[Track]]:
    tracker = FaceTracker()
    return [[copy(track) for track in tracker.update(frame, i / fps, detector, 4)] for i, frame in enumerate(frames)]


# ---- the filter


def test_one_euro_calms_what_rests() -> None:
    smooth, noise = OneEuroFilter(), np.random.default_rng(0).normal(0, 1, (90, 5, 2))
    smoothed = np.array([smooth(100 + shake, 1 / FPS, 100.0) for shake in noise])
    assert np.diff(smoothed[10:], axis=0).std() < np.diff(noise[10:], axis=0).std() / 5


def test_one_euro_keeps_up_with_what_moves() -> None:
    smooth = OneEuroFilter()
    for i in range(60):
        true = np.full((5, 2), i * 5.0)  # 1.5 sizes a second
        smoothed = smooth(true, 1 / FPS, 100.0)
    assert np.abs(smoothed - true).max() < 8


def test_one_euro_is_the_same_at_every_size() -> None:
    small, large = OneEuroFilter(), OneEuroFilter()
    for shake in np.random.default_rng(0).normal(0, 3, (20, 5, 2)):
        assert np.allclose(large(shake * 8, 0.04, 800.0), small(shake, 0.04, 100.0) * 8)


def test_one_euro_stands_still_with_the_time() -> None:
    smooth = OneEuroFilter()
    first = smooth(np.zeros((5, 2)), 0.0, 10.0)
    assert np.array_equal(smooth(np.ones((5, 2)), 0.0, 10.0), first)


# ---- following


@pytest.mark.parametrize(("width", "height", "fps"), [(320, 240, 30), (320, 240, 12), (1280, 720, 30)])
def test_a_moving_face_is_one_face(detector: Told, width: int, height: int, fps: float) -> None:
    tracks = run(detector, [moved(i / fps, width, height) for i in range(24)], fps)
    assert {len(found) for found in tracks} == {1}
    assert {found[0].number for found in tracks} == {1}

    # Landmarks go where the face goes: drawn back, they stay in one place of the photograph.
    still = []
    for i, (track,) in enumerate(tracks):
        back = cv2.invertAffineTransform(transform(i / fps, width, height))
        still.append(track.landmarks @ back[:, :2].T + back[:, 2])
    drift = np.linalg.norm(np.array(still) - np.mean(still, axis=0), axis=2).mean(1) / face_size(still[0])
    assert drift.max() < 0.06


def test_between_detections_flow_carries_the_face(detector: Told) -> None:
    run(detector, [moved(i / FPS) for i in range(30)])
    assert 3 <= detector.asked <= 9


@pytest.mark.medium
def test_a_shaky_detector_gives_steady_landmarks() -> None:
    frames = [moved()] * 30
    shaky, tracks = Told(noise=0.03), run(Told(noise=0.03), frames)
    naive = np.array([shaky.detect(frames[0])[0].landmarks for _ in range(10)])
    steady = np.array([track.landmarks for (track,) in tracks])
    assert np.diff(steady[5:], axis=0).std() < np.diff(naive, axis=0).std() / 10


def test_two_faces_keep_their_numbers(detector: Told) -> None:
    frames = [np.roll(two_people(), i, axis=1) for i in range(12)]
    tracks = run(detector, frames)
    sides = [{track.number: track.landmarks[0, 0] > 320 for track in found} for found in tracks]
    assert [len(found) for found in sides] == [2] * 12
    assert all(found == sides[0] for found in sides)


@pytest.mark.parametrize("share", [0.08, 0.1])
@pytest.mark.parametrize("height", [480, 1080])
def test_a_small_face_is_found(share: float, height: int) -> None:
    if not SHARED_WEIGHTS.is_file():
        pytest.skip("needs facexlib's detector weights, which are not on this machine")
    detector = RetinaFaceDetector(read_published(SHARED_WEIGHTS))
    width = height * 16 // 9
    scale = share * height / 122  # the face is 122 pixels high in the photograph
    small = cv2.resize(ASTRONAUT, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frame = cv2.resize(
        np.random.default_rng(0).integers(90, 160, (height // 8, width // 8, 3), np.uint8), (width, height)
    )
    frame[height // 3 : height // 3 + small.shape[0], width // 3 : width // 3 + small.shape[1]] = small
    tracks = run(detector, [frame] * 12)
    assert len(tracks[-1]) == 1
    assert abs(tracks[-1][0].landmarks.mean(0)[0] - width // 3 - FACE[0] * scale) < 0.2 * height * share


def test_a_cut_brings_new_faces_at_once(detector: Told) -> None:
    tracks = run(detector, [moved()] * 4 + [other_scene()] * 2)
    assert [[track.presence for track in found] for found in tracks[4:]] == [[1.0], [1.0]]
    assert tracks[4][0].number != tracks[3][0].number


def test_a_camera_swung_round_is_no_cut(detector: Told) -> None:
    wide = cv2.copyMakeBorder(moved(), 0, 0, 160, 160, cv2.BORDER_REPLICATE)
    tracks = run(detector, [wide[:, 100 + i * 12 : 420 + i * 12] for i in range(8)])
    assert {track.number for found in tracks for track in found} == {1}
    assert all(found[0].presence == 1 for found in tracks)


def test_two_boxes_around_one_face(detector: Told) -> None:
    class Twice(Told):
        def detect(self, picture: np.ndarray) -> list[Face]:
            larger = [
                replace(face, landmarks=face.landmarks * 1.6 - face.landmarks.mean(0) * 0.6, score=0.91)
                for face in super().detect(picture)
            ]
            return [*larger, *super().detect(picture)]

    tracks = run(Twice(), [moved()] * 8)
    assert [len(found) for found in tracks] == [1] * 8
    size = face_size(run(detector, [moved()])[0][0].landmarks)
    assert abs(face_size(tracks[-1][0].landmarks) - size) < 0.05 * size


def test_a_face_that_is_not_there_is_not_followed(detector: Told) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    assert run(detector, [noise] * 5) == [[]] * 5


@pytest.mark.parametrize("step", [-1.0, 5.0])
def test_time_that_jumps_begins_anew(detector: Told, step: float) -> None:
    tracker = FaceTracker()
    first = tracker.update(moved(), 10.0, detector, 4)
    second = tracker.update(moved(), 10.0 + step, detector, 4)
    assert [track.number for track in first] != [track.number for track in second]
    assert [track.presence for track in second] == [1.0]


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (300, 3)])
def test_frames_too_small_for_a_face(detector: Told, shape: tuple[int, int]) -> None:
    assert run(detector, [np.full((*shape, 3), 128, np.uint8)] * 3) == [[]] * 3
