"""Features of a network that has learned ImageNet's thousand things, for FID and KID without a download.

Sets and recipes can be compared by them, which features of our own do not allow. It is not the network of
`ProjectedDiscriminator`, which a generator has learned to please.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from cyclegan_core.networks.pretrained_features import load_efficientnet_lite
from train.data.folders import to_float

SIDE, FEATURES = 240, 1280


class ImageNetFeatures(nn.Module):
    """Uint8 (N, 3, S, S) pictures to features (N, 1280) of EfficientNet-Lite1, as torchmetrics asks for them.

    Raises CycleganError where the packages are missing. Source: Tan and Le 2019, "EfficientNet".
    """

    num_features = FEATURES

    def __init__(self) -> None:
        super().__init__()
        self.network = load_efficientnet_lite(1)
        self.eval().requires_grad_(False)

    def forward(self, pictures: Tensor) -> Tensor:
        x = F.interpolate(to_float(pictures), (SIDE, SIDE), mode="bicubic", antialias=True).clamp(-1, 1)
        return self.network.extract_features(x).mean(dim=(2, 3))
