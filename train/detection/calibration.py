"""Scores of a detector that mean what its teacher's mean (Platt 1999), so that the same thresholds serve both."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from train.detection.mosaics import Mosaics, as_batch

MOSAICS, SIDE = 60, 384


def calibrate(student: nn.Module, teacher: nn.Module, mosaics: Mosaics, count: int = MOSAICS) -> tuple[float, float]:
    """Scales and shifts the student's score logits in place, so that they predict the teacher's scores best.

    The scale and the shift go into the weights of its class heads, which stay those of a plain RetinaFace. Both
    networks are of `retinaface.new_network`, in evaluation mode. Returns the scale and the shift.
    """
    margins, scores = [], []
    with torch.inference_mode():
        for picture in typical_pictures(mosaics, count):
            margins.append(_margin(student(picture)[1]))
            scores.append(torch.sigmoid(_margin(teacher(picture)[1])))
    scale, shift = _fit(torch.cat(margins).double(), torch.cat(scores).double())
    heads: Any = student.ClassHead
    with torch.no_grad():
        for head in heads:
            head.conv1x1.weight.mul_(scale)
            head.conv1x1.bias.mul_(scale)
            head.conv1x1.bias[1::2] += shift
    return scale, shift


def typical_pictures(mosaics: Mosaics, count: int = MOSAICS) -> Iterator[Tensor]:
    """Batches of one mosaic each, as the network takes them; always the same ones."""
    for number in range(count):
        yield as_batch([mosaics.draw(SIDE, np.random.default_rng((2, number)))])


def _margin(logits: Tensor) -> Tensor:
    """Of faces over background, from logits (B, N, 2): a flat tensor."""
    return (logits[..., 1] - logits[..., 0]).flatten().clone()


def _fit(margins: Tensor, scores: Tensor) -> tuple[float, float]:
    """The scale and the shift whose logistic curve over the margins has the least cross-entropy to the scores."""
    line = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([line], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(line[0] * margins + line[1], scores)
        loss.backward()
        return loss

    optimiser.step(closure)
    scale, shift = line.tolist()
    return scale, shift
