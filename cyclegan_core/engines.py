"""What runs a generator: PyTorch on a CPU or a GPU, or OpenVINO on a CPU, two to four times faster there."""

import sys
import threading
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

BATCH = 8  # crops at a time: more gains nothing on a CPU and costs memory
Engine = Callable[[NDArray[np.float32]], NDArray[np.float32]]


# At this side and below OpenVINO gains nothing over PyTorch, and converting a generator takes it seconds at the start.
SMALL = 96


def engine_name(size: int | None) -> Literal["CUDA", "OpenVINO", "PyTorch"]:
    """The engine that `make_engine` uses here for crops of this side, or for pictures of any size."""
    if torch.cuda.is_available():
        return "CUDA"
    if size is not None and size <= SMALL:
        return "PyTorch"
    return "OpenVINO" if find_spec("openvino") else "PyTorch"


def make_engine(generator: nn.Module, size: int | None) -> Engine:
    """Turns a generator in evaluation mode into a function of float32 (B, 3, H, W) arrays in [-1, 1].

    size: side of the crops, or None where pictures of any size come. The function may be called from several threads.
    """
    name = engine_name(size)
    run = _openvino(generator, size) if name == "OpenVINO" else _torch(generator, "cuda" if name == "CUDA" else "cpu")

    def in_batches(x: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate([run(x[i : i + BATCH]) for i in range(0, len(x), BATCH)])

    return in_batches


def _torch(generator: nn.Module, device: str) -> Engine:
    generator = generator.to(device)

    @torch.inference_mode()
    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        return generator(torch.from_numpy(x).to(device)).cpu().numpy()

    return run


def _openvino(generator: nn.Module, size: int | None) -> Engine:
    # OpenVINO reports its use to a web service; without this module it falls back to a stub that reports nothing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    multiple = getattr(generator, "multiple", 4)
    example = torch.zeros(1, 3, size or 16 * multiple, size or 16 * multiple)
    side = size or -1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of its own deprecation and of checks that see only the example
        model = openvino.convert_model(generator, example_input=example, input=[-1, 3, side, side])
    # Full precision: bf16 is faster on some processors, but an error of 0.05 is a visible step in a smooth cheek.
    compiled = openvino.Core().compile_model(
        model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    )
    requests = threading.local()  # an infer request serves one thread at a time

    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        if not hasattr(requests, "request"):
            requests.request = compiled.create_infer_request()
        result: Any = requests.request.infer(np.ascontiguousarray(x))
        return np.array(result[0])  # a copy: the request's own buffer is filled again by the next call

    return run
