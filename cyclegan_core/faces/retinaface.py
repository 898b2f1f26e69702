"""The RetinaFace detector (Deng et al. 2019) with the small MobileNet backbone, network and weights by facexlib."""

import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save
from torch import Tensor, nn

from cyclegan_core.faces.face import Face
from cyclegan_core.images.shrinking import shrink
from cyclegan_core.runtime import int8
from cyclegan_core.runtime.compiled import Arrays, compile_model, convert, has_bf16, has_openvino, run_by_pytorch
from cyclegan_core.runtime.int8 import has_int8, quantise, split_ranges
from cyclegan_core.runtime.model_cache import CachedModel, digest_of
from cyclegan_core.runtime.torchvision_nms import import_torchvision

# Anchors of facexlib's mobile0.25: two square sizes at each of three strides, and the variances of its decoding.
STRIDES = {8: (16, 32), 16: (64, 128), 32: (256, 512)}
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2
MEAN_BGR = (104.0, 117.0, 123.0)

SCORE_THRESHOLD = 0.6
NMS_THRESHOLD = 0.4
# Longest side that the network sees. At 1280 a face of 30 pixels in a 2000-pixel group photo is still an anchor wide.
DETECTION_SIDE = 1280
# A face that fills a large picture is seen best when it is no larger than the largest anchors.
SMALLEST_SIDE = 160
MULTIPLE = 16  # of pixels, that the sides of what the network sees are rounded to
NEARLY_AS_LARGE = 1.15  # times as large a picture is simply resized: averaging would take a quarter of all the time


