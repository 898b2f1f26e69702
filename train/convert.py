"""Turns checkpoints of pytorch-CycleGAN-and-pix2pix into a translation.

    python train/convert.py --from-junyanz latest_net_G_A.pth latest_net_G_B.pth --output horse2zebra

ResNet and U-Net generators with instance norm, batch norm or none, trained with or without dropout, give the outputs
that they give there with `--eval`. With one file (`latest_net_G.pth`) the translation goes one way, from A to B: the
way back needs a network of its own, and the same one for both would turn zebras into zebras.
"""

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cyclegan_core.errors import CycleganError, TranslationError
from cyclegan_core.translations.config import Direction, TranslationConfig
from cyclegan_core.translations.translation import Translation, build_generator

LARGEST_SIDE = 4096  # pixels
# What their --netG stands for here; sizes that they do not name are guessed from the keys all the same.
NET_G: dict[str, tuple[str, dict[str, int]]] = {
    "resnet_9blocks": ("ResnetGenerator", {"blocks": 9}),
    "resnet_6blocks": ("ResnetGenerator", {"blocks": 6}),
    "unet_256": ("UnetGenerator", {"depth": 8}),
    "unet_128": ("UnetGenerator", {"depth": 7}),
}


STATISTICS = {"running_mean", "running_var", "num_batches_tracked"}
PARTS = {"weight", "bias", *STATISTICS}


@dataclass(frozen=True)
class Layer:
    """A layer of a checkpoint that has weights. name: its key; tensors: what it holds, such as `weight` and `bias`."""

    name: str
    tensors: dict[str, Tensor]

    @property
    def is_conv(self) -> bool:
        return self.tensors["weight"].dim() == 4


