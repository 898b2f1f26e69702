"""`FaceStream`: translates a webcam or a video file frame by frame, without flicker from one frame to the next."""

import math
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cyclegan_core.faces.alignment import fit_similarity
from cyclegan_core.faces.monochrome import Tone
from cyclegan_core.inference.composition import Layer, composite, read_strength
from cyclegan_core.inference.studio import Chain, Studio
from cyclegan_core.inference.translator import check_picture, may_show_faces
from cyclegan_core.video.tracking import FaceTracker, Track

# Time constants, in seconds, of the average over a generator's output for a face, taken in the coordinates of its crop.
# A change is smooth and slow; a picture holds the expression, which must not lag.
SECONDS_OF = {"change": 0.2, "picture": 0.03}
# Seconds from which a generator runs anew for a face. A change that is averaged for so long need not be made for every
# frame: at 30 frames/s, for every second one. Nor need a drawing, whatever the rate, as anime is drawn on twos; in
# between it moves with the head.
EVERY = {"change": 0.055, "picture": 0.1}
FRAMES_OF_DRAWING = 2
HAIR_EVERY = 0.5  # seconds; hair takes a third of the time, and changes slowly
SWITCH_SECONDS = 0.2  # of the cross-fade from one chain to another


@dataclass
class _FaceResult:
    """The output of some steps for one face: what is shown, an average over time, and the latest output."""

    shown: tuple[Layer, ...]
    latest: tuple[Layer, ...]
    time: float  # of the latest
    hair_time: float  # of the latest whose hair was made anew
    frames: int = 0  # for which the latest has served

    def renew(self, latest: tuple[Layer, ...], time: float, *, hair: bool) -> None:
        """Takes new output. hair: whether it has that around the crops too; else what there was goes on."""
        if hair:
            self.hair_time = time
        else:
            pairs = zip(self.latest, latest, strict=True)
            latest = tuple(_with_hair_of(old, new) for old, new in pairs)
        self.latest, self.time, self.frames = latest, time, 0

    def advance(self, seconds: float) -> None:
        """Moves the average on to the next frame, after so many seconds."""
        self.frames += 1
        self.shown = tuple(_averaged(*both, seconds) for both in zip(self.shown, self.latest, strict=True))


def _averaged(shown: Layer, new: Layer, seconds: float) -> Layer:
    """The new layer with the average that was shown, moved on towards what is new by so many seconds."""
    weight = np.float32(1 - math.exp(-seconds / SECONDS_OF[new.output]))
    around = _averaged(shown.around, new.around, seconds) if shown.around and new.around else new.around
    return replace(new, generated=shown.generated + weight * (new.generated - shown.generated), around=around)


@dataclass
class _Part:
    """The output of consecutive steps of one kind: on the whole picture, or on faces by the number of their track."""

    whole: tuple[Layer, ...] = ()
    faces: dict[int, _FaceResult] = field(default_factory=dict)


@dataclass
class _ChainResult:
    """The output of one chain for the present frame, part by part in the order of the chain."""

    chain: Chain
    parts: list[_Part] = field(default_factory=list)


