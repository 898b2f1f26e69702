"""A discriminator that judges strokes locally and the picture as a whole."""

from torch import Tensor, nn

from cyclegan_core.networks.layers import MinibatchStd, check_size, initialise_he


class TwoHeadedDiscriminator(nn.Module):
    """A map of patch scores and a score of the whole picture, on one trunk without any norm.

    Takes float (B, 3, H, W) in [-1, 1] and returns a list of two: scores of patches, (B, 1, H/8, W/8) with `patch` 2,
    and scores (B, 1, h, w) of the whole, one number for a picture of `smallest` pixels. Shapes of a face are judged
    whole, strokes and skin locally.

    channels: width of the first layer; it doubles twice. patch: side of the square of pixels that is folded into the
        channels of the first layer (pixel unshuffle, Shi et al. 2016); 4 sees a picture of twice the size at the cost
        of one. minibatch_std: the whole is judged with
        a word on how much the pictures of a batch differ; see `MinibatchStd`.

    Sources: PatchGAN (Isola et al. 2017) and, for the second head and the initialisation, StyleGAN2's discriminator
    (Karras et al. 2020), here without residual connections; two heads as in U-Net GAN's (Schönfeld et al. 2020), which
    judges pixels and the whole.
    """

    def __init__(self, *, channels: int = 48, patch: int = 2, minibatch_std: bool = True) -> None:
        super().__init__()
        if channels < 1 or patch < 1:
            raise ValueError(f"channels and patch must be at least 1, not {channels} and {patch}")
        self.smallest = 64 * patch
        wide = 4 * channels
        self.trunk = nn.Sequential(
            nn.PixelUnshuffle(patch),
            *_layer(3 * patch**2, channels, 3, 1),
            *_layer(channels, 2 * channels, 4, 2),
            *_layer(2 * channels, wide, 4, 2),
        )  # (B, 4C, H/8, W/8) with patch 2
        self.patches = nn.Sequential(*_layer(wide, wide, 3, 1), nn.Conv2d(wide, 1, 3, 1, 1))
        self.whole = nn.Sequential(
            *_layer(wide, wide, 4, 2),
            *_layer(wide, wide, 4, 2),  # (B, 4C, H/32, W/32) with patch 2
            *([MinibatchStd()] if minibatch_std else []),
            *_layer(wide + minibatch_std, wide, 3, 1),
            nn.Conv2d(wide, wide, 4),
            nn.LeakyReLU(0.2),
            nn.Conv2d(wide, 1, 1),
        )
        initialise_he(self, slope=0.2)

    def forward(self, x: Tensor) -> list[Tensor]:
        check_size(x, self.smallest)
        features = self.trunk(x)
        return [self.patches(features), self.whole(features)]


def _layer(narrow: int, wide: int, kernel: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(narrow, wide, kernel, stride, 1), nn.LeakyReLU(0.2)]
