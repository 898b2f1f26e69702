"""Trains a translation from two folders of pictures.

    python train/run.py --preset gender --data crops/gender --output runs/gender --minutes 60
    python train/run.py --init age --data crops/mine --output runs/mine --minutes 20 --push-to-hub user/name
    accelerate launch train/run.py ...                      (several GPUs or machines: the same results, sooner)

The same command resumes a run that was stopped or killed. The trained translation is OUTPUT/translation, and where
validation pictures are kept back the best one of all snapshots is OUTPUT/best.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

import torch

from cyclegan_core.errors import CycleganError
from cyclegan_core.translations.config import Crop
from cyclegan_core.translations.translation import Translation
from train.command_line import STOPPED, above_zero, whole_number
from train.config.presets import PRESETS
from train.config.recipe import recipe
from train.config.schedule import Budget
from train.config.train_config import TrainConfig
from train.data.folders import prepared_size, read_crop
from train.data.listing import check_apart, count_pictures, source
from train.monitoring.logs import say
from train.plot import plot
from train.publishing.push import Request, check_access, push, push_only, remember
from train.training.checkpoint import alone_in, saved_config
from train.training.distributed import ProcessGroup
from train.training.dry_run import dry_run
from train.training.initialisation import read_initialisation
from train.training.loop import train
from train.training.networks import check_described
from train.training.run_folder import best_or_last

COUNT = whole_number(1)
OUT_OF_MEMORY = (
    "error: the memory is too small for this batch; choose a smaller --batch, or cut it into parts with --set "
    "accumulate=2, with which the run resumes; the last checkpoint is kept"
)
SAME_REQUEST_SECONDS = 1  # Ctrl-C reaches all processes, and the launcher of several then passes it on once more


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_argument_group("what to train")
    what.add_argument("--preset", help=f"one of {', '.join(PRESETS)} (cyclegan; with --init: its own recipe)")
    what.add_argument("--data", type=Path, help="folder with trainA, trainB, testA and testB; see train/prepare.py")
    what.add_argument("--output", type=Path, help="folder of the run; resumed where it holds one")
    what.add_argument("--init", metavar="NAME", help="start from a translation: embedded name, a folder or Hub repo")
    what.add_argument("--grow", action="store_true", help="with --init: on to twice its size, or --size")
    what.add_argument("--name", help="of the translation, instead of the preset's")
    what.add_argument("--directions", metavar="A_TO_B,B_TO_A", help="such as older,younger")
    what.add_argument("--licence", help="of the data, in words; the model card says it")
    how = parser.add_argument_group("how")
    how.add_argument("--minutes", type=above_zero, help="budget in minutes, over all sessions of the run")
    how.add_argument("--pictures", "--images", type=COUNT, help="budget in pictures of each domain")
    how.add_argument("--epochs", type=above_zero, help="budget in passes over the larger domain")
    how.add_argument("--snapshot-minutes", type=above_zero, default=5.0, help="between checkpoints and sheets (5)")
    how.add_argument("--patience", type=COUNT, help="end after so many snapshots without a better validation score")
    how.add_argument("--size", type=COUNT, help="side in pixels that the networks see, instead of the preset's")
    how.add_argument("--batch", type=COUNT, help="pictures of each domain in a step, over all processes")
    how.add_argument("--learning-rate", type=above_zero, help="instead of the preset's")
    how.add_argument("--seed", type=int, help="instead of the preset's")
    how.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="any field of TrainConfig, as JSON",
    )
    how.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    how.add_argument(
        "--bf16", action=argparse.BooleanOptionalAction, help="bfloat16 forward passes (on CUDA GPUs that have them)"
    )
    how.add_argument("--compile", action="store_true", help="torch.compile: a slow start, then faster steps on a GPU")
    how.add_argument("--threads", type=COUNT, help="CPU threads; one to a core that nothing else uses is fastest")
    how.add_argument("--dry-run", action="store_true", help="check data, memory, disk and the Hub, and end")
    hub = parser.add_argument_group("the Hugging Face Hub")
    hub.add_argument("--push-to-hub", metavar="USER/NAME", help="push the translation there when the run ends")
    hub.add_argument("--private", action="store_true", help="where the repository is made by this push")
    hub.add_argument("--revision", help="branch to push to (main)")
    hub.add_argument("--create-pr", action="store_true", help="propose the commit as a pull request")
    hub.add_argument("--push-only", type=Path, metavar="RUN", help="finish the push of a run that has ended")
    options = parser.parse_args(arguments)
    if options.push_only is None:
        for name in ("data", "output"):
            if getattr(options, name) is None:
                parser.error(f"--{name} is missing")
    return options


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    group: ProcessGroup | None = None
    try:
        if options.push_only is not None:
            if options.push_to_hub:
                _push(options, options.push_only)
            else:
                say(f"Pushed: {push_only(options.push_only)}")
            return 0
        if options.threads:
            torch.set_num_threads(options.threads)
        group = ProcessGroup.join(options.device)
        if not _train(options, group):
            say("Stopped; the same command resumes.")
            return STOPPED
        if group.is_main_process and not options.dry_run:
            if find_spec("matplotlib"):
                _draw(options.output)
            say(f"Done: {options.output / 'translation'}")
            if options.push_to_hub:
                _push(options, options.output)
        group.barrier()  # a launcher ends all processes when one of them has ended badly, even if it was done
    except CycleganError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error.filename or 'a file'} cannot be used: {error.strerror or error}", file=sys.stderr)
        return 1
    except (torch.OutOfMemoryError, MemoryError):
        print(OUT_OF_MEMORY, file=sys.stderr)
        return 1
    except RuntimeError as error:
        if "DefaultCPUAllocator" in str(error):
            print(OUT_OF_MEMORY, file=sys.stderr)
            return 1
        if group is None or group.is_main_process:
            raise
        print(f"error: process {group.rank} ends as another one has ended; that one says why", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped at once; the last checkpoint is kept.", file=sys.stderr)
        return STOPPED
    finally:
        if group is not None:
            group.leave()
    return 0


def _train(options: argparse.Namespace, group: ProcessGroup) -> bool:
    """All that comes before the push: false where somebody has asked the run to stop, which has saved then."""
    saved = group.call_on_main_process(lambda: saved_config(options.output)) if options.init else None
    # A run that has begun does not need again what it was initialised from.
    initialisation = None
    if options.init and saved is None:
        initialisation = group.main_process_first(lambda: read_initialisation(options.init))
    config = recipe(options, initialisation, group, saved)
    check_described(config)
    budget = _budget(options, config)
    if options.push_to_hub and group.is_main_process:
        request = _request(options)
        access = check_access(request.repo, private=request.private, create_pr=request.create_pr)
        say(access)
    crop = read_crop(options.data, config.size)
    check_apart(options.data, options.output)
    if group.is_main_process:
        _compare_sizes(options, config)
        if initialisation is not None:
            _compare_crops(initialisation.translation, crop)
    if options.dry_run:
        dry_run(config, options.data, options.output, group=group, initialisation=initialisation)
        return True
    if options.push_to_hub and group.is_main_process:
        remember(options.output, request)
    with alone_in(options.output) if group.is_main_process else nullcontext(), requests_to_stop() as asked:
        train(
            config,
            options.data,
            options.output,
            budget=budget,
            group=group,
            crop=crop,
            initialisation=initialisation,
            snapshot_minutes=options.snapshot_minutes,
            patience=options.patience,
            stop_asked=lambda: bool(asked),
        )
        return not any(group.gather(bool(asked)))


@contextmanager
def requests_to_stop() -> Iterator[list[float]]:
    """When SIGINT, SIGTERM or SIGHUP has come, while this lasts; a second one, later, is a KeyboardInterrupt.

    SIGHUP, which a terminal sends as it is closed, is left alone where it is ignored, as nohup has it.
    """
    asked: list[float] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if asked and time.monotonic() - asked[0] > SAME_REQUEST_SECONDS:
            raise KeyboardInterrupt
        if asked:
            return
        asked.append(time.monotonic())
        say("Saving, then stopping; once more to stop at once.", to_stderr=True)

    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    previous = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _draw(output: Path) -> None:
    """Draws the plot of the log; a run does not fail where that cannot be done."""
    try:
        plot(output)
    except (CycleganError, OSError) as error:
        say(f"note: the log is not drawn: {error}")


def _compare_sizes(options: argparse.Namespace, config: TrainConfig) -> None:
    """A note where the crops are smaller than what the networks see; an error where detail is the aim of the run."""
    prepared = prepared_size(options.data)
    if prepared is not None and prepared < config.size:
        words = f"the crops have {prepared} pixels and the networks see {config.size}: nothing can be learned about "
        words += f"detail; prepare them again with --size {config.size}"
        if options.grow:
            raise CycleganError(words)
        say(f"note: {words}")


def _compare_crops(init: Translation, crop: Crop | None) -> None:
    """A note where the pictures were cut in another way than those that the start was trained on."""
    begun = init.config.crop
    same = begun.is_cut_like(crop) if begun else crop is None
    if not same:
        say(
            f"note: {init.config.name} was trained on pictures that were cut in another way than these; it will take "
            "longer, and faces cut by train/prepare.py as its own were would be better"
        )


def _budget(options: argparse.Namespace, config: TrainConfig) -> Budget:
    pictures = options.pictures
    if options.epochs is not None:
        counts = []
        for split in ("trainA", "trainB"):
            place = source(options.data, split)
            if not isinstance(place, Path):
                raise CycleganError("--epochs needs folders that can be counted; give --pictures for a stream")
            counts.append(count_pictures(place))
        by_epochs = max(1, round(options.epochs * max(counts)))
        pictures = by_epochs if pictures is None else min(pictures, by_epochs)
    if options.patience and not config.validation:
        raise CycleganError("--patience needs validation pictures; leave out --set validation=0")
    if options.minutes is None and pictures is None and not options.dry_run:
        raise CycleganError("give a budget: --minutes, --pictures or --epochs")
    return Budget(minutes=options.minutes, pictures=pictures)


def _request(options: argparse.Namespace) -> Request:
    return Request(options.push_to_hub, private=options.private, revision=options.revision, create_pr=options.create_pr)


def _push(options: argparse.Namespace, run: Path) -> None:
    request = _request(options)
    url = push(
        best_or_last(run), request.repo, private=request.private, revision=request.revision,
        create_pr=request.create_pr, run=run,
    )  # fmt: skip
    say(f"Pushed: {url}")


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    sys.exit(main())
