"""Networks for larger pictures that begin as what smaller ones have learned (progressive growing, Karras et al. 2018).

Two ways: `ResnetGenerator` and its kind get new last layers, and discriminators of patches a finer one beside them, so
that there is one that sees as much of the picture as before (Wang et al. 2018); the first layers of
`UnetResnetGenerator` and `TwoHeadedDiscriminator` see larger squares of pixels, and the rest stays.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cyclegan_core.networks.conditioned import Conditioned
from cyclegan_core.networks.unet_resnet import UnetResnetGenerator

Arguments = Mapping[str, Any]


def grows(generator: str) -> bool:
    """Whether generators of this name can grow."""
    return generator.endswith("ResnetGenerator")


def grown_generator(generator: str, arguments: Arguments, factor: int) -> dict[str, Any]:
    """The arguments of a generator for `factor` times the size, a power of 2, which sees the same layout.

    What the smaller one painted is enlarged and added to, by one more part for each doubling.
    """
    doublings = factor.bit_length() - 1
    if generator == "UnetResnetGenerator":
        return {**arguments, "enlargements": arguments.get("enlargements", 0) + doublings}
    attention = [scale * factor for scale in arguments.get("attention", ())]
    return {
        **arguments,
        "coarse": arguments.get("coarse", 1) * factor,
        "skips": arguments.get("skips", 0) + doublings,
        **({"attention": attention} if attention else {}),
    }


def grown_discriminator(discriminator: str, arguments: Arguments, factor: int) -> tuple[str, dict[str, Any]]:
    """The name and the arguments of a discriminator for `factor` times the size."""
    if discriminator == "TwoHeadedDiscriminator":
        return discriminator, {**arguments, "patch": arguments.get("patch", 2) * factor}
    if discriminator not in ("PatchDiscriminator", "MultiscaleDiscriminator"):
        return discriminator, dict(arguments)
    before = 1 if discriminator == "PatchDiscriminator" else arguments.get("scales", 2)
    return "MultiscaleDiscriminator", {**arguments, "scales": before + factor.bit_length() - 1}


@torch.no_grad()
def copy_grown(old: nn.Module, new: nn.Module) -> None:
    """The new generator paints what the old one did, enlarged, until its own layers have learned to add to that.

    Raises RuntimeError where the networks differ otherwise.
    """
    old, new = (net.net if isinstance(net, Conditioned) else net for net in (old, new))
    if isinstance(new, UnetResnetGenerator):
        additions = {name: value for name, value in new.state_dict().items() if name.startswith("finer.")}
        new.load_state_dict(additions | with_larger_squares(old.state_dict(), "stem.1.weight", new))
        return
    trunk, new_trunk = (_weighted(net.get_submodule("net")) for net in (old, new))
    painters = [*_weighted(old.get_submodule("skips")), trunk.pop()]
    skips = _weighted(new.get_submodule("skips"))
    pairs = [*zip(trunk, new_trunk, strict=False), *zip(painters, skips[: len(painters)], strict=True)]
    for source, target in pairs:
        target.load_state_dict(source.state_dict())
    for fresh in (*skips[len(painters) :], new_trunk[-1]):
        for parameter in fresh.parameters():
            parameter.zero_()


def with_larger_squares(weights: Mapping[str, Tensor], first: str, new: nn.Module) -> dict[str, Tensor]:
    """These weights with the layer `first`, behind a pixel unshuffle, made for the larger squares of `new`.

    Each pixel of the smaller square becomes the mean of those that it covers, so that the network answers an enlarged
    picture as it answered the picture. Where the squares are no such multiple, the weights stay and do not fit.
    """
    old, wanted = weights[first], new.state_dict()[first]
    side, larger = (round((layer.shape[1] / 3) ** 0.5) for layer in (old, wanted))
    if larger % side:
        return dict(weights)
    factor = larger // side
    squares = old.unflatten(1, (3, side, side)) / factor**2
    return {**weights, first: squares.repeat_interleave(factor, 2).repeat_interleave(factor, 3).flatten(1, 3)}


def _weighted(net: nn.Module) -> list[nn.Module]:
    """The layers that have weights of their own, in order."""
    return [layer for layer in net.modules() if list(layer.parameters(recurse=False))]
