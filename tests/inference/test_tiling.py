"""Large pictures in tiles: the same as in one piece, with no edge to be seen, in little memory."""

import itertools
import threading
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cyclegan_core.inference import tiling
from cyclegan_core.inference.engines import WholeEngine
from cyclegan_core.inference.whole_layers import Piecewise, reach
from cyclegan_core.networks import MobileResnetGenerator, ResnetGenerator, UnetGenerator
from cyclegan_core.networks.layers import SelfAttention

TILE = 128


def lively(generator: nn.Module) -> nn.Module:
    """With weights that make something of every layer, as a trained network does, and not the same grey."""
    torch.manual_seed(1)
    for layer in generator.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0, layer.weight[0].numel() ** -0.5)
        if isinstance(layer, SelfAttention):
            nn.init.ones_(layer.gamma)
    return generator.eval().requires_grad_(False)


def landscape(height: int = 231, width: int = 318) -> np.ndarray:
    """A smooth sky, in which any edge shows, that is bright at the right, over ground with much detail."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    sky = np.stack([60 + 150 * x / width, 90 + 100 * y / height, 220 - 120 * x / width], 2)
    ground = rng.integers(0, 256, (height // 4 + 1, width // 4 + 1, 3)).repeat(4, 0).repeat(4, 1)[:height, :width]
    return np.where((y > 0.7 * height)[..., None], ground, sky).astype(np.uint8)


def paint(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (y + 1) * 127.5


GENERATORS: dict[str, Any] = {
    "resnet": lambda: ResnetGenerator(channels=4, blocks=1),
    "patch": lambda: MobileResnetGenerator(
        channels=8, blocks=2, downsamplings=1, patch=2, norm="channel", upsampling="resize", residual=True
    ),
    "coarse": lambda: MobileResnetGenerator(channels=8, blocks=1, downsamplings=1, coarse=2, upsampling="resize"),
    "shuffle": lambda: ResnetGenerator(channels=4, blocks=1, upsampling="shuffle"),
    "attention": lambda: ResnetGenerator(channels=4, blocks=1, upsampling="resize", attention=[4]),
}


class Told:
    """A generator whose tiles know what one other picture tells; or, without one, each for itself."""

    def __init__(self, generator: nn.Module, whole: np.ndarray | None, *, wider: int = 1) -> None:
        self.engine = WholeEngine(generator)
        self.multiple, self.smallest = self.engine.multiple, self.engine.smallest
        self.reach, self.attentive = wider * self.engine.reach, self.engine.attentive
        self.whole, self._picture = self.engine.whole, whole

    def survey(self, pieces: np.ndarray) -> tuple[np.ndarray, ...]:
        if self._picture is None:
            return ()
        return self.engine.survey(in_one_piece(self._picture, self.engine))

    def piece(self, x: np.ndarray, known: tuple[np.ndarray, ...]) -> np.ndarray:
        return self.engine.whole(x) if self._picture is None else self.engine.piece(x, known)


def in_one_piece(picture: np.ndarray, engine: WholeEngine) -> np.ndarray:
    return tiling._normalised([picture], *(tiling._rounded_up(side, engine) for side in picture.shape[:2]))


def tiled(picture: np.ndarray, generator: tiling.Generator, tile: int = TILE) -> np.ndarray:
    return tiling.translate(picture, generator, paint, at_once=1, tile=tile).astype(np.float32)


def at_once(picture: np.ndarray, generator: tiling.Generator) -> np.ndarray:
    return tiling.translate(picture, generator, paint)


def visible(made: np.ndarray, seamless: np.ndarray) -> float:
    """The largest step, in units of 1/255, along any row or column, that is in the one picture and not in the other."""
    error = made.astype(np.float64) - seamless
    return float(max(np.abs(np.diff(error, axis=axis).mean((1 - axis, 2))).max() for axis in (0, 1)))


@pytest.fixture(autouse=True)
def torch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO would compile each network for seconds; see `test_whole` for it."""
    monkeypatch.setattr("cyclegan_core.inference.engines.has_openvino", lambda: False)


@pytest.mark.parametrize("name", GENERATORS)
def test_tiles_are_what_they_would_be_within_the_whole_picture(name: str) -> None:
    generator, picture = lively(GENERATORS[name]()), landscape()
    expected = at_once(picture, WholeEngine(generator))
    assert expected.std() > 5
    made = tiled(picture, Told(generator, picture))
    assert made.shape == picture.shape
    assert np.abs(made - expected).mean() < 0.1  # of 255; 0.06 is the most that float16 costs
    with_all_it_sees = tiled(picture, Told(generator, picture, wider=3))
    assert np.abs(with_all_it_sees - expected).max() < 0.1


