"""Layers that look at the whole picture, made to work on pieces of it.

Most layers of a generator see a neighbourhood. Instance norm takes its mean and variance over the whole picture, and
self-attention lets every place look at every other: a tile that does this alone gets a tone of its own, and its edges
show. So these layers are asked first, on a survey of the picture, what they would know of it, and are told just that
for every tile. With this knowledge fixed the network is a local one: a tile with enough of its surroundings comes out
as it would within the whole picture.
"""

import copy
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclegan_core.networks.layers import SelfAttention


class _WholeLayer(nn.Module):
    """Stands for a layer that looks at the whole picture. told: what it is to know of it; asked where it is empty."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        # In lists, as tracing does not let a module's tensors be set.
        self.told: list[Tensor] = []
        self.learnt: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        if not self.told:
            self.learnt[:] = [self.survey(x)]
        return self.apply_known(x, self.told[0] if self.told else self.learnt[0])

    def survey(self, x: Tensor) -> Tensor:
        """Collects the statistics that the layers need of a whole picture, from its pieces (B, C, H, W)."""
        raise NotImplementedError

    def apply_known(self, x: Tensor, known: Tensor) -> Tensor:
        raise NotImplementedError


class _Norm(_WholeLayer):
    """Instance norm. Knows the mean and the variance of each channel: (2, C)."""

    layer: nn.InstanceNorm2d

    def survey(self, x: Tensor) -> Tensor:
        return torch.stack([x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)])

    def apply_known(self, x: Tensor, known: Tensor) -> Tensor:
        scale = torch.rsqrt(known[1] + self.layer.eps)
        shift = -known[0] * scale
        if self.layer.affine:
            scale, shift = scale * self.layer.weight, shift * self.layer.weight + self.layer.bias
        return x * scale[:, None, None] + shift[:, None, None]


class _Attention(_WholeLayer):
    """Self-attention. Knows the keys and the values of all places, side by side: (N, C/8 + C/2)."""

    layer: SelfAttention

    def survey(self, x: Tensor) -> Tensor:
        keys, values = (F.max_pool2d(of(x), 2, ceil_mode=True) for of in (self.layer.key, self.layer.value))
        return torch.cat([keys, values], 1).permute(0, 2, 3, 1).flatten(0, 2)

    def apply_known(self, x: Tensor, known: Tensor) -> Tensor:
        query = self.layer.query(x).flatten(2).transpose(1, 2)  # (B, H*W, C/8)
        narrow = query.shape[-1]
        key, value = known[:, :narrow], known[:, narrow:]
        # As in the layer itself: zeros add nothing to the products, and the fused kernel wants heads of one width.
        missing = value.shape[-1] - narrow
        queries = F.pad(query, (0, missing)).unsqueeze(1)
        keys, values = (tensor.expand(len(x), 1, -1, -1) for tensor in (F.pad(key, (0, missing)), value))
        seen = F.scaled_dot_product_attention(queries, keys, values, scale=1.0).squeeze(1)
        seen = seen.transpose(1, 2).reshape(len(x), -1, *x.shape[2:])
        return x + self.layer.gamma * self.layer.out(seen)


class Piecewise(nn.Module):
    """A generator, sharing its weights, for pieces of a picture.

    Takes pieces, float (B, 3, H, W) in [-1, 1]. Without more it surveys: it takes them all for one picture and returns
    what its layers would know of that, a tuple of tensors, one for each layer that looks at the whole picture. Given
    that knowledge after the pieces, it translates each: (B, 3, H, W).

    Not for several threads at a time.
    """

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        weights = {id(tensor): tensor for tensor in (*generator.parameters(), *generator.buffers())}
        self.net = _replaced(copy.deepcopy(generator, weights))
        self.layers = [module for module in self.net.modules() if isinstance(module, _WholeLayer)]

    def forward(self, x: Tensor, *known: Tensor) -> Tensor | tuple[Tensor, ...]:
        if known and len(known) != len(self.layers):
            raise ValueError(f"{len(self.layers)} layers need to know something of the picture, not {len(known)}")
        for layer, tensor in zip(self.layers, known, strict=False):
            layer.told[:] = [tensor]
        try:
            y: Tensor = self.net(x)
            return y if known or not self.layers else tuple(layer.learnt[0] for layer in self.layers)
        finally:
            for layer in self.layers:
                layer.told.clear()
                layer.learnt.clear()


def _replaced(module: nn.Module) -> nn.Module:
    """The module with its whole-picture layers replaced, in place."""
    if isinstance(module, nn.InstanceNorm2d) and not module.track_running_stats:
        return _Norm(module)
    if isinstance(module, SelfAttention):
        return _Attention(module)
    for name, child in list(module.named_children()):
        setattr(module, name, _replaced(child))
    return module


def reach(generator: nn.Module) -> int:
    """How far away a pixel may be that changes a pixel of the output, where whole-picture layers do not, in pixels.

    An upper bound for networks whose layers come one after the other, and for a U-Net, whose bridges are shortcuts.
    """
    distance, scale = 0.0, 1.0  # scale: pixels of the picture for one of the layer's input
    for layer in _layers(generator):
        if isinstance(layer, nn.ConvTranspose2d):
            scale /= layer.stride[0]
            distance += (layer.kernel_size[0] - 1) / 2 * scale * layer.stride[0]
        elif isinstance(layer, nn.Conv2d):
            distance += (layer.kernel_size[0] - 1) / 2 * scale
            scale *= layer.stride[0] / getattr(layer, "factor", 1)
        elif isinstance(layer, nn.AvgPool2d):
            factor = layer.kernel_size if isinstance(layer.kernel_size, int) else layer.kernel_size[0]
            distance += factor * scale
            scale *= factor
        elif isinstance(layer, nn.PixelUnshuffle):
            distance += layer.downscale_factor * scale
            scale *= layer.downscale_factor
        elif isinstance(layer, nn.Upsample) and isinstance(layer.scale_factor, float):
            scale /= layer.scale_factor
            distance += scale
    return round(distance) + getattr(generator, "multiple", 4)


def _layers(module: nn.Module) -> Iterator[nn.Module]:
    """The modules that hold no others, in order; those of attention are 1x1."""
    for part in module.modules():
        if not any(True for _ in part.children()):
            yield part
