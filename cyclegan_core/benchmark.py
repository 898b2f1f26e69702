"""How long everything takes on this machine, against one pass of the CycleGAN paper's generator in the same run.

Milliseconds are those of this machine; the ratios carry over to others.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cyclegan_core.inference.studio import Studio
from cyclegan_core.networks import ResnetGenerator
from cyclegan_core.video.stream import FaceStream
from cyclegan_core.video.translate import translate_video
from cyclegan_core.video.writer import VideoWriter

PHOTO_WIDTH = 1280
FRAME_WIDTH, FRAME_HEIGHT, FPS = 640, 480, 30
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 85]


@dataclass(frozen=True)
class Row:
    """One line of the table. seconds: of one of what is named. ratio: in passes of the reference."""

    name: str
    seconds: float
    ratio: float

    @property
    def per_second(self) -> float:
        return 1 / self.seconds


def measure(studio: Studio, photo: NDArray[np.uint8], *, times: int = 9, frames: int = 90) -> Iterator[Row]:
    """Measures what a visitor waits for, on an RGB uint8 (H, W, 3) photo with faces.

    times: repetitions of each measurement, of which the median counts. frames: length of the stream and of the film.
    """

    def seconds(run: Callable[[], object], repeat: int = times) -> float:
        run()  # warms up
        return median(_seconds(run) for _ in range(repeat))

    reference = ResnetGenerator().eval()
    example = torch.zeros(1, 3, 256, 256)
    with torch.inference_mode():
        unit = seconds(lambda: reference(example), min(times, 5))

    def row(name: str, taken: float) -> Row:
        return Row(name, taken, taken / unit)

    yield row("ResNet-9 of the paper, 256 x 256, eager PyTorch", unit)
    photo = _resized(photo, PHOTO_WIDTH)
    film = moving_face(photo, studio, frames)
    faces = studio.find_faces(photo)
    finder = studio.detector.name
    yield row(f"find faces, {FRAME_WIDTH} x {FRAME_HEIGHT} ({finder})", seconds(lambda: studio.find_faces(film[0])))
    yield row(f"find faces, photo of {photo.shape[1]} x {photo.shape[0]}", seconds(lambda: studio.find_faces(photo)))
    for name, translator in sorted(studio.translators.items()):
        direction = f"{name}:{translator.directions[0]}"
        chain = studio.chain(direction)
        label = f"{direction.replace(':', ', ').replace('_', ' ')}: "
        if studio.needs_no_face(chain):
            continue
        layers = studio.generate(photo, faces, [chain] * len(faces))
        engine = translator.engine_name
        many = f"{len(faces)} face{'s' * (len(faces) > 1)}"
        yield row(
            f"{label}cut and translate a face ({engine})", seconds(partial(studio.generate, photo, faces[:1], [chain]))
        )
        yield row(f"{label}blend {many}", seconds(partial(studio.blend, photo, layers)))
        yield row(f"{label}photo, {many}", seconds(partial(studio.translate, photo, chain)))
        yield row(f"{label}frame of a stream", _stream_seconds(studio, direction, film))
        yield row(f"{label}frame of a film", _film_seconds(studio, direction, film))


def stream_frames(studio: Studio, direction: str, film: list[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    """The frames of a stream as a webcam's are: decoded from JPEG, translated and encoded again."""
    chain, stream, clock = studio.chain(direction), FaceStream(studio), count()
    for frame in film:
        content = cv2.imencode(".jpg", frame, JPEG)[1]
        decoded = np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR_RGB), np.uint8)
        result = stream.process(decoded, chain, time=next(clock) / FPS)
        cv2.imencode(".jpg", result, JPEG)
        yield result


def moving_face(photo: NDArray[np.uint8], studio: Studio, frames: int) -> list[NDArray[np.uint8]]:
    """Frames of the photo's largest face that sways, nods and comes nearer: RGB uint8 (480, 640, 3) each.

    Raises ValueError for a photo without a face.
    """
    face = max(studio.find_faces(photo), key=lambda face: face.width, default=None)
    if face is None:
        raise ValueError("no face found in the photo; give one that shows a face")
    x, y = face.landmarks.mean(0).tolist()
    scale = 0.36 * FRAME_HEIGHT / face.height
    film = []
    for at in np.arange(frames) / FPS:
        matrix = cv2.getRotationMatrix2D((x, y), 8 * np.sin(at), scale * (1.1 + 0.15 * np.sin(0.9 * at)))
        matrix[:, 2] += (
            FRAME_WIDTH / 2 - x + 60 * np.sin(1.7 * at),
            FRAME_HEIGHT / 2 - y + 20 * np.sin(2.3 * at),
        )
        size = (FRAME_WIDTH, FRAME_HEIGHT)
        frame = cv2.warpAffine(photo, matrix, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT_101)
        film.append(np.asarray(frame, np.uint8))
    return film


def _stream_seconds(studio: Studio, direction: str, film: list[NDArray[np.uint8]]) -> float:
    warm_up = len(film) // 9
    frames = stream_frames(studio, direction, film)
    for _ in range(warm_up):
        next(frames)
    return _seconds(lambda: list(frames)) / (len(film) - warm_up)


def _film_seconds(studio: Studio, direction: str, film: list[NDArray[np.uint8]]) -> float:
    with TemporaryDirectory() as folder:
        source = Path(folder) / "source.mp4"
        rate = Fraction(FPS)
        with VideoWriter(source, (FRAME_WIDTH, FRAME_HEIGHT), rate=rate, time_base=1 / rate, comment="") as writer:
            for number, frame in enumerate(film):
                writer.write(frame, number, 1)
        chain = studio.chain(direction)
        return _seconds(lambda: translate_video(source, Path(folder) / "result.mp4", studio, chain)) / len(film)


def _seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _resized(photo: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    size = (width, round(photo.shape[0] * width / photo.shape[1]))
    interpolation = cv2.INTER_AREA if width < photo.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(photo, size, interpolation=interpolation), np.uint8)
