"""The faces of one stream, followed from frame to frame: who is who, where, and how much of them is shown.

Faces are looked for in a small copy of every few frames only; in between, optical flow carries them along.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from cyclegan_core.faces.detection import Detector, can_be_aligned
from cyclegan_core.faces.face import Face
from cyclegan_core.video.one_euro import OneEuroFilter
from cyclegan_core.video.optical_flow import TEMPLATE, alike, face_size, fit_similarity, follow, patch

# Shorter side of the frame, in pixels, at which faces are followed and mostly looked for. RetinaFace finds a face of a
# tenth of the frame's height there, and at the larger one, taken where no face is known or one is small, of a
# fifteenth.
SIDE, LARGE_SIDE = 240, 320
SMALL_FACE = 0.2  # of the shorter side
LARGE_EVERY = 4  # looks, so that a small face that enters later is found too
SEARCH_SECONDS, CHECK_SECONDS = 0.1, 0.2  # between two looks, without and with faces
SURE_SCORE = 0.9  # a face of a lower one has to be seen twice
MOST_TRACKS = 12  # followed at a time, the largest
MOST_MISSED = 3  # looks in a row that may miss a face
SAME_FACE = 0.55  # mean distance of landmarks, as a fraction of the face's size, up to which they belong to one face
RAMP_SECONDS = 0.2  # in which a face fades in or out
# A detection draws the followed landmarks this far towards itself: its own noise is larger than that of flow. At a
# distance of FAR sizes and more it is believed in full.
TRUST, NEAR, FAR = 0.3, 0.06, 0.2
HYSTERESIS = 1.3  # a face not shown must be so much larger to take the place of one that is
LONGEST_GAP = 1.0  # seconds without a frame, after which nobody is where they were
CUT_CORRELATION, CUT_DIFFERENCE = 0.5, 12.0  # of tiny grey copies of two frames, the latter in units of 1/255


@dataclass(eq=False)
class Track:
    """One face of the stream.

    number: its identity, never used twice. landmarks: smoothed, float64 (5, 2) in pixels of the frame. presence: how
    much of it is shown, in [0, 1]. followed: False while it is out of sight.
    """

    number: int
    raw: NDArray[np.float64]
    score: float
    landmarks: NDArray[np.float64]
    presence: float = 0.0
    followed: bool = True
    confirmed: bool = False
    wanted: bool = False
    missed: int = 0
    reference: NDArray[np.float32] | None = None
    smooth: OneEuroFilter = field(default_factory=OneEuroFilter)

    @property
    def size(self) -> float:
        return face_size(self.landmarks)

    @property
    def lost(self) -> bool:
        return not self.followed or self.missed >= MOST_MISSED

    def as_face(self) -> Face:
        matrix, _ = fit_similarity(TEMPLATE, self.landmarks)
        x, y = matrix[:, :2] @ (0.5, 0.5) + matrix[:, 2]
        half = self.size / 2
        return Face((x - half, y - half, x + half, y + half), self.score, self.landmarks.astype(np.float32))


class FaceTracker:
    """Follows the faces of one stream; not shared between threads."""

    def __init__(self) -> None:
        self._tracks: list[Track] = []
        self._count = 0
        self.reset()

    def reset(self) -> None:
        """Forgets all faces, as after a cut: those of the next frame are shown at once, without fading in."""
        self._tracks = []
        self._grey: NDArray[np.uint8] | None = None
        self._tiny: NDArray[np.float32] | None = None
        self._shape: tuple[int, ...] | None = None
        self._time = self._looked = 0.0
        self._looks = 0
        self._fresh = True  # the frame to come is the first of its scene
        self._startled = False  # a face has slipped away since the last look

    @property
    def faces(self) -> int:
        """How many faces are known and in sight."""
        return sum(track.confirmed and not track.lost for track in self._tracks)

    def update(self, frame: NDArray[np.uint8], time: float, detector: Detector, most_faces: int) -> list[Track]:
        """Takes the next frame, RGB uint8 (H, W, 3), and returns the faces to be shown, the nearest last.

        time: in seconds; a step back or of more than LONGEST_GAP begins a new stream. most_faces: the largest so many
        are shown.
        """
        scale = min(1.0, SIDE / min(frame.shape[:2]))
        grey = cv2.cvtColor(_shrunk(frame, scale), cv2.COLOR_RGB2GRAY)
        seconds = time - self._time
        if frame.shape != self._shape or not 0 <= seconds <= LONGEST_GAP:
            self.reset()
            seconds = 0.0
        stretch = np.array(frame.shape[1::-1]) / grey.shape[::-1]
        self._follow(grey, stretch)
        if self._is_cut(grey):
            # A camera that is swung round looks like a cut too, but the faces can be followed through it.
            self._tracks = [track for track in self._tracks if track.followed]
            self._fresh = True
        if self._due(time):
            self._look(frame, grey, stretch, detector)
            self._looked, self._startled = time, False
        self._grey, self._tiny, self._shape, self._time = grey, _tiny(grey), frame.shape, time

        for track in self._tracks:
            if track.followed:
                track.landmarks = track.smooth(track.raw, seconds, face_size(track.raw))
        self._choose(most_faces)
        for track in self._tracks:
            step = seconds / RAMP_SECONDS
            track.presence += float(np.clip((1.0 if track.wanted else 0.0) - track.presence, -step, step))
            if self._fresh and track.wanted:
                track.presence = 1.0
        self._fresh = False
        self._tracks = [track for track in self._tracks if track.presence > 0 or not track.lost]
        return sorted((track for track in self._tracks if track.presence > 0), key=lambda track: track.size)

    def _is_cut(self, grey: NDArray[np.uint8]) -> bool:
        if self._tiny is None:
            return False
        now, before = (tiny - tiny.mean() for tiny in (_tiny(grey), self._tiny))
        alike = float((now * before).sum()) / max(float(np.linalg.norm(now) * np.linalg.norm(before)), 1e-6)
        return alike < CUT_CORRELATION and float(np.abs(now - before).mean()) > CUT_DIFFERENCE

    def _follow(self, grey: NDArray[np.uint8], stretch: NDArray[np.float64]) -> None:
        for track in self._tracks:
            if self._grey is None or not track.followed:
                continue
            moved = follow(self._grey, grey, track.raw / stretch)
            if moved is None or (track.reference is not None and not alike(track.reference, patch(grey, moved))):
                track.followed, self._startled = False, True
            else:
                track.raw = moved * stretch

    def _due(self, time: float) -> bool:
        """Whether it is time to look for faces."""
        if self._fresh or self._startled:
            return True
        waiting = any(not track.confirmed or track.missed or not track.followed for track in self._tracks)
        pause = SEARCH_SECONDS if waiting or not self._tracks else CHECK_SECONDS
        return time - self._looked > pause - 1e-6

    def _look(
        self,
        frame: NDArray[np.uint8],
        grey: NDArray[np.uint8],
        stretch: NDArray[np.float64],
        detector: Detector,
    ) -> None:
        shorter = min(frame.shape[:2])
        thorough = (
            self._looks % LARGE_EVERY == 0
            or not any(track.confirmed for track in self._tracks)
            or any(track.size < SMALL_FACE * shorter for track in self._tracks)
        )
        self._looks += 1
        small = _shrunk(frame, min(1.0, (LARGE_SIDE if thorough else SIDE) / shorter))
        ratio = np.array(frame.shape[1::-1]) / small.shape[1::-1]
        found: list[tuple[Face, NDArray[np.float64]]] = []
        for face in sorted(detector.detect(small), key=lambda face: -face.score):
            landmarks = face.landmarks.astype(np.float64) * ratio
            # Two boxes around one face would be translated twice.
            if can_be_aligned(face) and all(_distance(landmarks, other) >= SAME_FACE for _, other in found):
                found.append((face, landmarks))
        pairs = sorted(
            (distance, number, index)
            for number, track in enumerate(self._tracks)
            for index, (_, landmarks) in enumerate(found)
            if (distance := _distance(track.raw, landmarks)) < SAME_FACE * (1 if track.followed else 2)
        )
        seen: set[int] = set()
        taken: set[int] = set()
        for distance, number, index in pairs:
            if number not in seen and index not in taken:
                seen.add(number)
                taken.add(index)
                self._correct(self._tracks[number], *found[index], distance)
        for number, track in enumerate(self._tracks):
            if number not in seen:
                track.missed = track.missed + 1 if track.confirmed else MOST_MISSED
        near = {index for _, _, index in pairs}  # a second detection of a known face is no other face
        new = [found[index] for index in range(len(found)) if index not in near]
        new.sort(key=lambda item: face_size(item[1]), reverse=True)
        for face, landmarks in new[: max(MOST_TRACKS - len(self._tracks), 0)]:
            self._count += 1
            track = Track(self._count, landmarks, face.score, landmarks, confirmed=face.score >= SURE_SCORE)
            self._tracks.append(track)
        for track in self._tracks:
            if track.followed and not track.missed:
                track.reference = patch(grey, track.raw / stretch)

    def _correct(self, track: Track, face: Face, landmarks: NDArray[np.float64], distance: float) -> None:
        trust = 1.0
        if track.followed:
            trust = TRUST + (1 - TRUST) * float(np.clip((distance - NEAR) / (FAR - NEAR), 0, 1))
        track.raw = track.raw + trust * (landmarks - track.raw)
        track.score, track.missed, track.confirmed, track.followed = face.score, 0, True, True

    def _choose(self, most_faces: int) -> None:
        """Decides who is wanted: the largest, with a preference for those who already are."""
        known = [track for track in self._tracks if track.confirmed and not track.lost]
        known.sort(key=lambda track: track.size * (HYSTERESIS if track.wanted else 1), reverse=True)
        for track in self._tracks:
            track.wanted = track in known[:most_faces]


def _distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Mean distance of two faces' landmarks, as a fraction of the larger one's size."""
    return float(np.linalg.norm(a - b, axis=1).mean()) / max(face_size(a), face_size(b), 1e-6)


def _shrunk(frame: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    return cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else frame


def _tiny(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    return cv2.resize(grey, (32, 24), interpolation=cv2.INTER_AREA).astype(np.float32)
