"""Networks are converted for OpenVINO once, and never read where anything they depend on has changed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from cyclegan_core.faces.landmark_net import LandmarkNet
from cyclegan_core.inference import engines
from cyclegan_core.networks import UnetResnetGenerator
from cyclegan_core.runtime import model_cache

if engines.engine_name(128) != "OpenVINO":
    pytest.skip("OpenVINO does not run generators here", allow_module_level=True)

X = engines._example_picture(128)


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "cyclegan" / "models"


def generator(**arguments: object) -> UnetResnetGenerator:
    torch.manual_seed(0)
    return UnetResnetGenerator(channels=8, blocks=1, **arguments).eval()  # type: ignore[arg-type]


def not_again(*arguments: object) -> None:
    raise AssertionError("it is converted again")


def test_the_second_start_converts_and_measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    first = engines.make_engine(generator(), 128)(X)
    monkeypatch.setattr(engines, "convert", not_again)
    monkeypatch.setattr(engines, "_precision", not_again)
    assert np.array_equal(engines.make_engine(generator(), 128)(X), first)


def _of_other_weights() -> UnetResnetGenerator:
    other = generator()
    with torch.no_grad():
        other.painter.weight[0, 0, 0, 0] += 0.1
    return other


@pytest.mark.medium
@pytest.mark.parametrize("other", [_of_other_weights, lambda: generator(smooth=True), lambda: generator(residual=True)])
def test_other_weights_and_other_settings_are_other_models(other: Callable[[], UnetResnetGenerator]) -> None:
    engines.make_engine(generator(), 128)
    with torch.inference_mode():
        expected = other()(torch.from_numpy(X)).numpy()
    assert np.abs(engines.make_engine(other(), 128)(X) - expected).mean() < 0.01


@pytest.mark.medium
@pytest.mark.parametrize("file", [model_cache.MODEL, "model.bin"])
def test_a_damaged_model_is_made_again(models: Path, file: str) -> None:
    first = engines.make_engine(generator(), 128)(X)
    (folder,) = models.iterdir()
    (folder / file).write_bytes(b"damaged")
    assert np.array_equal(engines.make_engine(generator(), 128)(X), first)
    assert (folder / file).stat().st_size > 100


def test_without_a_place_to_write_it_works_all_the_same(models: Path) -> None:
    models.parent.mkdir()
    models.write_text("a file where the folder would be")
    assert engines.make_engine(generator(), 128)(X).shape == X.shape


@pytest.mark.medium
def test_only_those_used_last_are_kept(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_cache, "KEPT", 1)
    engines.make_engine(generator(), 128)
    engines.make_engine(generator(smooth=True), 128)
    (kept,) = models.iterdir()
    engines.make_engine(generator(smooth=True), 128)
    assert list(models.iterdir()) == [kept]


@pytest.mark.parametrize("openvino", [True, False])
def test_a_small_network_gives_what_it_gives_in_pytorch(monkeypatch: pytest.MonkeyPatch, openvino: bool) -> None:
    monkeypatch.setattr(model_cache, "has_openvino", lambda: openvino)
    net = LandmarkNet().eval()
    batch = np.random.default_rng(0).uniform(-1, 1, (3, 3, 64, 64)).astype(np.float32)
    with torch.inference_mode():
        expected = [part.numpy() for part in net(torch.from_numpy(batch))]
    run = model_cache.on_cpu(net, torch.zeros(1, 3, 64, 64))
    one_by_one = [run(batch[i : i + 1]) for i in range(3)]
    for index, other in enumerate(expected):
        assert np.abs(run(batch)[index] - other).max() < 1e-4
        assert np.abs(np.concatenate([parts[index] for parts in one_by_one]) - other).max() < 1e-4
