"""How fast training is: pictures/s and memory of a plain loop and of ours, in one run.

python train/benchmark.py --preset cyclegan --size 128

Both train the same networks at the same resolution, on pictures that are in memory already. The plain loop trains as
pytorch-CycleGAN-and-pix2pix does: in float32, one picture of each domain at a time, every network called for each
batch by itself, Adam over lists of tensors. Ours does what the loop does, augmentation and averaging included.
They take turns, so that whatever else the machine does meets both. Which share of the device's peak arithmetic is used
is what the networks multiply and add, as `torch.utils.flop_counter` counts it, against a large matrix product in the
same precision, measured on the spot.
"""

import argparse
import ctypes
import gc
import itertools
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from cyclegan_core.errors import CycleganError
from cyclegan_core.image_pool import ImagePool
from train.command_line import whole_number
from train.config.presets import PRESETS, preset
from train.config.train_config import TrainConfig
from train.data.augment import augment
from train.training.distributed import ProcessGroup
from train.training.networks import build_networks
from train.training.state import TrainingState
from train.training.step import training_step

PICTURES = 32  # of each domain, in memory
ROUNDS = 3  # turns that each loop has
STEPS_TO_WARM_UP = 2
STEPS_BETWEEN_LOOKS = 4  # at the clock, on a GPU, which would have to be waited for

Step = Callable[[], None]


@dataclass(frozen=True)
class Measured:
    """One loop.

    memory: bytes at most; None where it cannot be told. arithmetic: operations per picture. peak: operations/s of the
    device in that precision.
    """

    name: str
    batch: int
    precision: str
    pictures_per_second: float
    memory: int | None
    arithmetic: float
    peak: float

    @property
    def share(self) -> float:
        """Of the peak that is used, in [0, 1]."""
        return self.pictures_per_second * self.arithmetic / self.peak


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the figures of both loops and their ratio; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python train/benchmark.py", description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--preset", choices=list(PRESETS), default="cyclegan", help="networks and recipe (default: cyclegan)")
    add("--size", type=whole_number(1), help="pixels of the pictures (default: the preset's)")
    add("--batch", type=whole_number(1), help="pictures of each domain in a step of ours (default: the preset's)")
    add("--seconds", type=float, default=30.0, help="to measure each loop for, after warming up (default: 30)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add("--bf16", action=argparse.BooleanOptionalAction, help="ours in bfloat16 (default: where it is made for that)")
    add("--compile", action="store_true", help="ours with torch.compile; takes minutes before it begins")
    add("--json", action="store_true", help="the same for programs")
    options = parser.parse_args(arguments)
    try:
        group = ProcessGroup.join(options.device)
        device = group.device
        bf16 = has_bf16(device) if options.bf16 is None else options.bf16
        config = recipe(preset(options.preset), size=options.size, batch=options.batch, bf16=bf16)
        plain, ours = compare(replace(config, compile=options.compile), group, options.seconds)
    except (CycleganError, ValueError) as error:  # networks say in a ValueError which sizes they take
        print(f"error: {error}", file=sys.stderr)
        return 1
    except torch.OutOfMemoryError:
        print("error: the device's memory is too small: choose a smaller --batch or --size", file=sys.stderr)
        return 1
    ratio = ours.pictures_per_second / plain.pictures_per_second
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} CPU core(s)"
    if options.json:
        rows = [{**asdict(row), "share": row.share} for row in (plain, ours)]
        print(json.dumps({"device": name, "size": config.size, "loops": rows, "ratio": ratio}, indent=2))
        return 0
    print(f"{options.preset} at {config.size} pixels on {name}; a picture is one of each domain")
    for row in (plain, ours):
        memory = "memory unknown" if row.memory is None else f"{row.memory / 2**20:7,.0f} MiB"
        print(
            f"{row.name:<6}batch {row.batch:<3} {row.precision:<9}{row.pictures_per_second:9.2f} pictures/s  {memory}  "
            f"{row.share:4.0%} of the peak of {row.peak / 1e12:.2f} Tflop/s, {row.arithmetic / 1e9:.0f} Gflop a picture"
        )
    print(f"ours is {ratio:.1f} times as fast")
    return 0


