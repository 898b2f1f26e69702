"""One direction of a network that serves several."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Conditioned(nn.Module):
    """A conditional generator with its condition fixed: the one-hot number `index` of `conditions`.

    Takes and returns float (B, 3, H, W) in [-1, 1], as any generator. Several of them share one `net`; copy them
    together (`copy.deepcopy` of a dict of them), or each gets a network of its own.
    Source: the domain labels of StarGAN (Choi et al. 2018).
    """

    condition: Tensor

    def __init__(self, net: nn.Module, index: int, conditions: int) -> None:
        super().__init__()
        if not 0 <= index < conditions:
            raise ValueError(f"the index of a condition must be 0 to {conditions - 1}, not {index}")
        self.net = net
        self.multiple: int = net.multiple  # type: ignore[assignment]
        self.smallest: int = net.smallest  # type: ignore[assignment]
        one_hot = F.one_hot(torch.tensor([index], device="cpu"), conditions).float()
        self.register_buffer("condition", one_hot, persistent=False)  # (1, K); what it is, the config says

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x, self.condition.expand(x.shape[0], -1))
