"""How long a photo takes, against one pass of the paper's generator on the same machine in the same run.

    python examples/benchmark.py

Prints milliseconds, the best of several runs, and their ratios: only the ratios mean anything on another machine.
"""

import time
from collections.abc import Callable
from pathlib import Path

import cv2
import torch

from cyclegan_core import FaceTranslator, images
from cyclegan_core.networks import ResnetGenerator

PHOTO = Path(__file__).parent / "two_people.jpg"
WIDTH = 1280  # pixels of the photo


def best(run: Callable[[], object], times: int = 7) -> float:
    """Seconds of the fastest of so many runs, after one that warms up."""
    run()
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def main() -> None:
    picture = images.load(PHOTO)
    height = round(picture.shape[0] * WIDTH / picture.shape[1])
    picture = cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_CUBIC)
    translator = FaceTranslator.from_pretrained("gender")
    faces = translator.find_faces(picture)
    generated = translator.generate(picture, "to_male", faces)
    plain, x = ResnetGenerator().eval(), torch.zeros(1, 3, 256, 256)

    def reference() -> None:
        with torch.inference_mode():
            plain(x)

    unit = best(reference, 3)
    print(f"{'ResNet-9, 256 x 256, eager PyTorch, one face':48s} {unit * 1e3:8.1f} ms  1.000")
    for name, run in {
        f"{WIDTH} x {height} photo, {len(faces)} faces, the whole way": lambda: translator(picture, "to_male"),
        f"  finding the faces ({translator.detector.name})": lambda: translator.find_faces(picture),
        f"  cutting and translating both ({translator.engine_name})": lambda: translator.generate(
            picture, "to_male", faces
        ),
        "  blending both (another strength costs only this)": lambda: translator.blend(picture, generated),
    }.items():
        seconds = best(run)
        print(f"{name:48s} {seconds * 1e3:8.1f} ms  {seconds / unit:.3f}")


if __name__ == "__main__":
    main()
