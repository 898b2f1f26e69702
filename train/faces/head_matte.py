"""Trains the small network that tells a head from its background (`cyclegan_core/faces/head_matte.py`).

    python train/faces/head_matte.py prepare crops/anime/trainA crops/anime/trainB --output crops/heads.npz
    python train/faces/head_matte.py train crops/heads.npz --output runs/heads.safetensors
    python train/faces/head_matte.py prepare ... --prior runs/heads.safetensors --output crops/heads2.npz

The folders hold crops of whole heads (`prepare.py --faces head`), photographs and drawings. Nobody has marked the heads
in them: GrabCut (Rother et al. 2004) cuts each out by its colours, from two guesses of where a head is, and errs in a
third of them, each time in another way. The network learns what the cuts have in common. With --prior its own answer is
the guess from which they are cut once more. Hair that is missed shows as a seam, and a little of the background does
not, so all that one of the cuts holds counts as the head.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from cyclegan_core.faces.head_matte import SIZE, HeadMatte, HeadMatteNet
from train.command_line import command
from train.data.augment import disturb
from train.data.folders import to_float
from train.faces.teaching import TYPICAL, add_commands, pictures_of, save_half, save_set, teach

STORED = 96  # side of the crops that are cut
PASSES = 2  # of GrabCut
# Half axes of two ellipses about which a head with its hair may end, and where their middle is; as fractions.
GUESSES = ((0.27, 0.36, 0.47), (0.33, 0.42, 0.46))
SURE = 0.1  # a prior this near to 0 or 1 is not asked again
# Mean of the Laplacian's magnitude along an edge of the crop, in units of 1/255, below which what lies there is a blur:
# the surroundings were not in the picture, and teach that hair ends where it begins.
BLURRED = 1.6


def cut_out(crop: NDArray[np.uint8], guess: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The head in a crop (96, 96, 3) as GrabCut finds it from a guess: uint8 (96, 96), 0 or 1."""
    mask = guess.copy()
    cv2.setRNGSeed(0)
    cv2.grabCut(crop, mask, None, np.zeros((1, 65)), np.zeros((1, 65)), PASSES, cv2.GC_INIT_WITH_MASK)
    head = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    _, parts = cv2.connectedComponents(head)
    head = (parts == parts[int(0.53 * STORED), STORED // 2]).astype(np.uint8)  # what hangs together with the face
    return cv2.morphologyEx(head, cv2.MORPH_CLOSE, np.ones((5, 5))).astype(np.uint8)


def shows_surroundings(crop: NDArray[np.uint8]) -> bool:
    """Whether a crop (96, 96, 3) of a photograph has no edge, but for the lowest, that is only a blur."""
    detail = np.abs(cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.CV_32F))
    edge = STORED // 10
    return min(float(part.mean()) for part in (detail[:edge], detail[:, :edge], detail[:, -edge:])) > BLURRED


def guesses(prior: NDArray[np.float32] | None) -> list[NDArray[np.uint8]]:
    """Where a head surely or probably is, in GrabCut's terms: uint8 (96, 96) each. prior: a matte (96, 96)."""
    y, x = np.mgrid[0:STORED, 0:STORED] / STORED

    def ellipse(rx: float, ry: float, cy: float) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = ((x - 0.5) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1
        return inside

    if prior is None:
        beside = ~ellipse(0.5, 0.56, 0.5) & (y < 0.75)
        neck = (y > 0.7) & (abs(x - 0.5) < 0.17)
        made = [
            np.select([beside, ellipse(*axes) | neck], [cv2.GC_BGD, cv2.GC_PR_FGD], cv2.GC_PR_BGD) for axes in GUESSES
        ]
    else:
        sure_or_likely = [prior > 1 - SURE, prior < SURE, prior > 0.4]
        made = [np.select(sure_or_likely, [cv2.GC_FGD, cv2.GC_BGD, cv2.GC_PR_FGD], cv2.GC_PR_BGD)]
    face = ellipse(0.19, 0.25, 0.53)
    return [np.where(face, cv2.GC_FGD, guess).astype(np.uint8) for guess in made]


def prepare(folders: list[Path], output: Path, *, most: int, prior: Path | None) -> None:
    """Writes crops uint8 (N, 96, 96, 3), heads uint8 (N, 96, 96) in 0..255, and who is tested on."""
    known = HeadMatte(prior) if prior else None
    crops, heads, test = [], [], []
    for picture, for_testing in pictures_of(folders, most):
        crop = cv2.resize(picture, (STORED, STORED), interpolation=cv2.INTER_AREA).astype(np.uint8)
        if not shows_surroundings(crop):
            continue
        matte = known(crop[None])[0] if known else None
        cuts = [cut_out(crop, guess) for guess in guesses(matte)]
        if matte is not None:  # where GrabCut and the network differ both have a say
            cuts = [(cuts[0] + matte) / 2]
        crops.append(crop)
        heads.append(np.rint(np.max(cuts, axis=0) * 255).astype(np.uint8))
        test.append(for_testing)
    save_set(output, test, crops=crops, heads=heads)


def sample(crops: Tensor, heads: Tensor) -> tuple[Tensor, Tensor]:
    """What the network is shown, float (B, 3, 64, 64), and the heads in it, float (B, 1, 64, 64) in [0, 1].

    Turned, zoomed, shifted and mirrored at random, as landmarks that are a little off would cut it; some pale, dark,
    grey, noisy or of few pixels.
    """
    count = len(crops)
    angle, scale = torch.randn(count) * 0.1, torch.exp(torch.randn(count) * 0.08)
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    cos, sin, shift = torch.cos(angle) * scale, torch.sin(angle) * scale, torch.randn(count, 2) * 0.05
    rows = [torch.stack([cos * mirror, -sin, shift[:, 0]], 1), torch.stack([sin * mirror, cos, shift[:, 1]], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), [count, 3, SIZE, SIZE], align_corners=False)
    shown = F.grid_sample(to_float(crops), grid, padding_mode="reflection", align_corners=False)
    truth = F.grid_sample(heads[:, None] / 255, grid, padding_mode="border", align_corners=False)
    coarse = F.interpolate(F.avg_pool2d(shown, 2), (SIZE, SIZE), mode="bilinear", align_corners=False)
    grey = shown.mean(1, keepdim=True).expand_as(shown)
    for other, share in ((coarse, 0.3), (grey, 0.15)):
        shown = torch.where((torch.rand(count) < share)[:, None, None, None], other, shown)
    return disturb(shown), truth


def train(data: Path, output: Path, *, epochs: int, batch: int, seed: int) -> None:
    with np.load(data) as file:
        test = torch.from_numpy(file["test"])
        crops = torch.from_numpy(file["crops"]).permute(0, 3, 1, 2)
        heads = torch.from_numpy(file["heads"])
    torch.manual_seed(seed)
    net = HeadMatteNet().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def loss_of(chosen: Tensor) -> tuple[Tensor, str]:
        shown, truth = sample(crops[chosen], heads[chosen])
        loss = F.binary_cross_entropy_with_logits(net(shown.to(memory_format=torch.channels_last)), truth)
        return loss, f"loss {loss:.4f}"

    kept = torch.nonzero(~test).squeeze(1)
    teach(net, kept, loss_of, epochs=epochs, batch=batch, every=100)
    save_half(net, output, sample(crops[kept[:TYPICAL]], heads[kept[:TYPICAL]])[0].split(64))
    print(
        f"agreement with the cuts of {int(test.sum())} test crops: {overlap(net.eval(), crops[test], heads[test]):.1%}"
    )


@torch.inference_mode()
def overlap(net: HeadMatteNet, crops: Tensor, heads: Tensor) -> float:
    """Mean intersection over union of the network's heads and those that are given."""
    small = F.interpolate(to_float(crops), (SIZE, SIZE), mode="area")
    found = net(small)[:, 0] > 0
    true = F.interpolate(heads[:, None] / 255, (SIZE, SIZE), mode="area")[:, 0] > 0.5
    return float(((found & true).sum((1, 2)) / (found | true).sum((1, 2)).clamp(min=1)).mean())


@command()
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    preparing, _ = add_commands(parser, folders="folders of crops of whole heads", most=10_000, epochs=12, batch=32)
    preparing.add_argument("--prior", type=Path, metavar="FILE", help="weights whose answer is the guess")
    options = parser.parse_args(arguments)
    if options.command == "prepare":
        prepare(options.folders, options.output, most=options.most, prior=options.prior)
    else:
        train(options.data, options.output, epochs=options.epochs, batch=options.batch, seed=options.seed)


if __name__ == "__main__":
    sys.exit(main())
