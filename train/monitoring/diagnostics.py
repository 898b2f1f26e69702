"""Signs that a training goes wrong, as notes that say what to try."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

WON = 0.98  # share of scores on the right side, above which a discriminator gives the generators nothing to learn from
ALIKE = 0.3  # of the inputs' spread; below it all outputs look the same
UNCHANGED = 1.0  # mean change of a pixel in 1/255, below which nothing happens
INVERTED = -0.25  # correlation of light and dark before and after, below which a picture has become its negative
EXPLODED = 1e4  # a mean loss above it is no training any more
EARLY = 0.1  # share of the budget before which none of this is a fault


class Diagnostics:
    """Recognises a training that goes wrong; each kind of fault is noted once.

    Each method takes measurements at `progress`, the share of the run's budget that is spent, in [0, 1], and returns
    notes for the log; most of the time there are none.
    """

    def __init__(self) -> None:
        self._said: set[str] = set()

    def losses(self, means: dict[str, float], progress: float) -> list[str]:
        """means: of the log, among them `right_a` and `right_b`, how often each discriminator is right, in [0, 1]."""
        notes = []
        if grown := [name for name, value in means.items() if value > EXPLODED and name != "rate"]:
            notes = self._new(
                "exploded",
                [f"the losses {', '.join(grown)} have exploded; start again with a lower --learning-rate"],
            )
        won = []
        for side in "ab":
            if progress > EARLY and means.get(f"right_{side}", 0.0) > WON:
                won.append(
                    f"the discriminator of domain {side.upper()} is right on {means[f'right_{side}']:.1%}: it has won, "
                    "and the generators learn nothing from it; try a smaller --set discriminator_pace, "
                    "--set diff_augment=color,translation for a small set, or --set r1=1"
                )
        return notes + self._new("won", won)

    def pictures(self, before: Tensor, after: Tensor, direction: str, progress: float) -> list[str]:
        """before, after: uint8 (N, 3, H, W), the fixed pictures of the sample sheet and what was made of them."""
        if progress <= EARLY or len(before) < 2:
            return []
        notes = []
        x, y = (F.adaptive_avg_pool2d(p.float(), 16) for p in (before, after))  # (N, 3, 16, 16): no detail, no noise
        change = float((after.float() - before.float()).abs().mean())
        spread = float(y.std(dim=0).mean()) / max(float(x.std(dim=0).mean()), 1e-6)
        if change < UNCHANGED:
            notes += self._new(
                f"unchanged {direction}",
                [
                    f"{direction} leaves pictures as they are (a pixel changes by {change:.1f} of 255): lower the "
                    "weights cycle and identity, or raise cross_domain, with --set"
                ],
            )
        if spread < ALIKE:
            notes += self._new(
                f"alike {direction}",
                [
                    f"{direction} makes the same of every picture (their spread is {spread:.0%} of before): mode "
                    "collapse; start again with a higher weight of cycle or identity, or a lower learning rate"
                ],
            )
        if _correlation(x, y) < INVERTED:
            notes += self._new(
                f"inverted {direction}",
                [
                    f"{direction} turns light into dark: colour inversion, which a cycle can undo and so allows; give "
                    "identity a weight of half of cycle with --set identity=5, and start again"
                ],
            )
        return notes

    def _new(self, kind: str, notes: list[str]) -> list[str]:
        if not notes or kind in self._said:
            return []
        self._said.add(kind)
        return notes


def broken(means: dict[str, float]) -> list[str]:
    """Names of the losses that are no longer finite numbers."""
    return [name for name, value in means.items() if not math.isfinite(value)]


def _correlation(x: Tensor, y: Tensor) -> float:
    """Mean over pictures of the correlation of brightness over the places of (N, 3, H, W)."""
    x, y = (p.mean(dim=1).flatten(1) for p in (x, y))
    x, y = x - x.mean(dim=1, keepdim=True), y - y.mean(dim=1, keepdim=True)
    return float((F.normalize(x, dim=1) * F.normalize(y, dim=1)).sum(dim=1).mean()) if torch.any(x) else 0.0
