"""How many frames a second a stream gives, against one that only decodes and encodes the same pictures.

    python examples/benchmark_stream.py [DIRECTION]

A face that moves, 640 x 480 pixels, as JPEG in and JPEG out, like a webcam in a browser. Prints milliseconds for a
frame and frames a second, all of one run and taken in turns: only the ratios mean anything on another machine.
"""

import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from statistics import mean, median, quantiles

import cv2
import numpy as np
from numpy.typing import NDArray

from cyclegan_core import CycleganError, FaceTranslator, images
from cyclegan_core.inference.studio import Studio
from cyclegan_core.translations.catalog import CATALOG, source_of
from cyclegan_core.video.stream import FaceStream

PHOTO = Path(__file__).parent / "astronaut.jpg"
WIDTH, HEIGHT, FPS = 640, 480, 20
FRAMES = 200
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 85]


def moving_face() -> list[bytes]:
    """JPEGs of a face that sways, nods and comes nearer."""
    photo = images.load(PHOTO)
    frames = []
    for i in range(FRAMES):
        at = i / FPS
        matrix = cv2.getRotationMatrix2D((204, 124), 8 * np.sin(at), 1.1 + 0.15 * np.sin(at * 0.9))
        matrix[:, 2] += (116 + 60 * np.sin(at * 1.7), 90 + 20 * np.sin(at * 2.3))
        options = {"flags": cv2.INTER_CUBIC, "borderMode": cv2.BORDER_REPLICATE}
        frame = cv2.warpAffine(photo, matrix, (WIDTH, HEIGHT), **options)
        frames.append(encoded(frame))
    return frames


def encoded(frame: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), JPEG)[1].tobytes()


def decoded(content: bytes) -> NDArray[np.uint8]:
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def seconds(run: Callable[[bytes], object], content: bytes) -> float:
    began = time.perf_counter()
    run(content)
    return time.perf_counter() - began


def main() -> None:
    direction = sys.argv[1] if len(sys.argv) > 1 else "to_female"
    entry = next((entry for entry in CATALOG if direction in entry.labels), None)
    if entry is None:
        sys.exit(f"no translation goes {direction}: give one of {', '.join(d for e in CATALOG for d in e.labels)}")
    try:
        name, revision = source_of(entry)
        studio = Studio({entry.name: FaceTranslator.from_pretrained(name, revision=revision)})
    except CycleganError as error:
        sys.exit(str(error))
    chain, stream = studio.chain(direction), FaceStream(studio)
    identity: list[float] = []
    whole: list[float] = []
    clock = count()
    for content in moving_face():
        identity.append(seconds(lambda jpeg: encoded(decoded(jpeg)), content))
        whole.append(
            seconds(lambda jpeg: encoded(stream.process(decoded(jpeg), chain, time=next(clock) / FPS)), content)
        )
    print(f"{direction}, {WIDTH} x {HEIGHT}, detector {studio.detector.name}, {stream.faces} face")
    unit = mean(identity[10:])
    rows = {"decode and encode only": identity, "the whole way": whole}
    rows["  of that, FaceStream.process"] = [b - a for a, b in zip(identity, whole, strict=True)]
    for label, taken in rows.items():
        taken = taken[10:]  # the first warm up
        slowest = quantiles(taken, n=20)[-1]
        print(
            f"{label:32s} mean {mean(taken) * 1e3:6.1f} ms, median {median(taken) * 1e3:6.1f}, "
            f"95 % under {slowest * 1e3:6.1f}, {1 / mean(taken):6.1f} frames/s, {mean(taken) / unit:5.2f} x"
        )
    print(f"at {FPS} frames/s this keeps one core busy for {mean(whole[10:]) * FPS:.0%} of the time")


if __name__ == "__main__":
    main()