def recipe(config: TrainConfig, *, size: int | None, batch: int | None, bf16: bool) -> TrainConfig:
    """The preset as it is measured: in one stage and without a frozen encoder, which needs pictures to learn from."""
    return replace(config, size=size or config.size, batch=batch or config.batch, stages=(), constancy=0.0, bf16=bf16)


def has_bf16(device: torch.device) -> bool:
    """Whether the device multiplies in bfloat16 faster than in float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    with suppress(OSError):
        return any(word in Path("/proc/cpuinfo").read_text() for word in ("avx512_bf16", "amx_bf16"))
    return False


def compare(config: TrainConfig, group: ProcessGroup, seconds: float) -> tuple[Measured, Measured]:
    """Measures the plain loop and ours by turns, so that both meet the same machine."""
    device, rounds = group.device, 1 if config.compile else ROUNDS
    torch.manual_seed(config.seed)
    pictures = [
        torch.randint(0, 256, (PICTURES, 3, config.size, config.size), dtype=torch.uint8).to(device) for _ in "ab"
    ]
    plain = replace(config, batch=1, bf16=False, compile=False)
    loops = (("plain", plain, plain_loop), ("ours", config, our_loop))
    peaks = {bf16: peak_arithmetic(device, bf16) for bf16 in {False, config.bf16}}
    speeds: dict[str, list[float]] = {name: [] for name, *_ in loops}
    memories: dict[str, list[int]] = {name: [] for name, *_ in loops}
    arithmetic = {}
    memory = _Memory(device)
    for turn in range(rounds):
        for name, settings, build in loops:
            if turn == 0:
                arithmetic[name] = count_arithmetic(replace(settings, compile=False), group, build, pictures)
            memory.begin_turn()
            step = build(settings, group, *pictures)
            for _ in range(STEPS_TO_WARM_UP):
                step()
            speeds[name].append(settings.batch * steps_per_second(step, device, seconds / rounds))
            used = memory.used()
            if used is not None:
                memories[name].append(used)
            del step
    plain_row, our_row = (
        Measured(
            name, settings.batch, "bfloat16" if settings.bf16 else "float32", median(speeds[name]),
            max(memories[name], default=None), arithmetic[name], peaks[settings.bf16],
        )
        for name, settings, _ in loops
    )  # fmt: skip
    return plain_row, our_row


def plain_loop(config: TrainConfig, group: ProcessGroup, a: Tensor, b: Tensor) -> Step:
    """A step of CycleGAN as its authors' PyTorch code takes it; cycle 10, identity 5, histories of 50 pictures."""
    nets = build_networks(config, group.device)
    for net in (*nets.generators().values(), *nets.discriminators().values()):
        net.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    discriminators = [p for net in nets.discriminators().values() for p in net.parameters()]
    generators = [p for net in nets.generators().values() for p in net.parameters()]
    adam_g, adam_d = (
        torch.optim.Adam(parameters, lr=2e-4, betas=(0.5, 0.999)) for parameters in (generators, discriminators)
    )
    pool_a, pool_b = ImagePool(50), ImagePool(50)
    chosen = itertools.cycle(range(PICTURES))

    def towards(scores: Tensor | list[Tensor], target: float) -> Tensor:
        maps = [scores] if isinstance(scores, Tensor) else scores
        return torch.stack([F.mse_loss(one, torch.full_like(one, target)) for one in maps]).mean()

    def step() -> None:
        row = next(chosen)
        real_a, real_b = (pictures[row : row + 1].float() / 127.5 - 1 for pictures in (a, b))
        fake_b = nets.a_to_b(real_a)
        back_a = nets.b_to_a(fake_b)
        fake_a = nets.b_to_a(real_b)
        back_b = nets.a_to_b(fake_a)

        for parameter in discriminators:
            parameter.requires_grad_(False)
        adam_g.zero_grad()
        same_b, same_a = nets.a_to_b(real_b), nets.b_to_a(real_a)
        loss = towards(nets.discriminator_b(fake_b), 1.0) + towards(nets.discriminator_a(fake_a), 1.0)
        loss = loss + 10 * (F.l1_loss(back_a, real_a) + F.l1_loss(back_b, real_b))
        loss = loss + 5 * (F.l1_loss(same_a, real_a) + F.l1_loss(same_b, real_b))
        loss.backward()
        adam_g.step()

        for parameter in discriminators:
            parameter.requires_grad_(True)
        adam_d.zero_grad()
        for discriminator, real, fake, pool in (
            (nets.discriminator_b, real_b, fake_b, pool_b),
            (nets.discriminator_a, real_a, fake_a, pool_a),
        ):
            loss = 0.5 * (towards(discriminator(real), 1.0) + towards(discriminator(pool.query(fake.detach())), 0.0))
            loss.backward()
        adam_d.step()

    return step