class FaceStream:
    """Translates the frames of one stream. It tracks faces from frame to frame, so each stream needs its own object.

    A stream must not be shared by threads. The studio may be, and its translators and detector may be replaced at any
    time.

    most_faces: how many faces are translated at most, the largest ones.
    """

    def __init__(self, studio: Studio, *, most_faces: int = 4) -> None:
        self._studio = studio
        self._most_faces = most_faces
        self._tracker = FaceTracker()
        self.reset()

    def reset(self) -> None:
        """Returns to the state of a new stream: no faces are known."""
        self._tracker.reset()
        self._result = _ChainResult(())
        self._outgoing: _ChainResult | None = None
        self._switched = -math.inf
        self._time: float | None = None

    @property
    def faces(self) -> int:
        """How many faces were in sight in the last frame, including those that are not among the largest."""
        return self._tracker.faces

    def process(
        self,
        frame: NDArray[np.uint8],
        chain: Chain,
        *,
        strength: float = 1.0,
        time: float,
        largest_only: bool = False,
    ) -> NDArray[np.uint8]:
        """The next frame with its faces translated, RGB uint8 (H, W, 3) like the frame, which is not changed.

        The steps of the chain are carried out in their order, those on the whole picture also where there is no face.
        Frames may change in size. A face that enters or leaves is faded in or out, and so is a new chain; after a cut
        the faces are shown at once. strength: in [0, 1.5]. time: the frame's, in seconds, increasing; after a gap of
        over a second, or a step back, faces are searched for anew. Raises TranslationError for a step that the studio
        does not have, ValueError for a frame, a strength or a time that is not as said.
        """
        check_picture(frame)
        strength = read_strength(strength)
        if not math.isfinite(time):
            raise ValueError(f"time must be a number of seconds, not {time}")
        tracks: list[Track] = []
        if not self._studio.needs_no_face(chain) and may_show_faces(frame):
            most = 1 if largest_only else self._most_faces
            tracks = self._tracker.update(frame, time, self._studio.detector, most)
        if chain != self._result.chain:
            self._switch(chain, time)
        self._generate(frame, tracks, time)

        result = _composed(frame, self._result.parts, tracks, strength)
        share = (time - self._switched) / SWITCH_SECONDS
        if self._outgoing is not None and 0 <= share < 1:
            before = _composed(frame, self._outgoing.parts, tracks, strength)
            result = cv2.addWeighted(result, share, before, 1 - share, 0)
        else:
            self._outgoing = None
        return result

    def _switch(self, chain: Chain, time: float) -> None:
        begun = self._time is not None  # the first chain of a stream has nothing to fade from
        half_way = self._outgoing is not None and time - self._switched < SWITCH_SECONDS / 2
        if begun and not half_way:  # two switches in a row: what is still mostly to be seen goes on fading
            self._outgoing, self._switched = self._result, time
        self._result = _ChainResult(chain)

    def _generate(self, frame: NDArray[np.uint8], tracks: list[Track], time: float) -> None:
        """Runs the generators whose output is due, and moves every average on to the time of this frame."""
        seconds = 0.0 if self._time is None else max(time - self._time, 0.0)
        self._time = time
        split = self._studio.split(self._result.chain)
        parts = self._result.parts
        parts += [_Part() for _ in split[len(parts) :]]
        background = frame  # with the output of all earlier parts at full strength
        for index, ((whole, steps), part) in enumerate(zip(split, parts, strict=False)):
            if whole:
                (part.whole,) = self._studio.generate(background, (), [steps])
            else:
                self._generate_faces(background, part, steps, tracks, time)
                for face in part.faces.values():
                    face.advance(seconds)
            if index + 1 < len(split):
                background = _composed(background, [part], tracks, 1.0)

    def _generate_faces(
        self, frame: NDArray[np.uint8], part: _Part, steps: Chain, tracks: list[Track], time: float
    ) -> None:
        part.faces = {track.number: part.faces[track.number] for track in tracks if track.number in part.faces}
        due = [track for track in tracks if _in_sight(track, frame) and _is_due(part.faces.get(track.number), time)]
        if not due:
            return
        # A further step sees what the one before has made of the hair, so that must not come and go.
        known = [part.faces.get(track.number) for track in due]
        hair = len(steps) > 1 or any(face is None or not 0 <= time - face.hair_time < HAIR_EVERY for face in known)
        faces = [track.as_face() for track in due]
        layers = self._studio.generate(frame, faces, [steps] * len(due), hair=hair)
        for track, face, latest in zip(due, known, layers, strict=True):
            if face is None or _shapes(face.latest) != _shapes(latest):  # a translator may have been replaced
                part.faces[track.number] = _FaceResult(latest, latest, time, time if hair else -math.inf)
            else:
                face.renew(latest, time, hair=hair)


def _in_sight(track: Track, frame: NDArray[np.uint8]) -> bool:
    x, y = track.landmarks.mean(0)
    return track.followed and 0 <= x < frame.shape[1] and 0 <= y < frame.shape[0]


def _is_due(face: _FaceResult | None, time: float) -> bool:
    if face is None:
        return True
    if face.frames >= FRAMES_OF_DRAWING and any(item.output == "picture" for item in face.latest):
        return True
    return not 0 <= time - face.time < min(EVERY[item.output] for item in face.latest)


def _shapes(layers: tuple[Layer, ...]) -> list[object]:
    return [(item.generated.shape, item.output) for item in layers]


def _composed(frame: NDArray[np.uint8], parts: list[_Part], tracks: list[Track], strength: float) -> NDArray[np.uint8]:
    """A new frame with the output of all parts composited onto it, each face where it is now."""
    result = np.array(frame)
    for part in parts:
        for item in part.whole:
            composite(result, item, strength)
        tone = Tone.of(result) if part.faces else None
        for track in tracks:
            if strength > 0 and track.number in part.faces:
                for item in part.faces[track.number].shown:
                    composite(result, _moved(item, track.landmarks), strength * track.presence, tone)
    return result


def _with_hair_of(old: Layer, new: Layer) -> Layer:
    """The new layer of a face with what an earlier one has around it."""
    if old.around is None or new.face is None:
        return new
    return replace(new, around=_moved(old, new.face.landmarks).around)


def _moved(item: Layer, landmarks: NDArray[np.floating]) -> Layer:
    """The layer of a face from an earlier frame, aligned to where its landmarks (5, 2) are now."""
    if item.face is None:
        return item
    back, _ = fit_similarity(landmarks, item.face.landmarks)
    return item.seen_from(back)
