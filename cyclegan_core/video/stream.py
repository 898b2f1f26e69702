"""Frames in, frames out: the faces of one person's webcam or of one video file, translated without a flicker."""

import math
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cyclegan_core.faces.alignment import Alignment, fit_similarity
from cyclegan_core.faces.tone import Tone
from cyclegan_core.inference.composition import GeneratedFace, lay
from cyclegan_core.inference.studio import Chain, Studio
from cyclegan_core.inference.translator import check_picture, check_strength
from cyclegan_core.video.tracking import FaceTracker, Track

# Time constants of the average over what the network makes of a face, in coordinates of its crop. A change is smooth
# and slow; a picture holds the expression, which must not lag.
SECONDS_OF = {"change": 0.2, "picture": 0.03}
# A change that is averaged for so long need not be made anew for every frame: at 30 frames/s, for every second one.
CHANGE_EVERY = 0.055  # seconds
SWITCH_SECONDS = 0.2  # of the cross-fade from one chain to another


@dataclass
class _Look:
    """What the chain makes of one face: averaged layers, and the last ones that they are on the way to."""

    layers: tuple[GeneratedFace, ...]
    latest: tuple[GeneratedFace, ...]
    made: float  # the time of the latest

    def approach(self, seconds: float) -> None:
        """Moves the average on by so many seconds."""
        averaged = []
        for shown, new in zip(self.layers, self.latest, strict=True):
            weight = np.float32(1 - math.exp(-seconds / SECONDS_OF[new.output]))
            averaged.append(replace(new, generated=shown.generated + weight * (new.generated - shown.generated)))
        self.layers = tuple(averaged)


@dataclass
class _Made:
    """All that one chain has made of the stream: under the faces, and of each by the number of its track."""

    chain: Chain
    under: tuple[GeneratedFace, ...] = ()
    looks: dict[int, _Look] = field(default_factory=dict)


class FaceStream:
    """Translates the faces of one stream: keeps its own tracks and its own state, one object for each stream.

    Not shared between threads. The studio may be, and its translators and detector may be replaced meanwhile.

    most_faces: the largest so many are translated.
    """

    def __init__(self, studio: Studio, *, most_faces: int = 4) -> None:
        self._studio = studio
        self._most_faces = most_faces
        self._tracker = FaceTracker()
        self.reset()

    def reset(self) -> None:
        """Forgets all faces and what was made of them, as at the beginning of a stream."""
        self._tracker.reset()
        self._made = _Made(())
        self._outgoing: _Made | None = None
        self._switched = -math.inf
        self._time: float | None = None

    @property
    def faces(self) -> int:
        """How many faces are followed at the moment, those beyond the largest ones included."""
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

        Frames may change in size. Faces that enter or leave fade, and so does a new chain; what fades in shows at once
        after a cut. strength: in [0, 1]. time: the frame's, in seconds, increasing; a gap of over a second, or a step
        back, begins anew. Raises TranslationError for a step that the studio has not, ValueError for a frame or a
        strength that is not as above.
        """
        check_picture(frame)
        check_strength(strength)
        if not math.isfinite(time):
            raise ValueError(f"time must be a number of seconds, not {time}")
        tracks: list[Track] = []
        if not self._studio.whole(chain):  # where no step needs a face, none is looked for
            most = 1 if largest_only else self._most_faces
            tracks = self._tracker.update(frame, time, self._studio.detector, most)
        if chain != self._made.chain:
            self._switch(chain, time)
        self._make(frame, tracks, time)

        result = _composed(frame, self._made, tracks, strength)
        share = (time - self._switched) / SWITCH_SECONDS
        if self._outgoing is not None and 0 <= share < 1:
            before = _composed(frame, self._outgoing, tracks, strength)
            result = cv2.addWeighted(result, share, before, 1 - share, 0)
        else:
            self._outgoing = None
        return result

    def _switch(self, chain: Chain, time: float) -> None:
        begun = self._time is not None  # the first chain of a stream has nothing to fade from
        half_way = self._outgoing is not None and time - self._switched < SWITCH_SECONDS / 2
        if begun and not half_way:  # two switches in a row: what is still mostly to be seen goes on fading
            self._outgoing, self._switched = self._made, time
        self._made = _Made(chain)

    def _make(self, frame: NDArray[np.uint8], tracks: list[Track], time: float) -> None:
        """Runs the networks where something is due, and moves every average on to this moment."""
        made, studio = self._made, self._studio
        seconds = 0.0 if self._time is None else max(time - self._time, 0.0)
        self._time = time
        whole = tuple(step for step in made.chain if studio.whole((step,)))
        rest = tuple(step for step in made.chain if step not in whole)
        ground = frame
        if whole:
            (made.under,) = studio.generate_whole(frame, whole)
            ground = _laid(frame, made.under, 1.0)

        made.looks = {track.number: made.looks[track.number] for track in tracks if track.number in made.looks}
        due = [track for track in tracks if rest and _in_sight(track, frame) and _is_due(made.looks, track, time)]
        layers = studio.generate(ground, [track.as_face() for track in due], [rest] * len(due)) if due else ()
        for track, latest in zip(due, layers, strict=True):
            look = made.looks.get(track.number)
            if look is None or _shapes(look.latest) != _shapes(latest):  # a translator may have been replaced
                made.looks[track.number] = _Look(latest, latest, time)
            else:
                look.latest, look.made = latest, time
        for look in made.looks.values():
            look.approach(seconds)


def _in_sight(track: Track, frame: NDArray[np.uint8]) -> bool:
    x, y = track.landmarks.mean(0)
    return track.followed and 0 <= x < frame.shape[1] and 0 <= y < frame.shape[0]


def _is_due(looks: dict[int, _Look], track: Track, time: float) -> bool:
    look = looks.get(track.number)
    if look is None or any(item.output == "picture" for item in look.latest):
        return True
    return not 0 <= time - look.made < CHANGE_EVERY


def _shapes(layers: tuple[GeneratedFace, ...]) -> list[object]:
    return [(item.generated.shape, item.output) for item in layers]


def _composed(frame: NDArray[np.uint8], made: _Made, tracks: list[Track], strength: float) -> NDArray[np.uint8]:
    """A new frame with all that was made laid over it, each face where it is now."""
    result = _laid(frame, made.under, strength)
    tone = Tone.of(result) if tracks else None
    for track in tracks:
        if strength > 0 and track.number in made.looks:
            for item in made.looks[track.number].layers:
                lay(result, _moved(item, track), strength * track.presence, tone)
    return result


def _laid(frame: NDArray[np.uint8], layers: tuple[GeneratedFace, ...], strength: float) -> NDArray[np.uint8]:
    result = np.array(frame, subok=False)
    for item in layers:
        lay(result, item, strength)
    return result


def _moved(item: GeneratedFace, track: Track) -> GeneratedFace:
    """What was made of a face in an earlier frame, where the face is now."""
    if item.face is None or item.alignment is None:
        return item
    back, _ = fit_similarity(track.landmarks, item.face.landmarks)
    matrix = item.alignment.matrix @ np.vstack([back, (0, 0, 1)])
    return replace(item, alignment=Alignment(matrix, item.alignment.size))
