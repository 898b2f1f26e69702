"""Lets torchvision be imported beside a CPU build of torch that its compiled operators were not made for.

The registry's torchvision wheel is built against CUDA torch. Beside a CPU torch its operators do not load, and its
Python part then fails to import with `operator torchvision::nms does not exist`: it registers shape functions for
operators that nobody defined. Declaring the two schemas is enough for the import; nothing here ever calls them.
"""

import importlib

import torch

SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def import_torchvision() -> None:
    """Imports torchvision, and declares its missing operators first where the plain import fails.

    With a matching pair of torch and torchvision nothing is declared. Raises ImportError where no torchvision is
    installed, and RuntimeError where it fails for another reason.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", SCHEMA)
        importlib.import_module("torchvision")
