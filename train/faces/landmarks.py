"""Trains the small network that places landmarks (`cyclegan_core/faces/landmark_net.py`), taught by RetinaFace.

    python train/faces/landmarks.py prepare UTKFACE_DIR CELEBA_DIR/img_align_celeba SELFIES_DIR --output marks.npz
    python train/faces/landmarks.py train marks.npz --output cyclegan_core/faces/landmarks.safetensors

Every picture gives one loose crop around its largest face, with the landmarks that RetinaFace finds. Training turns,
zooms and shifts it as much as a guess may be off; pieces beside the face, or far too large or small, are no face, nor
is one that lies on its side or stands on its head: its guess is wrong, and the picture is looked at turned.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cyclegan_core.errors import CycleganError
from cyclegan_core.faces.alignment import align
from cyclegan_core.faces.detection import find_detector, find_faces
from cyclegan_core.faces.landmark_net import SIZE, TEMPLATE, LandmarkNet
from cyclegan_core.faces.retinaface import RetinaFaceDetector
from cyclegan_core.runtime.int8 import load_weights
from train.command_line import command
from train.data.augment import disturb
from train.data.folders import to_float
from train.faces.teaching import TYPICAL, add_commands, pictures_of, save_half, save_set, teach

STORED = 128  # side of a loose crop
ZOOM_OUT = 0.5  # the crop reaches so much further, as a fraction of its side, than a crop that is cut just right


def prepare(folders: list[Path], output: Path, *, most: int) -> None:
    """Writes crops uint8 (N, 128, 128, 3), landmarks float32 (N, 5, 2) as fractions of them, and who is tested on."""
    detector = find_detector()
    if not isinstance(detector, RetinaFaceDetector):
        raise CycleganError("RetinaFace is the teacher: name its weights in CYCLEGAN_DETECTOR_WEIGHTS")
    crops, landmarks, test = [], [], []
    for picture, for_testing in pictures_of(folders, most):
        faces = find_faces(detector, picture)
        if not faces or max(face.score for face in faces) < 0.9:
            continue
        points = max(faces, key=lambda face: face.width).landmarks
        alignment = align(points, TEMPLATE, STORED, ZOOM_OUT / 2)
        crops.append(alignment.crop(picture))
        where = (points @ alignment.matrix[:, :2].T + alignment.matrix[:, 2] + 0.5) / STORED
        landmarks.append(where.astype(np.float32))
        test.append(for_testing)
    save_set(output, test, crops=crops, landmarks=landmarks)


def sample(crops: Tensor, landmarks: Tensor, *, faces: bool) -> tuple[Tensor, Tensor]:
    """What the network may be shown: float (B, 3, 64, 64), and where landmarks are in it, (B, 5, 2) as fractions.

    crops: uint8 (B, 3, 128, 128). faces: whether guesses are as far off as they may be, or further. Half of those
    guesses are nearly right, as they are at the second look.
    """
    count = len(crops)
    if faces:
        off = torch.where(torch.rand(count) < 0.5, 0.3, 1.0)
        angle = torch.randn(count) * math.radians(14) * off
        scale = torch.exp((torch.rand(count) * 2 - 1) * 0.28 * off)
        shift = torch.randn(count, 2) * 0.09 * off[:, None]
    else:
        angle = (torch.rand(count) * 2 - 1) * math.pi
        kind = torch.rand(count)
        small, turned = kind < 0.4, kind > 0.75  # a part of a face; a whole one that lies on its side or on its head
        scale = torch.where(small, 0.2 + 0.2 * torch.rand(count), 0.6 + 0.5 * torch.rand(count))
        direction = torch.rand(count) * 2 * math.pi
        distance = torch.where(small, 0.3 + 0.4 * torch.rand(count), 0.55 + 0.4 * torch.rand(count))
        angle = torch.where(turned, math.pi + (torch.rand(count) * 2 - 1) * math.radians(110), angle)
        distance = torch.where(turned, 0.15 * torch.rand(count), distance)
        shift = torch.stack([torch.cos(direction), torch.sin(direction)], 1) * distance[:, None]
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    # From the piece that is shown, in [-1, 1], to the loose crop.
    reach = scale / (1 + ZOOM_OUT)
    cos, sin = torch.cos(angle) * reach, torch.sin(angle) * reach
    # The middle of a right crop is where the middle of the loose one is.
    matrix = torch.stack(
        [torch.stack([cos * mirror, -sin, shift[:, 0]], 1), torch.stack([sin * mirror, cos, shift[:, 1]], 1)], 1
    )
    grid = F.affine_grid(matrix, [count, 3, SIZE, SIZE], align_corners=False)
    shown = F.grid_sample(to_float(crops), grid, padding_mode="reflection", align_corners=False)
    # As faces of half and of a quarter of the pixels look.
    for reduced, share in ((2, 0.35), (4, 0.3)):
        small = F.interpolate(F.avg_pool2d(shown, reduced), (SIZE, SIZE), mode="bilinear", align_corners=False)
        shown = torch.where((torch.rand(count) < share)[:, None, None, None], small, shown)
    inverse = torch.linalg.inv(matrix[:, :, :2])
    points = ((landmarks * 2 - 1) - matrix[:, None, :, 2]) @ inverse.transpose(1, 2)
    points = (points + 1) / 2
    swapped = points[:, [1, 0, 2, 4, 3]]  # left is left as it is seen
    return disturb(shown), torch.where((mirror < 0)[:, None, None], swapped, points)


def error(found: Tensor, true: Tensor) -> Tensor:
    """Mean distance of the landmarks (B,) as a fraction of the distance between the eyes."""
    return (found - true).norm(dim=2).mean(1) / (true[:, 0] - true[:, 1]).norm(dim=1)


def train(data: Path, output: Path, *, epochs: int, batch: int, seed: int, init: Path | None = None) -> None:
    with np.load(data) as file:
        test = torch.from_numpy(file["test"])
        crops = torch.from_numpy(file["crops"]).permute(0, 3, 1, 2)
        landmarks = torch.from_numpy(file["landmarks"])
    torch.manual_seed(seed)
    net = LandmarkNet().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if init:
        load_weights(net, init)
    kept = torch.nonzero(~test).squeeze(1)

    def loss_of(chosen: Tensor) -> tuple[Tensor, str]:
        faces, true = sample(crops[chosen], landmarks[chosen], faces=True)
        others = kept[torch.randint(len(kept), (batch // 2,))]
        nothing, _ = sample(crops[others], landmarks[others], faces=False)
        with torch.autocast("cpu", torch.bfloat16):
            found, logits = net(torch.cat([faces, nothing]).to(memory_format=torch.channels_last))
        is_face = torch.cat([torch.ones(batch), torch.zeros(batch // 2)])
        offset = error(found[:batch], true).mean()
        loss = 4 * offset + F.binary_cross_entropy_with_logits(logits, is_face)
        return loss, f"error {offset:.4f}  loss {loss:.4f}"

    teach(net, kept, loss_of, epochs=epochs, batch=batch, every=500)
    chosen = kept[:TYPICAL]
    save_half(net, output, sample(crops[chosen], landmarks[chosen], faces=True)[0].split(64))
    report(net.eval(), crops[test], landmarks[test])


@torch.inference_mode()
def report(net: LandmarkNet, crops: Tensor, landmarks: Tensor) -> None:
    """Prints how far off guesses and answers are on faces that were not trained on, and how well no face is known."""
    torch.manual_seed(1)
    faces, true = sample(crops, landmarks, faces=True)
    nothing, _ = sample(crops, landmarks, faces=False)
    guess = torch.from_numpy(TEMPLATE).float().expand(len(true), 5, 2)
    found, logits = net(faces)
    print(f"{len(crops)} test faces; error as a fraction of the distance between the eyes, mean and 95th percentile")
    for name, points in (("guess", guess), ("first look", found)):
        print(f"  {name:<12}{error(points, true).mean():.4f}  {error(points, true).quantile(0.95):.4f}")
    print(f"  faces kept {(logits > 0).float().mean():.1%}, others refused {(net(nothing)[1] <= 0).float().mean():.1%}")


@command()
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _, training = add_commands(parser, folders="folders of pictures with a face each", most=5000, epochs=25, batch=64)
    training.add_argument("--init", type=Path, metavar="FILE", help="weights to begin with")
    options = parser.parse_args(arguments)
    if options.command == "prepare":
        prepare(options.folders, options.output, most=options.most)
    else:
        train(
            options.data, options.output, epochs=options.epochs, batch=options.batch, seed=options.seed,
            init=options.init,
        )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