@pytest.mark.medium
def test_the_survey_comes_close_to_what_the_whole_picture_would_tell() -> None:
    generator, picture = lively(GENERATORS["resnet"]()), landscape(700, 900)
    expected = at_once(picture, WholeEngine(generator))
    alone = np.abs(tiled(picture, Told(generator, None), 256) - expected).mean()
    surveyed = np.abs(tiled(picture, WholeEngine(generator), 256) - expected).mean()
    assert surveyed < alone / 4


@pytest.mark.medium
@pytest.mark.parametrize("name", [*GENERATORS, "unet"])
def test_no_edge_of_a_tile_is_to_be_seen(name: str) -> None:
    generator = lively(GENERATORS.get(name, lambda: UnetGenerator(channels=4, depth=4))())
    picture, engine = landscape(330, 420), WholeEngine(generator)
    known = engine.survey(tiling._survey(picture, engine))
    x = in_one_piece(picture, engine)
    seamless = paint(x, engine.piece(x, known))[0].transpose(1, 2, 0)[:330, :420]
    assert visible(tiled(picture, engine), seamless) < 0.5


def test_the_measure_sees_the_edges_of_tiles_that_know_nothing_of_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def hard(length: int, generator: tiling.Generator, longest: int = TILE) -> list[tiling.Window]:
        return [tiling.Window(at, np.ones(min(TILE, length - at), np.float32)) for at in range(0, length, TILE)]

    generator, picture = lively(GENERATORS["resnet"]()), landscape(328, 420)
    monkeypatch.setattr(tiling, "windows", hard)
    assert visible(tiled(picture, Told(generator, None)), at_once(picture, WholeEngine(generator))) > 5


@pytest.mark.parametrize("multiple", [4, 8, 256])
@pytest.mark.parametrize("length", [256, 1024, 1280, 2304, 10240])
@pytest.mark.parametrize("seen", [0, 43, 400])
def test_the_weights_of_all_windows_add_up_to_one(multiple: int, length: int, seen: int) -> None:
    class Shape:
        reach = seen

    shape: Any = Shape()
    shape.multiple, shape.smallest = multiple, 2 * multiple
    total = np.zeros(length)
    made = tiling.windows(length, shape)
    for window in made:
        assert window.start % multiple == 0
        assert len(window.weights) % multiple == 0
        assert len(window.weights) <= 1024
        assert window.end <= length
        total[window.start : window.end] += window.weights
    assert np.allclose(total, 1)
    for one, other in itertools.pairwise(made):
        assert one.end - other.start >= 2 * min(seen, 128)


@pytest.mark.parametrize("name", GENERATORS)
def test_reach_is_no_less_than_what_changes_a_pixel(name: str) -> None:
    generator = lively(GENERATORS[name]())
    module = Piecewise(generator)
    side, place = 256, 128
    torch.manual_seed(0)
    x = torch.rand(1, 3, side, side) - 0.5
    learnt = module(x)
    known = learnt if isinstance(learnt, tuple) else ()
    x.requires_grad_()
    made = module(x, *known)
    assert isinstance(made, torch.Tensor)
    made[0, :, place, place].sum().backward()
    assert x.grad is not None
    felt = x.grad.abs().sum((0, 1, 2)).nonzero().flatten()
    assert max(place - int(felt.min()), int(felt.max()) - place) <= reach(generator)


@pytest.mark.parametrize("height_and_width", [(1, 1), (3, 700), (17, 33), (231, 318), (256, 256)])
def test_any_size_comes_out_as_it_went_in(height_and_width: tuple[int, int]) -> None:
    engine = WholeEngine(lively(GENERATORS["resnet"]()))
    picture = landscape(*height_and_width)
    for limit in (10**9, 1):
        made = tiling.translate(picture, engine, paint, at_once=limit, tile=TILE)
        assert made.shape == picture.shape
        assert np.isfinite(made).all()


def test_a_network_that_looks_at_nothing_whole_is_not_surveyed() -> None:
    engine = WholeEngine(lively(GENERATORS["patch"]()))
    assert engine.survey(np.zeros((1, 3, 64, 64), np.float32)) == ()


def test_pieces_share_the_weights_and_leave_the_generator_as_it_was() -> None:
    generator = GENERATORS["resnet"]()
    before = [type(module) for module in generator.modules()]
    module = Piecewise(generator)
    assert [type(module) for module in generator.modules()] == before
    assert {p.data_ptr() for p in module.parameters()} == {p.data_ptr() for p in generator.parameters()}


@pytest.mark.medium
def test_threads_that_tile_at_once_do_not_mix_what_they_know() -> None:
    engine = WholeEngine(lively(GENERATORS["resnet"]()))
    pictures = [landscape(), 255 - landscape(200, 180), np.full((150, 260, 3), 9, np.uint8)]
    alone = [tiled(picture, engine) for picture in pictures]
    together: dict[int, np.ndarray] = {}

    def work(i: int) -> None:
        together[i] = tiled(pictures[i], engine)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, expected in enumerate(alone):
        assert np.array_equal(together[i], expected)