def our_loop(config: TrainConfig, group: ProcessGroup, a: Tensor, b: Tensor) -> Step:
    """A step of ours, on pictures that are drawn and augmented as for a run."""
    nets = build_networks(config, group.device)
    state = TrainingState(config, nets, group)

    def drawn(pictures: Tensor) -> Tensor:
        rows = torch.randint(0, len(pictures), (config.batch,)).to(pictures.device, non_blocking=True)
        moved = augment(pictures[rows], config, size=config.size)
        return moved.contiguous(memory_format=torch.channels_last)

    def step() -> None:
        training_step(state, drawn(a), drawn(b), progress=config.head_start)

    return step


def steps_per_second(step: Step, device: torch.device, seconds: float) -> float:
    """Mean over so many seconds, and at least one step."""
    _wait(device)
    began, done = time.perf_counter(), 0
    while done == 0 or time.perf_counter() - began < seconds:
        for _ in range(STEPS_BETWEEN_LOOKS if device.type == "cuda" else 1):
            step()
            done += 1
        _wait(device)
    return done / (time.perf_counter() - began)


def count_arithmetic(
    config: TrainConfig, group: ProcessGroup, build: Callable[..., Step], pictures: Sequence[Tensor]
) -> float:
    """Operations per picture, two for each multiplication and addition, backward passes included.

    The mean over as many steps as it takes for every loss to have its turn; matrix products and convolutions count, but
    for those of the R1 penalty, whose slopes of slopes the counter cannot follow.
    """
    config = replace(config, r1=0.0)
    steps = max(config.cycle_every, config.identity_every) if build is our_loop else 1
    step = build(config, group, *pictures)
    with FlopCounterMode(display=False) as counter:
        for _ in range(steps):
            step()
    return counter.get_total_flops() / steps / config.batch


def peak_arithmetic(device: torch.device, bf16: bool) -> float:
    """Operations per second of a large matrix product: the best of several."""
    side = 8192 if device.type == "cuda" else 2048
    dtype = torch.bfloat16 if bf16 else torch.float32
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    # Convolutions use TensorFloat-32 by default where the GPU has it, so the product they are held against may too.
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
    try:
        for _ in range(6):
            _wait(device)
            began = time.perf_counter()
            torch.mm(a, b)
            _wait(device)
            best = min(best, time.perf_counter() - began)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    return 2 * side**3 / best


class _Memory:
    """What is taken beyond what was in use when this was made: of the GPU, or by the process on a CPU under Linux."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._before = self._begin()

    def begin_turn(self) -> None:
        """Gives back what is not in use, and forgets the peak until now."""
        self._begin()

    def used(self) -> int | None:
        """Bytes at the peak of this turn; None where it cannot be told."""
        now = torch.cuda.max_memory_allocated(self._device) if self._device.type == "cuda" else _resident("VmHWM")
        return None if now is None or self._before is None else max(0, now - self._before)

    def _begin(self) -> int | None:
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self._device)
            return torch.cuda.memory_allocated(self._device)
        with suppress(OSError, AttributeError):  # another C library keeps what it has
            ctypes.CDLL(None).malloc_trim(0)
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        return _resident("VmRSS")


def _resident(name: str) -> int | None:
    """Bytes of this process, as Linux knows them."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return None


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    sys.exit(main())
