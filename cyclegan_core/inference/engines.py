"""What runs a generator: PyTorch on a CPU or a GPU, or OpenVINO on a CPU, two to four times faster there."""

import threading
from collections.abc import Callable
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cyclegan_core.inference.whole_layers import Piecewise, reach
from cyclegan_core.networks.layers import SelfAttention
from cyclegan_core.runtime.compiled import Arrays, compile_model, convert, has_bf16, has_openvino
from cyclegan_core.runtime.model_cache import CachedModel, digest_of, digest_of_network

BATCH = 8  # crops at a time: more gains nothing on a CPU and costs memory
Engine = Callable[[NDArray[np.float32]], NDArray[np.float32]]
Known = Arrays
"""What the layers that look at the whole picture know of one; none where there are no such layers."""


# At this side and below OpenVINO gains nothing over PyTorch, and converting a generator takes it seconds at the start.
SMALL = 96
# Error of bfloat16 on an example picture in [-1, 1] up to which it is used: 3 of 255 for all but a hundredth of the
# values, which are edges of strokes: those of a drawn face may move by 13 of 255 and nobody sees it. Norms over the
# picture may lose more, a visible step in a smooth cheek.
TOLERANCE, TOLERATED = 3 / 127.5, 0.99


def engine_name(size: int | None) -> Literal["CUDA", "OpenVINO", "PyTorch"]:
    """The engine that `make_engine` uses here for crops of this side, or for pictures of any size."""
    if torch.cuda.is_available():
        return "CUDA"
    if size is not None and size <= SMALL:
        return "PyTorch"
    return "OpenVINO" if has_openvino() else "PyTorch"


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


_Pieces = Callable[..., Arrays]


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
    survey = convert(module, example, [picture])
    translate = convert(module, (example, *known), [picture, *sides])
    return compile_model(survey), compile_model(translate)


def _torch(generator: nn.Module, device: str) -> Engine:
    generator = generator.to(device)

    @torch.inference_mode()
    def run(x: NDArray[np.float32]) -> NDArray[np.float32]:
        return generator(torch.from_numpy(x).to(device)).cpu().numpy()

    return run


def _openvino(generator: nn.Module, size: int | None) -> Engine:
    multiple = getattr(generator, "multiple", 4)
    # Converting runs the generator several times in PyTorch: on the smallest picture that it takes.
    smallest = getattr(generator, "smallest", 2 * multiple)
    example = torch.zeros(1, 3, smallest, smallest)
    side = size or -1
    bf16 = size is not None and has_bf16()
    cached = CachedModel(
        digest_of(digest_of_network(generator), side, bf16, TOLERANCE, TOLERATED),
        lambda: convert(generator, example, [[-1, 3, side, side]]),
    )
    run = compile_model(cached.model, cached.precision(lambda: _precision(cached.model, side)) if bf16 else "f32")
    return lambda x: run(x)[0]


def _precision(model: Any, size: int) -> str:
    """bf16 where it differs little from f32 on an example picture, else f32."""
    picture = _example_picture(size)
    exact, fast = (compile_model(model, precision)(picture)[0] for precision in ("f32", "bf16"))
    return "bf16" if np.quantile(np.abs(fast - exact), TOLERATED) <= TOLERANCE else "f32"


def _example_picture(size: int) -> NDArray[np.float32]:
    """Soft shapes with some grain, float32 (1, 3, size, size) in [-1, 1]."""
    random = np.random.default_rng(0)
    soft = cv2.resize(random.uniform(-1, 1, (6, 6, 3)), (size, size), interpolation=cv2.INTER_CUBIC)
    picture = np.clip(soft + random.normal(0, 0.05, soft.shape), -1, 1)
    return picture.transpose(2, 0, 1)[None].astype(np.float32)
