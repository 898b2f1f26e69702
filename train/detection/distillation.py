"""Teaching a RetinaFace by another one's answers, anchor by anchor (Hinton et al. 2015, for a detector)."""

import torch
from torch import Tensor
from torch.nn import functional

from cyclegan_core.faces.retinaface import STRIDES

Answers = tuple[Tensor, Tensor, Tensor]
"""A RetinaFace's outputs: box offsets (B, N, 4), scores or logits of background and face (B, N, 2), landmark offsets
(B, N, 10); N anchors in the order of its levels, rows, columns and sizes."""

LEAST_SCORE = 0.2  # of the teacher: below, its boxes mean nothing
BOX_WEIGHT, LANDMARK_WEIGHT = 2.0, 1.0  # as RetinaFace's multi-task loss weighs them


def distillation_loss(student: Answers, teacher: Answers) -> dict[str, Tensor]:
    """The losses of scores, boxes and landmarks, each a scalar, per face-like anchor.

    student: with logits. teacher: with probabilities. Scores are compared by the cross-entropy weighed by how far off
    they are (quality focal loss, Li et al. 2020), as nearly all anchors are easy background; boxes and landmarks by
    smooth L1, weighed by the teacher's score.
    """
    boxes, logits, landmarks = student
    likely = teacher[1][..., 1]
    predicted = functional.softmax(logits.detach(), dim=-1)[..., 1]
    entropy = -(teacher[1] * functional.log_softmax(logits, dim=-1)).sum(-1)
    weights = likely * (likely > LEAST_SCORE)
    count = weights.sum().clamp(min=1)

    def distance(given: Tensor, expected: Tensor) -> Tensor:
        return (weights * functional.smooth_l1_loss(given, expected, reduction="none").sum(-1)).sum() / count

    return {
        "score": ((likely - predicted) ** 2 * entropy).sum() / count,
        "box": BOX_WEIGHT * distance(boxes, teacher[0]),
        "landmark": LANDMARK_WEIGHT * distance(landmarks, teacher[2]),
    }


def quarter_turns(answers: Answers, size: int, quarters: int) -> Answers:
    """The answers for a square picture of `size` pixels after `torch.rot90(picture, quarters)`.

    Exact, as anchors are square and lie symmetrically: no network has to see the turned picture. Which eye is the left
    one stays a matter of the face, not of the picture.
    """
    boxes, scores, landmarks = answers
    for _ in range(quarters % 4):
        boxes, scores, landmarks = (_turn_anchors(part, size) for part in (boxes, scores, landmarks))
        x, y, width, height = boxes.unbind(-1)
        boxes = torch.stack([y, -x, height, width], -1)
        points = landmarks.unflatten(-1, (5, 2))
        landmarks = torch.stack([points[..., 1], -points[..., 0]], -1).flatten(-2)
    return boxes, scores, landmarks


def _turn_anchors(values: Tensor, size: int) -> Tensor:
    """Values (B, N, C) of the anchors in their order after a quarter turn anticlockwise."""
    levels = []
    start = 0
    for stride, sizes in STRIDES.items():
        cells = -(-size // stride)
        end = start + cells * cells * len(sizes)
        level = values[:, start:end].unflatten(1, (cells, cells, len(sizes)))
        levels.append(torch.rot90(level, 1, (1, 2)).flatten(1, 3))
        start = end
    return torch.cat(levels, 1)
