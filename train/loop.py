"""The training loop, from top to bottom."""

import copy
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cyclegan_core.errors import CycleganError
from cyclegan_core.faces.alignment import TIGHT_TEMPLATE
from cyclegan_core.image_pool import ImagePool
from cyclegan_core.networks import PatchDiscriminator
from cyclegan_core.translation import Translation, build_generator
from cyclegan_core.translation_config import Crop, Direction, TranslationConfig
from train.checkpoint import load_checkpoint, save_checkpoint, write_atomically
from train.classifier import DomainClassifier, share_of_b, train_classifier
from train.config import TrainConfig
from train.data import Shuffled, augment, load_pictures
from train.samples import save_sheet
from train.step import Networks, discriminator_step, generator_step

GUIDE_PICTURES = 50_000
GUIDE_RADIUS = 1.0  # at 64 pixels; 3 was tried and leaves the classifier hardly better than chance
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
    stored = _stored_size(data, config.size)
    a, b = (load_pictures(data / f"train{d}", stored).to(device) for d in "AB")
    shown = {
        "a_to_b": load_pictures(data / "testA", stored)[:16],
        "b_to_a": load_pictures(data / "testB", stored)[:16],
    }
    samplers = {"a": Shuffled(len(a), config.seed), "b": Shuffled(len(b), config.seed + 1)}

    nets = _build(config, device, init)
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
        nets.guide = _guide(config, data, a, b)

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
            else f"CPU, {torch.get_num_threads()} threads",
            "train_a": len(a),
            "train_b": len(b),
            "config": config.to_dict(),
        }
        translation = Translation(
            replace(_translation_config(config, crop), training=summary),
            {Direction(name): generator for name, generator in ema.items()},
        )
        translation.save(output / "translation")
        save_sheet(output / f"samples_{done:08d}.png", ema, shown, size=config.size, output=config.output, side=128)
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
        loss, parts, fake_a, fake_b = generator_step(nets, real_a, real_b, config, step, progress())
        optimisers["generators"].zero_grad()
        loss.backward()
        optimisers["generators"].step()
        _average(ema, nets.generators(), config, done)

        # Discriminators.
        for net in nets.discriminators().values():
            net.requires_grad_(True)
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


def _build(config: TrainConfig, device: torch.device, init: Translation | None) -> Networks:
    def place(net: nn.Module) -> nn.Module:
        return net.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    described = _translation_config(config, None)
    generators = [build_generator(described) for _ in Direction]
    if init is not None:
        for generator, direction in zip(generators, Direction, strict=True):
            try:
                generator.load_state_dict(init.generators[direction].state_dict())
            except RuntimeError as error:
                raise CycleganError(
                    f"{init.source} has another generator than this preset; it cannot be the start"
                ) from error
    judges = [PatchDiscriminator(**config.discriminator_arguments) for _ in Direction]
    return Networks(*map(place, (*generators, *judges)))


def _guide(config: TrainConfig, data: Path, a: Tensor, b: Tensor) -> DomainClassifier:
    """The classifier that guides; kept beside the data, as it depends on nothing else and takes minutes to train."""
    kept = data / f"guide_{config.size}px_seed{config.seed}.pt"
    if kept.is_file():
        guide = DomainClassifier()
        guide.load_state_dict(torch.load(kept, weights_only=True))
        return guide.to(a.device).eval().requires_grad_(False)
    print(f"Training the classifier that guides, on {GUIDE_PICTURES:,} pictures of the training split", flush=True)
    guide = train_classifier(a, b, config, pictures=GUIDE_PICTURES, seed=config.seed, radius=GUIDE_RADIUS)
    right = 1 - share_of_b(guide, a, size=config.size), share_of_b(guide, b, size=config.size)
    print(f"It puts {right[0]:.1%} of A and {right[1]:.1%} of B right (pictures it was trained on)", flush=True)
    write_atomically(kept, guide.state_dict())
    return guide


def _batch(pictures: Tensor, sampler: Shuffled, config: TrainConfig) -> Tensor:
    chosen = pictures[sampler.take(config.batch).to(pictures.device)]
    return augment(chosen, config, size=config.size).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def _average(ema: dict[str, nn.Module], nets: dict[str, nn.Module], config: TrainConfig, done: int) -> None:
    """Exponential moving average of the weights; its half-life grows with the run (Karras et al. 2020, ADA)."""
    half_life = min(config.ema_half_life, max(0.1 * done, 1))
    decay = 0.5 ** (config.batch / half_life)
    for name, net in nets.items():
        for kept, fresh in zip(ema[name].parameters(), net.parameters(), strict=True):
            kept.lerp_(fresh, 1 - decay)
        for buffer, latest in zip(ema[name].buffers(), net.buffers(), strict=True):
            buffer.copy_(latest)


def _stored_size(data: Path, size: int) -> int:
    """The side that pictures are kept at: a multiple of `size` up to the prepared one, so that shrinking is exact."""
    described = data / "crops.json"
    prepared = json.loads(described.read_text())["size"] if described.is_file() else size
    return size * max(1, prepared // size)


def _translation_config(config: TrainConfig, crop: Crop | None) -> TranslationConfig:
    return TranslationConfig(
        name=config.translation,
        directions=dict(zip(Direction, config.directions, strict=True)),
        generator=config.generator,
        generator_arguments=config.generator_arguments,
        crop=crop,
        output=config.output,  # type: ignore[arg-type]  # checked when the translation is read
        data_licence=config.data_licence,
    )


def read_crop(data: Path, size: int) -> Crop | None:
    """The template that the pictures in `data` were cut with, or None for whole pictures."""
    described = data / "crops.json"
    if not described.is_file():
        return None
    content = json.loads(described.read_text())
    return Crop(size, tuple((x, y) for x, y in content.get("template", TIGHT_TEMPLATE)), content["margin"])


def _report(output: Path, counts: dict[str, Any], means: dict[str, float]) -> None:
    print(
        f"{counts['minutes']:7.1f} min {counts['pictures']:9,} pictures {counts['rate']:6.1f}/s  "
        + "  ".join(f"{name} {value:.3f}" for name, value in means.items()),
        flush=True,
    )
    with (output / LOG_FILE).open("a") as log:
        log.write(json.dumps({**counts, **means}) + "\n")
