"""The training loop, from top to bottom."""

import copy
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cyclegan_core.errors import CycleganError
from cyclegan_core.image_pool import ImagePool
from cyclegan_core.translation import Translation
from cyclegan_core.translation_config import Crop, Direction
from train.building import average, build_networks, describe, load_or_train_guide
from train.checkpoint import load_checkpoint, save_checkpoint
from train.config import TrainConfig
from train.data import Shuffled, augment, load_pictures, stored_size
from train.samples import save_sheet, spread
from train.step import discriminator_step, generator_step

LOG_FILE = "log.jsonl"


def train(
    config: TrainConfig,
    data: Path,
    output: Path,
    *,
    minutes: float | None,
    pictures: int | None,
    snapshot_minutes: float = 5.0,
    crop: Crop | None = None,
    init: Translation | None = None,
    device: torch.device,
    stop_asked: Callable[[], bool] = lambda: False,
) -> Translation:
    """Trains until the budget is spent or `stop_asked`, and returns the EMA generators, which are in `output` as well.

    data: folder with trainA, trainB, testA and testB. Resumes from the checkpoint in `output` when there is one; the
    minutes and pictures of a budget count from the first start. Raises CycleganError in words for people.
    """
    began = time.monotonic()
    output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    state = load_checkpoint(output)
    if state and (changed := config.differences(state["config"])):
        raise CycleganError(
            f"{output.name} holds a run with another {', '.join(changed)}; use another --output or delete it"
        )

    # Data: kept at the size of the files on the device, so that augmentation can move it without blurring.
    stored = stored_size(data, config.size)
    a, b = (load_pictures(data / f"train{d}", stored).to(device) for d in "AB")
    shown = {
        "a_to_b": spread(load_pictures(data / "testA", stored), 16),
        "b_to_a": spread(load_pictures(data / "testB", stored), 16),
    }
    samplers = {"a": Shuffled(len(a), config.seed), "b": Shuffled(len(b), config.seed + 1)}

    nets = build_networks(config, device, init)
    ema = {name: copy.deepcopy(g).eval().requires_grad_(False) for name, g in nets.generators().items()}
    trained = {**nets.generators(), **nets.discriminators()}
    optimisers = {
        side: torch.optim.Adam(
            [p for net in group.values() for p in net.parameters()], config.learning_rate, betas=config.betas
        )
        for side, group in (("generators", nets.generators()), ("discriminators", nets.discriminators()))
    }
    pools = {"a": ImagePool(config.pool), "b": ImagePool(config.pool)}
    if config.attribute:
        nets.guide = load_or_train_guide(config, data, a, b)

    done, spent, step = 0, 0.0, 0
    if state:
        for name, net in {**trained, **{f"ema_{n}": g for n, g in ema.items()}}.items():
            net.load_state_dict(state["networks"][name])
        for side, optimiser in optimisers.items():
            optimiser.load_state_dict(state["optimisers"][side])
        for side in "ab":
            samplers[side].load_state_dict(state["samplers"][side])
            pools[side].pictures = [p.to(device) for p in state["pools"][side]]
        done, spent, step = state["pictures"], state["seconds"], state["step"]
        torch.set_rng_state(state["rng"])
        if device.type == "cuda" and state["cuda_rng"] is not None:
            torch.cuda.set_rng_state(state["cuda_rng"], device)
        print(f"Resumed after {done:,} pictures and {spent / 60:.1f} minutes", flush=True)

    def snapshot() -> Translation:
        seconds = spent + time.monotonic() - began
        save_checkpoint(
            output,
            {
                "config": json.loads(json.dumps(config.to_dict())),
                "networks": {
                    **{name: net.state_dict() for name, net in trained.items()},
                    **{f"ema_{name}": g.state_dict() for name, g in ema.items()},
                },
                "optimisers": {side: o.state_dict() for side, o in optimisers.items()},
                "samplers": {side: s.state_dict() for side, s in samplers.items()},
                "pools": {side: p.pictures for side, p in pools.items()},
                "rng": torch.get_rng_state(),
                "cuda_rng": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
                "pictures": done,
                "seconds": seconds,
                "step": step,
            },
        )
        summary = {
            "pictures": done,
            "minutes": round(seconds / 60, 1),
            "device": torch.cuda.get_device_name(device)
            if device.type == "cuda"
            else f"{torch.get_num_threads()} CPU core(s)",
            "train_a": len(a),
            "train_b": len(b),
            "config": config.to_dict(),
        }
        translation = Translation(
            replace(describe(config, crop), training=summary),
            {Direction(name): generator for name, generator in ema.items()},
        )
        translation.save(output / "translation")
        save_sheet(
            output / f"samples_{done:08d}.png",
            ema,
            shown,
            size=config.size,
            output=config.output,
            gain=config.gain,
            side=128,
        )
        return translation

    def progress() -> float:
        """Share of the budget that is spent, in [0, 1]."""
        shares = [0.0]
        if pictures is not None:
            shares.append(done / pictures)
        if minutes is not None:
            shares.append((spent + time.monotonic() - began) / 60 / minutes)
        return min(max(shares), 1.0)

    last_snapshot = last_print = time.monotonic()
    first_done, first_time = done, time.monotonic()
    totals: dict[str, Tensor] = {}
    counted: dict[str, int] = {}
    while progress() < 1 and not stop_asked():
        for side, pace in (("generators", 1.0), ("discriminators", config.discriminator_pace)):
            for group in optimisers[side].param_groups:
                group["lr"] = config.learning_rate * pace * min(1.0, 2 - 2 * progress())
        real_a = _batch(a, samplers["a"], config)
        real_b = _batch(b, samplers["b"], config)

        # Generators: discriminators only pass the gradient through.
        for net in nets.discriminators().values():
            net.requires_grad_(False)
        with torch.autocast(device.type, torch.bfloat16, enabled=config.bf16):
            loss, parts, fake_a, fake_b = generator_step(nets, real_a, real_b, config, step, progress())
        optimisers["generators"].zero_grad()
        loss.backward()
        optimisers["generators"].step()
        average(ema, nets.generators(), config, done)

        # Discriminators.
        for net in nets.discriminators().values():
            net.requires_grad_(True)
        with torch.autocast(device.type, torch.bfloat16, enabled=config.bf16):
            judged_a = discriminator_step(nets.judge_a, real_a, fake_a, real_b, pools["a"], config)
            judged_b = discriminator_step(nets.judge_b, real_b, fake_b, real_a, pools["b"], config)
        optimisers["discriminators"].zero_grad()
        (judged_a + judged_b).backward()
        optimisers["discriminators"].step()
        parts |= {"judge_a": judged_a.detach(), "judge_b": judged_b.detach()}

        step += 1
        done += config.batch
        for name, part in parts.items():  # summed on the device: reading each step would wait for it
            totals[name] = totals.get(name, torch.zeros((), device=device)) + part
            counted[name] = counted.get(name, 0) + 1
        now = time.monotonic()
        if now - last_print > 30:
            means = {name: round(float(total) / counted[name], 4) for name, total in totals.items()}
            rate = (done - first_done) / (now - first_time)
            _report(
                output,
                {"pictures": done, "minutes": round((spent + now - began) / 60, 2), "rate": round(rate, 1)},
                means,
            )
            totals, counted, last_print = {}, {}, now
            if any(value != value for value in means.values()):
                raise CycleganError(
                    "the losses are no longer numbers; the last checkpoint is kept, try a lower learning rate"
                )
        if now - last_snapshot > 60 * snapshot_minutes:
            snapshot()
            last_snapshot = time.monotonic()
    return snapshot()


def _batch(pictures: Tensor, sampler: Shuffled, config: TrainConfig) -> Tensor:
    chosen = pictures[sampler.take(config.batch).to(pictures.device)]
    return augment(chosen, config, size=config.size).contiguous(memory_format=torch.channels_last)


def _report(output: Path, counts: dict[str, Any], means: dict[str, float]) -> None:
    print(
        f"{counts['minutes']:7.1f} min {counts['pictures']:9,} pictures {counts['rate']:6.1f}/s  "
        + "  ".join(f"{name} {value:.3f}" for name, value in means.items()),
        flush=True,
    )
    with (output / LOG_FILE).open("a") as log:
        log.write(json.dumps({**counts, **means}) + "\n")
