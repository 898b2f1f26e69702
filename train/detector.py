"""Trains the face detector that is embedded: a RetinaFace mobile0.25, taught by facexlib's published weights.

    python train/detector.py --teacher detection_mobilenet0.25_Final.pth --faces celeba/ utkface/ selfies/ \
        --others drawings/ --output runs/detector --mosaics 400000

The teacher looks at clean mosaics of upright and tilted faces. The student sees them disturbed and turned by quarters,
and learns the teacher's answers, turned likewise, anchor by anchor: it finds what the teacher finds, at any angle.
Every 20th picture, by a hash of its name, is kept back for `python train/detector.py --measure`. It resumes by itself.
"""

import argparse
import copy
import json
import math
import sys
import time
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from cyclegan_core.errors import CycleganError
from cyclegan_core.faces.detector_weights import read_published
from cyclegan_core.faces.embedded_detector import EmbeddedDetector
from cyclegan_core.faces.retinaface import RetinaFaceDetector, new_network
from cyclegan_core.runtime.int8 import load_weights
from train.command_line import above_zero, command
from train.detection.calibration import calibrate, typical_pictures
from train.detection.distillation import Answers, distillation_loss, quarter_turns
from train.detection.measure import Moved, measure
from train.detection.mosaics import Mosaics, as_batch, disturb
from train.faces.teaching import save_half
from train.training.checkpoint import write_atomically

SIZES, BATCHES = (192, 256, 384, 640), (16, 8, 4, 2)  # side of the mosaics of a step in pixels, and how many
SIZE_SHARES = (0.3, 0.3, 0.25, 0.15)  # the largest teach large faces, and what large things are no faces
TURNED = 0.15  # share of the batches that are turned by quarters; with more, upright faces take much longer to learn
LEARNING_RATE, WEIGHT_DECAY, WARM_UP = 2e-3, 1e-4, 500  # the last in steps
EMA = 0.998  # a step
SAVE_SECONDS = 240.0
KEPT_BACK = 20  # one picture of so many
SUFFIXES = {".jpg", ".jpeg", ".png"}


@command()
def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    torch.manual_seed(0)
    if options.threads:
        torch.set_num_threads(options.threads)
    if not options.measure:
        return _train(options)
    faces = [path for path in _files(options.faces) if is_kept_back(path)]
    weights, mosaics = options.output / "detector.safetensors", Mosaics(faces)
    student = RetinaFaceDetector.load(weights, name="student")
    teacher = RetinaFaceDetector(read_published(options.teacher))
    report = {
        "alone, turned by quarters": measure(student, teacher, mosaics),
        "with the landmark network": measure(EmbeddedDetector(weights), teacher, mosaics, turn=False),
        "the teacher itself, moved": measure(Moved(teacher), teacher, mosaics, turn=False),
    }
    (options.output / "metrics.json").write_text(json.dumps(report, indent=2))
    print(json.dumps(report, indent=2))
    return 0


def is_kept_back(path: Path) -> bool:
    """Whether a picture is for measuring alone."""
    return zlib.crc32(path.name.encode()) % KEPT_BACK == 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--teacher", type=Path, required=True, help="facexlib's detection_mobilenet0.25_Final.pth")
    add("--faces", type=Path, nargs="+", required=True, help="folders of pictures of faces")
    add("--others", type=Path, nargs="*", default=[], help="folders of pictures of anything")
    add("--output", type=Path, required=True, help="folder of the run")
    add("--mosaics", type=int, default=400_000, help="budget")
    add("--init", type=Path, help="weights to begin with, as detector.safetensors of another run")
    add("--learning-rate", type=above_zero, default=LEARNING_RATE, help="at the start; it falls by a cosine")
    add("--threads", type=int, help="of PyTorch")
    add("--measure", action="store_true", help="measure OUTPUT/detector.safetensors against the teacher instead")
    return parser


def _files(folders: Sequence[Path]) -> list[Path]:
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES]
    if not files:
        raise CycleganError(f"there are no pictures in {', '.join(map(str, folders))}; check the names")
    return files


