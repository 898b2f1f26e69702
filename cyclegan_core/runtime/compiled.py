"""Networks compiled by OpenVINO, which runs them on a CPU two to eight times faster than PyTorch does."""

import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Arrays = tuple[NDArray[np.float32], ...]


def has_openvino() -> bool:
    return find_spec("openvino") is not None


def has_bf16() -> bool:
    """Whether this processor multiplies in bfloat16, which is several times faster for dense layers."""
    return "BF16" in _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def convert(module: nn.Module, example: Any, shapes: Sequence[Sequence[int]]) -> Any:
    """A module as OpenVINO's model of inputs of these shapes."""
    with warnings.catch_warnings(), torch.no_grad():  # as the network is used
        warnings.simplefilter("ignore")  # tracing warns of its own deprecation and of checks that see only the example
        return _openvino().convert_model(module, example_input=example, input=[list(shape) for shape in shapes])


def read_model(file: Path) -> Any:
    """OpenVINO's model of a file that `save_model` wrote. Raises RuntimeError where it is none."""
    return _openvino().Core().read_model(file)


def save_model(model: Any, file: Path) -> None:
    """Writes OpenVINO's model as `file`, .xml, and its weights beside it, as they are. Raises RuntimeError."""
    _openvino().save_model(model, file, compress_to_fp16=False)


def compile_model(model: Any, precision: str = "f32", *, cores: int | None = None) -> Callable[..., Arrays]:
    """OpenVINO's model as a function of its inputs, arrays, that returns all of its outputs. For several threads.

    cores: that one call computes on; None for all.
    """
    how: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    if cores:
        how["INFERENCE_NUM_THREADS"] = cores
    compiled = _openvino().Core().compile_model(model, "CPU", how)
    requests = threading.local()  # an infer request serves one thread at a time

    def run(*arrays: NDArray[Any]) -> Arrays:
        if not hasattr(requests, "request"):
            requests.request = compiled.create_infer_request()
        result: Any = requests.request.infer([np.ascontiguousarray(array) for array in arrays])
        # Copies: the request's own buffers are filled again by the next call.
        return tuple(np.array(result[index]) for index in range(len(compiled.outputs)))

    return run


def run_by_pytorch(network: nn.Module) -> Callable[[NDArray[Any]], Arrays]:
    """A network as a function of one array that returns all of its outputs, on the CPU. For several threads."""

    @torch.inference_mode()
    def run(array: NDArray[Any]) -> Arrays:
        made = network(torch.from_numpy(np.ascontiguousarray(array)))
        return tuple(part.numpy() for part in (made if isinstance(made, tuple) else (made,)))

    return run


def probability(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The logistic function of a network's answers; no number is too large for it."""
    return np.float32(0.5) * (1 + np.tanh(np.float32(0.5) * logits))


def _openvino() -> Any:
    # OpenVINO reports its use to a web service; without this module it falls back to a stub that reports nothing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
