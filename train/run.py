"""Trains a translation from two folders of pictures.

    python train/run.py --preset gender --data crops/gender --output runs/gender --minutes 60

The same command resumes a run that was stopped or killed. The trained translation is OUTPUT/translation.
"""

import argparse
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from cyclegan_core.errors import CycleganError
from cyclegan_core.translation import Translation
from train.config import PRESETS, preset
from train.data import read_crop
from train.loop import train


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="gender", help=f"one of {', '.join(PRESETS)}")
    parser.add_argument("--data", type=Path, required=True, help="folder with trainA, trainB, testA and testB")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run; resumed where it holds one")
    parser.add_argument("--minutes", type=_positive, help="budget in minutes, over all sessions of the run")
    parser.add_argument("--pictures", type=_count, help="budget in pictures of each domain")
    parser.add_argument("--snapshot-minutes", type=_positive, default=5.0, help="between checkpoints and sheets (5)")
    parser.add_argument("--size", type=_count, help="side in pixels that the networks see, instead of the preset's")
    parser.add_argument("--batch", type=_count, help="pictures of each domain in a step, instead of the preset's")
    parser.add_argument("--learning-rate", type=_positive, help="instead of the preset's")
    parser.add_argument("--seed", type=int, help="instead of the preset's")
    parser.add_argument("--init", metavar="NAME", help="start from a translation: embedded name, folder or Hub repo")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--bf16", action="store_true", help="bfloat16 forward passes: faster where hardware has them")
    parser.add_argument("--threads", type=_count, help="CPU threads; one to a core that nothing else uses is fastest")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        print("Saving, then stopping; once more to stop at once.", file=sys.stderr, flush=True)

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        if options.minutes is None and options.pictures is None:
            raise CycleganError("give a budget: --minutes or --pictures")
        if options.threads:
            torch.set_num_threads(options.threads)
        overrides = {
            name: getattr(options, name)
            for name in ("size", "batch", "learning_rate", "seed")
            if getattr(options, name) is not None
        }
        if options.bf16:
            overrides["bf16"] = True
        config = replace(preset(options.preset), **overrides)
        train(
            config,
            options.data,
            options.output,
            minutes=options.minutes,
            pictures=options.pictures,
            snapshot_minutes=options.snapshot_minutes,
            crop=read_crop(options.data, config.size),
            init=Translation.from_pretrained(options.init) if options.init else None,
            device=_device(options.device),
            stop_asked=lambda: bool(asked),
        )
    except CycleganError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped at once; the last checkpoint is kept.", file=sys.stderr)
        return 130
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if asked:
        print("Stopped; the same command resumes.", flush=True)
        return 130
    print(f"Done: {options.output / 'translation'}", flush=True)
    return 0


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise CycleganError("this torch sees no CUDA GPU; leave out --device cuda or install a CUDA build of torch")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
