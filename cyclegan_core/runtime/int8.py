"""Convolutions in 8-bit integers, where a processor multiplies them: small networks take half of the time of bfloat16.

The inputs and the weights of each convolution are rounded to 256 steps (Jacob et al. 2018, "Quantization and training
of neural networks for efficient integer-arithmetic-only inference"): inputs between the ends of a range that was
measured on typical pictures, weights by the largest of each output channel. OpenVINO knows these roundings and computes
in integers between them.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

RANGE = ".input_range"  # of a convolution, in the name of an entry beside its weights: its least and largest input
INSTRUCTIONS = ("avx512_vnni", "avx_vnni", "amx_int8")


def has_int8() -> bool:
    """Whether this processor adds up products of 8-bit integers in one instruction."""
    known = torch.cpu.get_capabilities()
    return any(known.get(name, False) for name in INSTRUCTIONS)


def split_ranges(entries: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The state of a network and the ranges of its inputs, of the entries of a file that holds both."""
    ranges = {name: value for name, value in entries.items() if name.endswith(RANGE)}
    return {name: value for name, value in entries.items() if name not in ranges}, ranges


def load_weights(network: nn.Module, file: Path) -> dict[str, Tensor]:
    """Loads the state of a network from a safetensors file, and returns the ranges that lie beside it, if any.

    Raises OSError, SafetensorError, and RuntimeError where it is the state of another network.
    """
    state, ranges = split_ranges(load_file(file))
    network.load_state_dict(state)
    return ranges


@torch.inference_mode()
def measure_ranges(network: nn.Module, batches: Iterable[Tensor]) -> dict[str, Tensor]:
    """The ranges of the inputs of a network's convolutions, on batches of typical pictures: float32 (2,) by name."""
    ranges: dict[str, Tensor] = {}

    def widen(name: str, seen: Tensor) -> None:
        least, most = seen.aminmax()
        before = ranges.get(name, torch.zeros(2))
        ranges[name] = torch.stack([torch.minimum(before[0], least), torch.maximum(before[1], most)])

    hooks = [
        layer.register_forward_pre_hook(lambda _, inputs, name=name: widen(name + RANGE, inputs[0].float()))
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d)
    ]
    try:
        for batch in batches:
            network(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return ranges


def quantise(network: nn.Module, ranges: Mapping[str, Tensor]) -> None:
    """Has a network in evaluation mode round the inputs and the weights of those convolutions that have a range."""
    for layers in [layer for layer in network.modules() if isinstance(layer, nn.Sequential)]:
        for at in range(len(layers) - 1):
            convolution, norm = layers[at], layers[at + 1]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                layers[at], layers[at + 1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    for name, layer in list(network.named_modules()):
        if isinstance(layer, nn.Conv2d) and name + RANGE in ranges:
            parent, _, own = name.rpartition(".")
            setattr(network.get_submodule(parent), own, _RoundedConv(layer, ranges[name + RANGE]))


class _RoundedConv(nn.Module):
    """A convolution padded by zeros whose input and weights have 256 values."""

    steps: Tensor
    zeros: Tensor

    def __init__(self, plain: nn.Conv2d, input_range: Tensor) -> None:
        super().__init__()
        self.plain = plain
        least, most = min(float(input_range[0]), 0.0), max(float(input_range[1]), 1e-3)
        self.step = (most - least) / 255
        self.zero = round(-least / self.step)
        self.register_buffer("steps", plain.weight.detach().abs().amax((1, 2, 3)).clamp_min(1e-8) / 127)
        self.register_buffer("zeros", torch.zeros(len(plain.weight), dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        rounded = torch.fake_quantize_per_tensor_affine(x, self.step, self.zero, 0, 255)
        weight = torch.fake_quantize_per_channel_affine(self.plain.weight, self.steps, self.zeros, 0, -127, 127)
        plain = self.plain
        return F.conv2d(rounded, weight, plain.bias, plain.stride, plain.padding, plain.dilation, plain.groups)
