"""Figures about translated pictures. All are functions of pictures or of their features; protocol and judges are
elsewhere (evaluate.py, validation.py), so that a figure means the same wherever it is printed."""

import socket
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclegan_core.errors import CycleganError
from train.data.folders import to_float

INCEPTION_FILE = "weights-inception-2015-12-05-6726825d.pth"  # of torch-fidelity's releases


def kernel_distance(x: Tensor, y: Tensor) -> float:
    """Kernel distance of two sets of features (N, D) and (M, D): 0 for equal distributions, below 0 by chance.

    The unbiased estimate of the squared maximum mean discrepancy by the kernel (x·y / D + 1)³, which with Inception
    features is KID (Bińkowski et al. 2018, "Demystifying MMD GANs"). Without random subsets: it is exact and the same
    each time. Needs two of each.
    """
    x, y = x.double(), y.double()

    def kernel(p: Tensor, q: Tensor) -> Tensor:
        return (p @ q.T / p.shape[1] + 1) ** 3

    def others(p: Tensor) -> Tensor:
        of_itself = kernel(p, p)
        return (of_itself.sum() - of_itself.diagonal().sum()) / (len(p) * (len(p) - 1))

    return float(others(x) + others(y) - 2 * kernel(x, y).mean())


def fid_and_kid(
    extractor: nn.Module, real: Tensor, made: Tensor, *, subsets: int = 100, seed: int = 0
) -> dict[str, float]:
    """FID (Heusel et al. 2017) and KID by torchmetrics, of uint8 (N, 3, S, S) real and made pictures.

    extractor: uint8 pictures to features (N, D). kid is the mean over subsets of at most 100 pictures, drawn by the
    seed. Raises CycleganError where torchmetrics is missing.
    """
    try:
        _prepare_torchvision()
        from torchmetrics.image.fid import FrechetInceptionDistance
        from torchmetrics.image.kid import KernelInceptionDistance
    except ImportError as error:
        raise CycleganError("FID and KID need torchmetrics: pip install -r requirements-train.txt") from error
    extractor = _Remembering(extractor)
    size = min(100, len(real), len(made))
    device = next((p.device for p in extractor.parameters()), torch.device("cpu"))
    fid = FrechetInceptionDistance(extractor, input_img_size=(3, real.shape[-1], real.shape[-1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that it keeps the features: of a few thousand pictures
        kid = KernelInceptionDistance(extractor, subsets=subsets, subset_size=size)
    fid, kid = fid.to(device), kid.to(device)
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(seed)
        for pictures, is_real in ((real, True), (made, False)):
            for part in pictures.split(64):
                part = part.to(device)
                for metric in (fid, kid):
                    metric.update(part, real=is_real)
        mean, deviation = kid.compute()
        return {"fid": float(fid.compute()), "kid": float(mean), "kid_deviation": float(deviation)}


class _Remembering(nn.Module):
    """An extractor that does not look twice at the pictures that it has just seen."""

    def __init__(self, extractor: nn.Module) -> None:
        super().__init__()
        self.extractor = extractor
        if hasattr(extractor, "num_features"):  # else torchmetrics asks it for features of a dummy
            self.num_features = extractor.num_features
        self._last: tuple[Tensor | None, Tensor | None] = None, None

    def forward(self, pictures: Tensor) -> Tensor:
        seen, features = self._last
        if features is None or pictures is not seen:
            features = self.extractor(pictures)
            self._last = pictures, features
        return features


def _prepare_torchvision() -> None:
    """torchmetrics imports it where it is installed, and fails where its operators do not load."""
    from cyclegan_core.runtime.torchvision_nms import import_torchvision

    with suppress(ImportError):
        import_torchvision()


def inception_features(weights: Path | None = None) -> nn.Module:
    """Inception v3 as FID is defined by: uint8 (N, 3, S, S) to features (N, 2048).

    weights: torch-fidelity's file; downloaded where it is None. Raises CycleganError that says how to get them.
    """
    get = f"connect to the network, or fetch its file {INCEPTION_FILE} and give it by --inception-weights"
    waited = socket.getdefaulttimeout()
    try:
        _prepare_torchvision()
        from torchmetrics.image.fid import NoTrainInceptionV3

        socket.setdefaulttimeout(20)  # the download has no time limit of its own
        network = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(weights) if weights else None)
    except ImportError as error:
        raise CycleganError(
            "Inception features need torchmetrics and torch-fidelity: pip install torchmetrics torch-fidelity"
        ) from error
    except Exception as error:  # no network, a full disk, another file
        kind = type(error).__name__
        raise CycleganError(f"the Inception weights of torch-fidelity cannot be had ({kind}): {get}") from error
    finally:
        socket.setdefaulttimeout(waited)
    return network.eval().requires_grad_(False)


@torch.inference_mode()
def cycle_error(there: nn.Module, back: nn.Module, pictures: Tensor, *, size: int, batch: int = 32) -> float:
    """Mean absolute difference, in 1/255, of uint8 (N, 3, S, S) pictures from what both generators make of them."""
    device = next(there.parameters()).device
    total = 0.0
    for part in pictures.split(batch):
        x = to_float(part.to(device))
        if x.shape[-1] != size:
            x = F.interpolate(x, (size, size), mode="area")
        total += float((back(there(x)).float() - x).abs().mean()) * len(part)
    return total / len(pictures) * 127.5


def variety(before: Tensor, after: Tensor) -> float:
    """How much uint8 (N, 3, S, S) pictures differ from one another, pixel by pixel, as a multiple of before."""
    return float(after.float().std(dim=0).mean() / before.float().std(dim=0).mean().clamp(min=1e-6))


def feature_variety(before: Tensor, after: Tensor) -> float:
    """Mean distance of features (N, D) of two different pictures after, as a multiple of before; 0: all the same."""
    return float(_distances(after) / _distances(before).clamp(min=1e-9))


def _distances(features: Tensor) -> Tensor:
    return F.pdist(features.double()).mean()


def nearest_to_own(queries: Tensor, gallery: Tensor, *, among: int = 100, seed: int = 0) -> Tensor:
    """Whether each query's own row of the gallery is the nearest of `among` rows, by the angle of features (N, D).

    Bool (N,), whose mean is the rank-1 rate. The other rows are drawn by the seed; with fewer all are taken.
    """
    likeness = F.normalize(queries.double(), dim=1) @ F.normalize(gallery.double(), dim=1).T
    # An order of the rows for each query, its own one last, of which the first ones are its rivals.
    draw = torch.rand(likeness.shape, generator=torch.Generator().manual_seed(seed)).fill_diagonal_(2)
    rivals = likeness.gather(1, draw.argsort(dim=1)[:, : min(among, len(gallery)) - 1])
    return (likeness.diagonal()[:, None] > rivals).all(dim=1)


def likeness_to_own_and_others(queries: Tensor, gallery: Tensor) -> tuple[float, float]:
    """Mean cosine of each query's features to its own row of the gallery, and to all other rows."""
    cosines = F.normalize(queries.double(), dim=1) @ F.normalize(gallery.double(), dim=1).T
    count = len(cosines)
    others = (cosines.sum() - cosines.diagonal().sum()) / max(1, count * (count - 1))
    return float(cosines.diagonal().mean()), float(others)


def middle(pictures: Tensor) -> Tensor:
    """The middle quarter of crops: skin of the face whoever is shown; the blending mask is full there."""
    side = pictures.shape[-1]
    return pictures[..., side // 4 : 3 * side // 4, side // 4 : 3 * side // 4]


def colour_shift(before: Tensor, after: Tensor) -> Tensor:
    """Distance, in 1/255, of the mean colour of each of uint8 (N, 3, H, W) pictures from what it was, float (N,)."""
    return (after.float().mean(dim=(2, 3)) - before.float().mean(dim=(2, 3))).norm(dim=1)


def border_shift(before: Tensor, after: Tensor, share: float = 0.125) -> Tensor:
    """The same of the frame around each crop, a share of the side wide: mostly background."""
    width = max(1, round(before.shape[-1] * share))

    def frame(p: Tensor) -> Tensor:
        sides = [p[..., :width, :], p[..., -width:, :]]
        sides += [p[..., width:-width, :width].transpose(2, 3), p[..., width:-width, -width:].transpose(2, 3)]
        return torch.cat([side.flatten(2) for side in sides], dim=2)[..., None]

    return colour_shift(frame(before), frame(after))


def finite(figures: Mapping[str, float]) -> bool:
    return all(abs(value) < float("inf") for value in figures.values())
