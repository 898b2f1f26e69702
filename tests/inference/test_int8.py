"""Small networks in 8-bit integers answer nearly what they answer in floating-point numbers."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cyclegan_core import images
from cyclegan_core.faces import retinaface
from cyclegan_core.faces.embedded_detector import EmbeddedDetector
from cyclegan_core.runtime import model_cache
from cyclegan_core.runtime.compiled import has_openvino
from cyclegan_core.runtime.int8 import measure_ranges, quantise, split_ranges
from tests import ROOT


@pytest.fixture(autouse=True)
def _no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def network() -> nn.Module:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 4, 3))
    for _ in range(20):
        body(next(pictures()))  # batch norm learns what it sees
    return nn.Sequential(body, nn.Tanh()).eval()


def pictures() -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(1)
    for _ in range(4):
        yield torch.rand(2, 3, 32, 32, generator=generator) * 2 - 1


def answers(run: nn.Module) -> Tensor:
    with torch.inference_mode():
        return run(next(pictures()))


def test_a_network_answers_nearly_the_same() -> None:
    plain, rounded = network(), network()
    quantise(rounded, measure_ranges(plain, pictures()))
    error = (answers(rounded) - answers(plain)).abs()
    assert 0 < error.mean() < 0.01
    assert error.max() < 0.05


def test_ranges_lie_beside_the_weights_and_are_taken_out_again() -> None:
    plain = network()
    ranges = measure_ranges(plain, pictures())
    assert sorted(ranges) == ["0.0.input_range", "0.3.input_range"]
    least, most = ranges["0.0.input_range"]
    assert -1 <= least < -0.99
    assert 0.99 < most <= 1
    assert ranges["0.3.input_range"][0] == 0  # behind a ReLU
    state, taken = split_ranges({**plain.state_dict(), **ranges})
    assert state.keys() == plain.state_dict().keys()
    assert taken.keys() == ranges.keys()


def test_a_layer_without_a_range_stays_as_it_is() -> None:
    untouched = network()
    quantise(untouched, {})
    assert torch.allclose(answers(untouched), answers(network()), atol=1e-5)


@pytest.mark.parametrize("integers", [True, False])
def test_without_such_a_processor_or_openvino_nothing_is_rounded(
    monkeypatch: pytest.MonkeyPatch, integers: bool
) -> None:
    monkeypatch.setattr(model_cache, "has_int8", lambda: integers)
    plain = network()
    (given,) = model_cache.on_cpu(network(), torch.zeros(1, 3, 32, 32), measure_ranges(plain, pictures()))(
        next(pictures()).numpy()
    )
    error = np.abs(given - answers(plain).numpy()).max()
    assert (error > 1e-3) == (integers and has_openvino())


def test_the_embedded_detector_finds_the_same_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    two_people = images.load(ROOT / "examples" / "two_people.jpg")
    found = []
    for integers in (True, False):
        for module in (retinaface, model_cache):
            monkeypatch.setattr(module, "has_int8", lambda integers=integers: integers)
        found.append(EmbeddedDetector().detect(two_people))
    assert len(found[0]) == len(found[1]) == 2
    for one, other in zip(*(sorted(faces, key=lambda face: face.box[0]) for faces in found), strict=True):
        eyes = np.linalg.norm(other.landmarks[0] - other.landmarks[1])
        assert np.linalg.norm(one.landmarks - other.landmarks, axis=1).max() < 0.06 * eyes
        assert np.abs(np.subtract(one.box, other.box)).max() < 0.1 * other.width


def test_the_embedded_networks_have_ranges() -> None:
    """A file that was saved without them would be as right, and half as fast."""
    folder = Path(retinaface.__file__).parent
    for name in ("detector", "landmarks", "head_matte"):
        state, ranges = split_ranges(retinaface.load_file(folder / f"{name}.safetensors"))
        convolutions = [key for key, value in state.items() if key.endswith("weight") and value.dim() == 4]
        assert len(ranges) == len(convolutions)
