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

from cyclegan_core.inference.whole_layers import Piecewise, reach
from cyclegan_core.networks.layers import SelfAttention

BATCH = 8  # crops at a time: more gains nothing on a CPU and costs memory
Engine = Callable[[NDArray[np.float32]], NDArray[np.float32]]
Known = tuple[NDArray[np.float32], ...]
"""What the layers that look at the whole picture know of one; none where there are no such layers."""


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


class WholeEngine:
    """Runs a generator in evaluation mode on pictures of any size, whole or in pieces. For several threads.

    Arrays are float32 (B, 3, H, W) in [-1, 1], with sides that are multiples of `multiple` and at least `smallest`.
    reach: how far beyond a piece, in pixels, its surroundings matter. attentive: it has self-attention.
    """

    def __init__(self, generator: nn.Module) -> None:
        self.multiple: int = getattr(generator, "multiple", 4)
        self.smallest: int = getattr(generator, "smallest", 2 * self.multiple)
        self.reach = reach(generator)
        self.attentive = any(isinstance(module, SelfAttention) for module in generator.modules())
        self.whole = make_engine(generator, None)
        self._generator = generator
        self._lock = threading.Lock()
        self._surveys = True
        self._pieces: tuple[_Pieces, _Pieces] | None = None  # made for the first picture that is large

    def survey(self, pieces: NDArray[np.float32]) -> Known:
        """What there is to know of the picture that the pieces are taken from."""
        survey, _ = self._piecewise()
        return survey(pieces) if self._surveys else ()

    def piece(self, x: NDArray[np.float32], known: Known) -> NDArray[np.float32]:
        """Translates pieces of the picture that `known` was learnt of."""
        _, translate = self._piecewise()
        return translate(x, *known)[0] if self._surveys else self.whole(x)

    def _piecewise(self) -> "tuple[_Pieces, _Pieces]":
        with self._lock:
            if self._pieces is None:
                module = Piecewise(self._generator).eval()
                self._surveys = bool(module.layers)
                # OpenVINO returns nothing at all of a survey with attention.
                openvino = self._surveys and not self.attentive and engine_name(None) == "OpenVINO"
                self._pieces = _openvino_pieces(module, self.multiple) if openvino else _torch_pieces(module)
            return self._pieces


_Pieces = Callable[..., Known]


def _torch_pieces(module: Piecewise) -> tuple[_Pieces, _Pieces]:
    module = module.to("cuda" if engine_name(None) == "CUDA" else "cpu")
    lock = threading.Lock()

    @torch.inference_mode()
    def run(*arrays: NDArray[np.float32]) -> Known:
        device = next(module.parameters()).device
        with lock:  # while it runs, its layers hold what they know
            made = module(*(torch.from_numpy(array).to(device) for array in arrays))
        return tuple(tensor.cpu().numpy() for tensor in (made if isinstance(made, tuple) else (made,)))

    return run, run


def _openvino_pieces(module: Piecewise, multiple: int) -> tuple[_Pieces, _Pieces]:
    example = torch.zeros(1, 3, 16 * multiple, 16 * multiple)
    with torch.inference_mode():
        known = module(example)
    picture, sides = [-1, 3, -1, -1], [[-1, tensor.shape[1]] for tensor in known]
    return _compiled(module, example, [picture]), _compiled(module, (example, *known), [picture, *sides])


def _torch(generator: nn.Module, device: str) -> Engine:
    generator = generator.to(device)

    @torch.inference_mode()
    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        return generator(torch.from_numpy(x).to(device)).cpu().numpy()

    return run


def _openvino(generator: nn.Module, size: int | None) -> Engine:
    multiple = getattr(generator, "multiple", 4)
    example = torch.zeros(1, 3, size or 16 * multiple, size or 16 * multiple)
    side = size or -1
    run = _compiled(generator, example, [[-1, 3, side, side]])
    return lambda x: run(x)[0]


def _compiled(module: nn.Module, example: Any, shapes: list[list[int]]) -> _Pieces:
    """A module as a function of its inputs, float32 arrays of these shapes, that returns all of its outputs."""
    # OpenVINO reports its use to a web service; without this module it falls back to a stub that reports nothing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    with warnings.catch_warnings(), torch.no_grad():  # as the network is used
        warnings.simplefilter("ignore")  # tracing warns of its own deprecation and of checks that see only the example
        model = openvino.convert_model(module, example_input=example, input=shapes)
    # Full precision: bf16 is faster on some processors, but an error of 0.05 is a visible step in a smooth cheek.
    compiled = openvino.Core().compile_model(
        model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    )
    requests = threading.local()  # an infer request serves one thread at a time

    def run(*arrays: NDArray[np.float32]) -> Known:
        if not hasattr(requests, "request"):
            requests.request = compiled.create_infer_request()
        result: Any = requests.request.infer([np.ascontiguousarray(array) for array in arrays])
        # Copies: the request's own buffers are filled again by the next call.
        return tuple(np.array(result[index]) for index in range(len(compiled.outputs)))

    return run
