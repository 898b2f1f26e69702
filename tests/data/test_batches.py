"""Batches of both domains: what the config says of one domain alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from cyclegan_core import images
from train.config.train_config import Stage, TrainConfig
from train.data.batches import Batches
from train.training.distributed import ProcessGroup

STILL = TrainConfig("edges", ("there", "back"), size=16, batch=2, flip=False, turn=0, zoom=0, shift=0, validation=0)


def test_a_domain_is_sharpened_as_far_as_its_own_field_says(tmp_path: Path) -> None:
    edge = np.full((16, 16, 3), 60, np.uint8)
    edge[:, 8:] = 190
    for domain in "AB":
        (tmp_path / f"train{domain}").mkdir()
        for number in range(4):
            images.save(edge, tmp_path / f"train{domain}" / f"{number}.png")

    def sharpened(of_both: float, of_b: float | None = None) -> tuple[bool, bool]:
        config = replace(STILL, sharpen=of_both, sharpen_b=of_b)
        batches = Batches(config, tmp_path, ProcessGroup(torch.device("cpu")))
        batches.enter(Stage(16, 2, 1.0))
        a, b = (float(pictures.max()) > 190 / 127.5 - 0.999 for pictures in batches.next())
        batches.close()
        return a, b

    assert sharpened(0.0) == (False, False)
    assert sharpened(2.0) == (True, True)
    assert sharpened(2.0, 0.0) == (True, False)
