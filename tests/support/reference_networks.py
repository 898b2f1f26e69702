"""The generators of pytorch-CycleGAN-and-pix2pix, written down by hand: the same layers under the same names.

What is converted from its checkpoints is compared with these.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Norm = Callable[[int], nn.Module]
NORMS: dict[str, Norm] = {
    "instance": lambda channels: nn.InstanceNorm2d(channels, affine=False, track_running_stats=False),
    "batch": lambda channels: nn.BatchNorm2d(channels),
    # What checkpoints of 2017 held: statistics that InstanceNorm kept and never used.
    "old instance": lambda channels: nn.InstanceNorm2d(channels, affine=False, track_running_stats=True),
}


class Block(nn.Module):
    def __init__(self, channels: int, norm: Norm, bias: bool, dropout: bool) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            norm(channels),
            nn.ReLU(True),
            *([nn.Dropout(0.5)] if dropout else []),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            norm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class ReferenceResnet(nn.Module):
    def __init__(self, channels: int, blocks: int, norm: str = "instance", dropout: bool = False) -> None:
        super().__init__()
        c, n, bias = channels, NORMS[norm], norm != "batch"
        self.model = nn.Sequential(
            nn.ReflectionPad2d(3),
            nn.Conv2d(3, c, 7, bias=bias),
            n(c),
            nn.ReLU(True),
            nn.Conv2d(c, 2 * c, 3, stride=2, padding=1, bias=bias),
            n(2 * c),
            nn.ReLU(True),
            nn.Conv2d(2 * c, 4 * c, 3, stride=2, padding=1, bias=bias),
            n(4 * c),
            nn.ReLU(True),
            *[Block(4 * c, n, bias, dropout) for _ in range(blocks)],
            nn.ConvTranspose2d(4 * c, 2 * c, 3, stride=2, padding=1, output_padding=1, bias=bias),
            n(2 * c),
            nn.ReLU(True),
            nn.ConvTranspose2d(2 * c, c, 3, stride=2, padding=1, output_padding=1, bias=bias),
            n(c),
            nn.ReLU(True),
            nn.ReflectionPad2d(3),
            nn.Conv2d(c, 3, 7),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class Bridge(nn.Module):
    """One size of the U-Net, with all smaller ones inside it. Its first layer works in place, as the original's."""

    def __init__(self, *layers: nn.Module, outermost: bool = False) -> None:
        super().__init__()
        self.model = nn.Sequential(*layers)
        self.outermost = outermost

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


class ReferenceUnet(nn.Module):
    def __init__(self, channels: int, depth: int, norm: str = "batch", dropout: bool = False) -> None:
        super().__init__()
        n, bias = NORMS[norm], norm != "batch"
        widths = [channels * min(2**i, 8) for i in range(depth)]

        def level(i: int) -> Bridge:
            """The level that goes from widths[i - 1] channels to widths[i], and back."""
            outer, inner = widths[i - 1], widths[i]
            if i == depth - 1:
                return Bridge(
                    nn.LeakyReLU(0.2, True),
                    nn.Conv2d(outer, inner, 4, 2, 1, bias=bias),
                    nn.ReLU(True),
                    nn.ConvTranspose2d(inner, outer, 4, 2, 1, bias=bias),
                    n(outer),
                )
            return Bridge(
                nn.LeakyReLU(0.2, True),
                nn.Conv2d(outer, inner, 4, 2, 1, bias=bias),
                n(inner),
                level(i + 1),
                nn.ReLU(True),
                nn.ConvTranspose2d(2 * inner, outer, 4, 2, 1, bias=bias),
                n(outer),
                *([nn.Dropout(0.5)] if dropout and inner == outer else []),
            )

        self.model = Bridge(
            nn.Conv2d(3, channels, 4, 2, 1, bias=bias),
            level(1),
            nn.ReLU(True),
            nn.ConvTranspose2d(2 * channels, 3, 4, 2, 1),
            nn.Tanh(),
            outermost=True,
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


def stirred(net: nn.Module) -> nn.Module:
    """In use, with weights and statistics as after some training: far from those that a new network has."""
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.3, 3)
            elif tensor.is_floating_point():
                tensor.copy_(torch.randn_like(tensor) * (0.3 if tensor.dim() == 1 else tensor[0].numel() ** -0.5))
    return net.eval()