def _train(options: argparse.Namespace) -> int:
    mosaics = Mosaics(
        [path for path in _files(options.faces) if not is_kept_back(path)],
        _files(options.others) if options.others else (),
    )
    teacher = new_network()
    teacher.load_state_dict(read_published(options.teacher))
    teacher.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    run = Run(options.output, options.mosaics, options.learning_rate, options.init)
    print(f"Resumed after {run.seen:,} mosaics" if run.seen else "Started", flush=True)
    saved = reported = time.monotonic()
    before = run.seen
    sums: dict[str, float] = {}
    while run.seen < options.mosaics:
        random = np.random.default_rng((0, run.steps))
        losses = run.step(*draw_batch(mosaics, teacher, random))
        for name, value in losses.items():
            sums[name] = 0.98 * sums.get(name, value) + 0.02 * value
        now = time.monotonic()
        if now - reported > 30:
            rate = (run.seen - before) / (now - reported)
            shown = "  ".join(f"{name} {value:.3f}" for name, value in sums.items())
            print(f"{run.seen:9,} mosaics  {rate:.1f}/s  {shown}", flush=True)
            reported, before = now, run.seen
        if now - saved > SAVE_SECONDS:
            run.save()
            saved = now
    run.save()
    scale, shift = run.finish(teacher, mosaics)
    print(
        f"Done: {options.output / 'detector.safetensors'}, its scores scaled by {scale:.2f} and shifted by {shift:.2f}"
    )
    return 0


def draw_batch(mosaics: Mosaics, teacher: nn.Module, random: np.random.Generator) -> tuple[Tensor, Answers]:
    """Pictures for the student, (B, 3, S, S) as the network takes them, and what it is to answer to them."""
    index = int(random.choice(len(SIZES), p=SIZE_SHARES))
    size = SIZES[index]
    clean = [mosaics.draw(size, random) for _ in range(BATCHES[index])]
    with torch.inference_mode():
        answers = teacher(as_batch(clean))
    scores = torch.softmax(answers[1], dim=-1)
    quarters = int(random.integers(1, 4)) if random.random() < TURNED else 0
    turned = quarter_turns((answers[0], scores, answers[2]), size, quarters)
    disturbed = [np.rot90(disturb(picture, random), quarters) for picture in clean]
    return as_batch(disturbed), tuple(part.clone() for part in turned)  # type: ignore[return-value]


class Run:
    """The student, its optimiser and its average, kept in a folder. `seen` counts mosaics, `steps` batches.

    budget: of mosaics. learning_rate: at the start. init: weights that a new run begins with, instead of random ones.
    """

    def __init__(self, folder: Path, budget: int, learning_rate: float, init: Path | None = None) -> None:
        self._folder, self._budget, self._learning_rate = folder, budget, learning_rate
        folder.mkdir(parents=True, exist_ok=True)
        self._student = new_network().to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        checkpoint = folder / "checkpoint.pt"
        if init and not checkpoint.exists():
            try:
                load_weights(self._student, init)
            except (OSError, RuntimeError, SafetensorError) as error:
                raise CycleganError(f"--init: {init.name} is no detector.safetensors of such a run") from error
        self._average = copy.deepcopy(self._student).eval()
        self._optimiser = torch.optim.AdamW(self._student.parameters(), learning_rate, weight_decay=WEIGHT_DECAY)
        self.seen = self.steps = 0
        if checkpoint.exists():
            state = torch.load(checkpoint, weights_only=True)
            self._student.load_state_dict(state["student"])
            self._average.load_state_dict(state["average"])
            self._optimiser.load_state_dict(state["optimiser"])
            self.seen, self.steps = state["seen"], state["steps"]

    def step(self, pictures: Tensor, answers: Answers) -> dict[str, float]:
        """One update; returns the losses."""
        rate = 0.5 * (1 + math.cos(math.pi * min(1.0, self.seen / self._budget)))
        for group in self._optimiser.param_groups:
            group["lr"] = self._learning_rate * max(0.005, rate) * min(1.0, (self.steps + 1) / WARM_UP)
        losses = distillation_loss(self._student(pictures), answers)
        self._optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        nn.utils.clip_grad_norm_(self._student.parameters(), 10.0)
        self._optimiser.step()
        self.seen += len(pictures)
        self.steps += 1
        decay = min(EMA, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            for mine, new in zip(self._average.state_dict().values(), self._student.state_dict().values(), strict=True):
                if mine.is_floating_point():
                    mine.lerp_(new, 1 - decay)
        return {name: float(value.detach()) for name, value in losses.items()}

    def save(self) -> None:
        """Writes what resuming needs, and the average as the detector, its scores as they are."""
        state = {
            "student": self._student.state_dict(),
            "average": self._average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "seen": self.seen,
            "steps": self.steps,
        }
        write_atomically(self._folder / "checkpoint.pt", state)
        self._save_detector()

    def finish(self, teacher: nn.Module, mosaics: Mosaics) -> tuple[float, float]:
        """Writes the detector with calibrated scores and the ranges of its inputs; returns what `calibrate` does."""
        fitted = calibrate(self._average, teacher, mosaics)
        self._save_detector(typical_pictures(mosaics))
        return fitted

    def _save_detector(self, typical: Iterable[Tensor] = ()) -> None:
        save_half(self._average, self._folder / "detector.safetensors", typical)


if __name__ == "__main__":
    sys.exit(main())