class RetinaFaceDetector:
    """Finds faces and their landmarks. Holds no state between calls, so several threads may share one.

    weights: the state of `new_network`, as `detector_weights.read_published` and `load` take it from a file, and where
    they are known the ranges of its inputs (`runtime.int8`). name: shown to people. threshold: of the scores, in
    [0, 1], from which a face counts.
    """

    def __init__(
        self, weights: Mapping[str, Tensor], *, name: str = "RetinaFace mobile0.25", threshold: float = SCORE_THRESHOLD
    ) -> None:
        self.name, self._threshold = name, threshold
        self._run_network = _engine(weights)

    @classmethod
    def load(cls, file: Path, *, name: str, threshold: float = SCORE_THRESHOLD) -> "RetinaFaceDetector":
        """From a file of `train/detector.py`. Raises OSError."""
        return cls(read_weights(file), name=name, threshold=threshold)

    def detect(self, picture: NDArray[np.uint8]) -> list[Face]:
        """Faces of an RGB uint8 (H, W, 3) picture, best score first."""
        height, width = picture.shape[:2]
        scale = min(1.0, DETECTION_SIDE / max(height, width))
        scale = max(scale, min(SMALLEST_SIDE / min(height, width), DETECTION_SIDE / max(height, width)))
        # Few different sizes: for each, OpenVINO prepares itself once.
        size = (_to_multiple(width * scale), _to_multiple(height * scale))
        sx, sy = width / size[0], height / size[1]
        if min(sx, sy) > NEARLY_AS_LARGE:
            resized, sx, sy = shrink(picture, *size)
        else:
            resized = picture if size == (width, height) else cv2.resize(picture, size)
        boxes, scores, landmarks = self._run(resized)
        stretch = np.array([sx, sy], np.float32)
        boxes = (boxes.reshape(-1, 2, 2) * stretch).reshape(-1, 4)
        landmarks = landmarks * stretch
        as_xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
        kept = np.asarray(
            cv2.dnn.NMSBoxes(as_xywh.tolist(), scores.tolist(), self._threshold, NMS_THRESHOLD), dtype=int
        ).reshape(-1)
        return [Face(tuple(map(float, boxes[i])), float(scores[i]), landmarks[i]) for i in kept]  # type: ignore[arg-type]

    def _run(self, picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Boxes (N, 4), scores (N,) and landmarks (N, 5, 2) above the threshold, in pixels of `picture`."""
        offsets, scores, points = (part[0] for part in self._run_network(picture[None]))
        likely = scores > self._threshold
        anchors = _anchors(*picture.shape[:2])[likely]
        centres = anchors[:, :2] + offsets[likely, :2] * CENTRE_VARIANCE * anchors[:, 2:]
        sizes = anchors[:, 2:] * np.exp(offsets[likely, 2:] * SIZE_VARIANCE)
        boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)
        landmarks = anchors[:, None, :2] + points[likely].reshape(-1, 5, 2) * CENTRE_VARIANCE * anchors[:, None, 2:]
        return boxes, scores[likely], landmarks.astype(np.float32)


def _to_multiple(side: float) -> int:
    """A side in pixels, rounded to a multiple of MULTIPLE."""
    return MULTIPLE * max(1, round(side / MULTIPLE))


def read_weights(file: Path) -> dict[str, Tensor]:
    """What a file of `train/detector.py` holds, in single precision. Raises OSError."""
    return {key: value.float() if value.is_floating_point() else value for key, value in load_file(file).items()}


def normalised(pictures: Tensor) -> Tensor:
    """RGB pictures (B, H, W, 3) in [0, 255] as the network takes them: BGR less its mean, float32 (B, 3, H, W)."""
    return pictures.permute(0, 3, 1, 2).flip(1).float() - torch.tensor(MEAN_BGR).view(1, 3, 1, 1)


class _OnPictures(nn.Module):
    """The network on RGB uint8 (1, H, W, 3): box offsets (1, N, 4), scores (1, N) and landmark offsets (1, N, 10)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        offsets, logits, points = self.network(normalised(pictures))
        return offsets, torch.sigmoid(logits[..., 1] - logits[..., 0]), points  # the softmax of two


def _engine(weights: Mapping[str, Tensor]) -> Callable[[NDArray[np.uint8]], Arrays]:
    """`_OnPictures` as a function of uint8 (1, H, W, 3), for several threads. OpenVINO takes a seventh of the time, and
    half of that in 8-bit integers."""
    state, ranges = split_ranges(weights)
    integers = bool(ranges) and has_openvino() and has_int8()

    def module() -> nn.Module:
        network = new_network().eval()
        network.load_state_dict(state)
        if integers:
            quantise(network, ranges)
        return _OnPictures(network).eval()

    if has_openvino():
        # The network itself is not needed to know it again: facexlib takes seconds to import.
        sources = b"".join(Path(file).read_bytes() for file in (__file__, int8.__file__))
        digest = hashlib.sha256(sources + save(dict(weights))).hexdigest()
        example = torch.zeros(1, 320, 320, 3, dtype=torch.uint8)
        cached = CachedModel(
            digest_of(digest, metadata.version("facexlib"), integers),
            lambda: convert(module(), example, [(1, -1, -1, 3)]),
        )
        return compile_model(cached.model, "bf16" if has_bf16() else "f32")
    return run_by_pytorch(module())


@lru_cache(maxsize=8)
def _anchors(height: int, width: int) -> NDArray[np.float32]:
    """Anchor boxes (N, 4) as centre x, centre y, width, height in pixels, in the order of the network's outputs."""
    levels = []
    for stride, sizes in STRIDES.items():
        rows, columns = -(-height // stride), -(-width // stride)
        y, x, size = np.meshgrid(
            (np.arange(rows) + 0.5) * stride, (np.arange(columns) + 0.5) * stride, sizes, indexing="ij"
        )
        levels.append(np.stack([x, y, size, size], axis=-1).reshape(-1, 4))
    return np.concatenate(levels).astype(np.float32)


def new_network() -> nn.Module:
    """facexlib's network without weights. It takes `normalised` pictures and gives box offsets (B, N, 4), logits
    of background and face (B, N, 2), and landmark offsets (B, N, 10), of the anchors in the order of `_anchors`."""
    import_torchvision()
    from facexlib.detection.retinaface import RetinaFace  # slow to import, and training has no facexlib

    network: nn.Module = RetinaFace(network_name="mobile0.25", phase="train", device=torch.device("cpu"))
    return network