def read_layers(path: Path) -> list[Layer]:
    """The layers of a checkpoint from the input to the output. Raises CycleganError for what holds no plain weights."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise CycleganError(f"{path.name} cannot be read: {error.strerror}") from error
    try:
        with file:
            state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its zip and pickle readers raise
        raise CycleganError(
            f"{path.name} is damaged or holds more than weights; save it with torch.save(net.state_dict(), ...)"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) and isinstance(k, str) for k, v in state.items()):
        raise CycleganError(f"{path.name} is not the state_dict of one network; give a file such as latest_net_G_A.pth")
    layers: dict[str, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        # What DataParallel and torch.compile put before each key.
        name, _, part = re.sub(r"^((module|_orig_mod)\.)+", "", key).rpartition(".")
        layers.setdefault(name, {})[part] = tensor
    # Instance norm of before PyTorch 0.4 kept statistics that it never used, and has no weight.
    kept = [Layer(name, tensors) for name, tensors in layers.items() if not STATISTICS.issuperset(tensors)]
    for layer in kept:
        if not PARTS.issuperset(layer.tensors) or "weight" not in layer.tensors or not re.search(r"\d", layer.name):
            raise CycleganError(
                f"{path.name} has a layer {layer.name!r} with {', '.join(sorted(layer.tensors))}, which no generator "
                "of pytorch-CycleGAN-and-pix2pix has; only those can be converted"
            )
    if not any(layer.is_conv for layer in kept):
        raise CycleganError(f"{path.name} holds no convolutions: it is not a generator")
    return sorted(kept, key=lambda layer: [int(n) for n in re.findall(r"\d+", layer.name)])


def describe(layers: list[Layer], file: str) -> tuple[str, dict[str, Any]]:
    """Name and arguments of the generator that has these layers. Raises CycleganError where there is none.

    file: its name, for the message.
    """
    convs = [layer for layer in layers if layer.is_conv]
    norms = [layer for layer in layers if not layer.is_conv]
    first, last = (layer.tensors["weight"].shape for layer in (convs[0], convs[-1]))
    if any("conv_block" in layer.name for layer in convs):
        blocks = len({layer.name.split(".conv_block")[0] for layer in convs if "conv_block" in layer.name})
        outside = len(convs) - 2 * blocks  # one to begin with, as many up as down, one to end with
        generator: str = "ResnetGenerator"
        size = {"blocks": blocks, "downsamplings": (outside - 2) // 2, "down_padding": "zeros"}
        fits = outside >= 2 and outside % 2 == 0 and first[2:] == last[2:] == (7, 7)
        seen, painted = first[1], last[0]
    elif convs[0].name.startswith("model.model"):
        generator, size = "UnetGenerator", {"depth": len(convs) // 2}
        fits = len(convs) % 2 == 0 and first[2:] == last[2:] == (4, 4)
        seen, painted = first[1], last[1]  # a transposed convolution has its outputs second
    else:
        fits = False
    if not fits:
        raise CycleganError(
            f"{file} is neither a ResNet nor a U-Net generator of pytorch-CycleGAN-and-pix2pix (a discriminator, or "
            "another code's network?); give its latest_net_G_A.pth"
        )
    if (seen, painted) != (3, 3):
        raise CycleganError(f"{file} goes from {seen} to {painted} channels; only pictures of 3 colours are translated")
    inner_bias = "bias" in convs[1].tensors
    if norms and (inner_bias or not all("running_var" in layer.tensors for layer in norms)):
        raise CycleganError(
            f"{file} has instance norm with weights, as only code of early 2017 made it; it cannot be converted"
        )
    norm = "batch" if norms else "instance" if inner_bias else "none"
    return generator, {"channels": int(first[0]), **size, "norm": norm}


def fill(network: nn.Module, layers: list[Layer], file: str) -> None:
    """Copies the weights of a checkpoint into the network that `describe` tells of. Raises CycleganError.

    Both have their layers in one order, so the n-th of one is the n-th of the other, whatever dropout and padding lie
    between. A bias that only ours has is zero: it comes before a normalisation that takes it away, or has no use.
    """
    own = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d))]
    if len(own) != len(layers):
        raise CycleganError(f"{file} has {len(layers)} layers with weights where such a generator has {len(own)}")
    for module, layer in zip(own, layers, strict=True):
        wanted = module.state_dict()
        given = dict(layer.tensors)
        if "bias" in wanted:
            given.setdefault("bias", torch.zeros_like(wanted["bias"]))
        if "num_batches_tracked" in wanted:  # not there before PyTorch 0.4.1, and without a use
            given.setdefault("num_batches_tracked", torch.tensor(0))
        shapes = {key: tuple(tensor.shape) for key, tensor in given.items()}
        if shapes != {key: tuple(tensor.shape) for key, tensor in wanted.items()}:
            raise CycleganError(f"{file}: layer {layer.name} does not fit the generator that its other layers make")
        if not all(bool(torch.isfinite(tensor.float()).all()) for tensor in given.values()):
            raise CycleganError(f"{file}: layer {layer.name} holds numbers that are not finite; its training failed")
        module.load_state_dict(given)


def convert(
    files: list[Path],
    *,
    name: str,
    directions: list[str],
    net_g: str | None = None,
    size: int | None = None,
    data_licence: str = "unknown",
) -> Translation:
    """A translation of whole pictures from one or two checkpoints, in the order A to B, B to A.

    directions: as many names. net_g: refuse files of any other network (a key of `NET_G`). size: the side in pixels
    that they were trained at, which is only written down. Raises CycleganError.
    """
    read = [read_layers(file) for file in files]
    described = [describe(layers, file.name) for layers, file in zip(read, files, strict=True)]
    if len(read) == 2 and _same(*read):
        raise CycleganError(f"{files[0].name} and {files[1].name} hold the same weights; for one way give one file")
    if any(other != described[0] for other in described):
        raise CycleganError(f"{files[0].name} and {files[1].name} are different networks; both must be of one training")
    generator, arguments = described[0]
    if net_g is not None:
        wanted, numbers = NET_G[net_g]
        if wanted != generator or any(arguments[key] != value for key, value in numbers.items()):
            found = ", ".join(f"{key} {value}" for key, value in arguments.items())
            raise CycleganError(f"{files[0].name} is no {net_g} but a {generator} ({found}); leave out --netG")
    config = TranslationConfig(
        name=name,
        directions=dict(zip(Direction, directions, strict=False)),
        generator=generator,
        generator_arguments=arguments,
        crop=None,
        data_licence=data_licence,
        training={
            "converted_from": "pytorch-CycleGAN-and-pix2pix",
            "files": [file.name for file in files],
            **({"size": size} if size else {}),
        },
    )
    config = TranslationConfig.from_dict(config.to_dict())  # names are checked as those of any translation
    generators = {}
    for direction, layers, file in zip(config.directions, read, files, strict=True):
        network = build_generator(config)
        fill(network, layers, file.name)
        generators[direction] = network.eval().requires_grad_(False)
    return Translation(config, generators)


def _same(a: list[Layer], b: list[Layer]) -> bool:
    return len(a) == len(b) and all(
        x.tensors["weight"].shape == y.tensors["weight"].shape and torch.equal(x.tensors["weight"], y.tensors["weight"])
        for x, y in zip(a, b, strict=True)
    )


def _pixels(text: str) -> int:
    if not (text.isdecimal() and 16 <= int(text) <= LARGEST_SIDE):
        raise argparse.ArgumentTypeError(f"{text!r} is not a side of 16 to {LARGEST_SIDE} pixels, such as 256")
    return int(text)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from-junyanz", type=Path, nargs="+", required=True, metavar="FILE", help="A to B, B to A")
    parser.add_argument("--output", type=Path, required=True, help="folder of the translation, made where missing")
    parser.add_argument("--name", help="of the translation, such as horse2zebra; the output folder's by default")
    parser.add_argument("--directions", help="names such as to_zebra,to_horse; from the name horse2zebra by default")
    parser.add_argument("--netG", dest="net_g", choices=NET_G, help="refuse any other network; guessed by default")
    parser.add_argument("--size", type=_pixels, metavar="PIXELS", help="side of the pictures that it was trained on")
    parser.add_argument("--data-licence", default="unknown", help="of the pictures that it was trained on")
    options = parser.parse_args(arguments)
    if len(options.from_junyanz) > 2:
        parser.error("--from-junyanz takes one or two files: A to B, then B to A")
    return options


def default_directions(name: str) -> list[str]:
    """`horse2zebra` goes `to_zebra` and `to_horse`; any other name goes by letters."""
    ends = re.fullmatch(r"([a-zA-Z]\w*?)2([a-zA-Z]\w*)", name)
    return [f"to_{ends[2]}", f"to_{ends[1]}"] if ends else [direction.value for direction in Direction]


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    try:
        files: list[Path] = options.from_junyanz
        name = options.name or options.output.resolve().name
        directions = options.directions.split(",") if options.directions else default_directions(name)[: len(files)]
        if len(directions) != len(files):
            raise CycleganError(f"--directions has {len(directions)} names for {len(files)} files; give one for each")
        translation = convert(
            files,
            name=name,
            directions=directions,
            net_g=options.net_g,
            size=options.size,
            data_licence=options.data_licence,
        )
        try:
            translation.save(options.output)
        except OSError as error:
            raise CycleganError(f"{options.output} cannot be written: {error.strerror or error}") from error
        Translation.load(options.output)  # what was written can be read
    except TranslationError as error:
        print(f"error: {str(error).removeprefix('config.json: ')}", file=sys.stderr)
        return 1
    except CycleganError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    config = translation.config
    said = ", ".join(f"{key} {value}" for key, value in config.generator_arguments.items())
    print(f"{options.output}: {config.generator} ({said}), {' and '.join(config.directions.values())}")
    if len(files) == 1:
        print("It goes one way; give the file of the other direction after the first for both.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
