"""The one format: what is written can be read, and everything malformed is refused by name."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from cyclegan_core.errors import TranslationError
from cyclegan_core.translations.config import Direction
from cyclegan_core.translations.source import embedded_names
from cyclegan_core.translations.translation import Translation


@pytest.fixture
def folder(tiny_translation: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_translation, tmp_path / "mine"))


def test_what_is_saved_comes_back(tiny_translation: Path, tmp_path: Path) -> None:
    first = Translation.load(tiny_translation)
    first.save(tmp_path / "again")
    second = Translation.load(tmp_path / "again")
    assert second.config == first.config
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    for direction in Direction:
        assert torch.equal(first.generators[direction](x), second.generators[direction](x))
    assert sorted(os.listdir(tmp_path / "again")) == ["config.json", "model.safetensors"]
    modes = {path.stat().st_mode for path in (tmp_path / "again").iterdir()}
    assert len(modes) == 1  # the weights are for the same readers as the config


def test_a_translation_may_go_one_way(tiny_translation: Path, tmp_path: Path) -> None:
    both = Translation.load(tiny_translation)
    config = replace(both.config, directions={Direction.A_TO_B: "to_female"})
    Translation(config, {Direction.A_TO_B: both.generators[Direction.A_TO_B]}).save(tmp_path)
    loaded = Translation.load(tmp_path)
    assert loaded.config == config
    assert list(loaded.generators) == [Direction.A_TO_B]
    assert json.loads((tmp_path / "config.json").read_text())["directions"]["b_to_a"] is None
    with pytest.raises(TranslationError, match=r"no direction 'b_to_a': it goes to_female$"):
        loaded.config.direction("b_to_a")


def test_half_precision_weights_are_read(folder: Path) -> None:
    tensors = {key: value.half() for key, value in load_file(folder / "model.safetensors").items()}
    save_file(tensors, folder / "model.safetensors")
    loaded = next(Translation.load(folder).generators[Direction.A_TO_B].parameters())
    assert loaded.dtype == torch.float32


def test_directions_go_by_their_own_name_and_by_letters(tiny_translation: Path) -> None:
    config = Translation.load(tiny_translation).config
    assert config.direction("to_male") is Direction.B_TO_A
    assert config.direction("a_to_b") is Direction.A_TO_B
    with pytest.raises(TranslationError, match="no direction 'older': it goes to_female or to_male"):
        config.direction("older")


def changed(*path: str, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(config: dict[str, Any]) -> None:
        for key in path[:-1]:
            config = config[key]
        config[path[-1]] = to

    return change


def without(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda config: config.pop(key)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without("format_version"), "lacks format_version"),
        (without("crop"), "lacks crop"),
        (without("directions"), "lacks directions"),
        (changed("format_version", to=99), "format_version is 99"),
        (changed("format_version", to=True), "must be a whole number"),
        (changed("name", to="../../etc"), "name must be 1 to 64 letters.*, not '../../etc'"),
        (changed("name", to=7), "name must be text"),
        (changed("directions", to={"a_to_b": "x"}), "lacks directions.b_to_a"),
        (changed("directions", "b_to_a", to="to_female"), "same name"),
        (changed("directions", "b_to_a", to=None), "unknown tensor b_to_a"),
        (changed("directions", "a_to_b", to=None), "a_to_b must be text"),
        (changed("directions", "b_to_a", to="<script>"), "directions.b_to_a must be 1 to 40 letters"),
        (changed("generator", to="ResnetGenerator"), "generator must be an object"),
        (changed("generator", "name", to="os.system"), "'os.system' is unknown"),
        (changed("generator", "arguments", to={"width": 3}), "arguments are wrong"),
        (
            changed("generator", "arguments", "channels", to="many"),
            "generator.arguments.channels must be a whole number, not 'many'",
        ),
        (changed("generator", "arguments", "channels", to=4096), "over 200,000,000"),
        (changed("generator", "arguments", "channels", to=10**12), "channels must be less than or equal to 4096"),
        (changed("generator", "arguments", "blocks", to=10**9), "blocks must be less than or equal to 100"),
        (changed("generator", "arguments", "downsamplings", to=64), "downsamplings must be less than or equal to 10"),
        (changed("generator", "arguments", "patch", to=1 << 20), "patch must be less than or equal to 16"),
        (changed("generator", "arguments", "coarse", to=1 << 40), "coarse must be less than or equal to 64"),
        (changed("generator", "arguments", "conditions", to=10**9), "conditions must be less than or equal to 1000"),
        (changed("generator", "arguments", "conditions", to=1), "1 condition cannot tell two directions apart"),
        (changed("generator", "arguments", "conditions", to=2), "lacks tensor shared"),
        (changed("generator", "arguments", "blocks", to=1.5), "blocks must be a whole number"),
        (changed("generator", "arguments", "attention", to=[4] * 100_000), "attention must have at most 16 items"),
        (changed("generator", "arguments", "attention", to="4"), "attention must be a valid list"),
        (changed("generator", "arguments", "attention", to=[3]), "attention must be at 1/n"),
        (
            changed("generator", to={"name": "UnetGenerator", "arguments": {"depth": 10**6}}),
            "depth must be less than or equal to 12",
        ),
        (changed("generator", to={"name": "UnetGenerator", "arguments": {"depth": 6}}), "not a multiple of 64"),
        (changed("generator", to={"name": "UnetGenerator", "arguments": {"depth": 5}}), "lacks tensor|unknown tensor"),
        (changed("generator", "arguments", "channels", to=16), "has shape"),
        (changed("generator", "arguments", "blocks", to=2), "lacks tensor"),
        (changed("generator", "arguments", "blocks", to=0), "lacks tensor|unknown tensor"),
        (changed("crop", "size", to=33), "not a multiple of 4"),
        (changed("crop", "size", to=1 << 20), "crop.size must be less than or equal to 1024"),
        (changed("crop", "template", to=[[0, 0]] * 4), "crop.template must have at least 5 items"),
        (changed("crop", "template", to=[[0.5, 0.5]] * 5), "both eyes at one place"),
        (changed("crop", "template", to=[[0, "a"]] * 5), "crop.template.0.1 must be a number, not 'a'"),
        (changed("crop", "margin", to=-1), "margin"),
        (changed("crop", "sharpness", to={"a_to_b": 0}), "sharpness"),
        (changed("crop", "sharpness", to={"sideways": 5.0}), "sharpness"),
        (changed("crop", "matte", to="yes"), "matte"),
        (changed("crop", "colour_transfer", to={"a_to_b": 1.5}), "colour_transfer"),
        (changed("crop", "colour_transfer", to={"sideways": 0.5}), "colour_transfer"),
        (changed("crop", "hair", to={"a_to_b": 3}), "hair"),
        (changed("output", to="video"), "output must be"),
        (changed("gain", to="bold"), "gain must be"),
        (changed("gain", to=9), "gain must be"),
        (changed("normalisation", to={"mean": 0}), "normalisation"),
        (changed("training", to=[]), "training must be an object"),
    ],
)
def test_a_malformed_config_is_refused_by_name(
    folder: Path, change: Callable[[dict[str, Any]], None], says: str
) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(TranslationError, match=says):
        Translation.load(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b" " * 2_000_000])
def test_a_config_that_is_no_object_is_refused(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    with pytest.raises(TranslationError, match=r"config\.json"):
        Translation.load(folder)


def edited(edit: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        tensors = load_file(path)
        edit(tensors)
        save_file(tensors, path)

    return write


FIRST = "a_to_b.net.0.bias"


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.unlink(), "holds no model.safetensors"),
        (lambda path: path.write_bytes(b""), "damaged or cut off"),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "damaged or cut off"),
        (lambda path: path.write_bytes(b"\xff" * 200), "damaged or cut off"),
        (lambda path: torch.save({}, path), "damaged or cut off"),
        (edited(lambda t: t.pop(FIRST)), f"lacks tensor {FIRST}"),
        (edited(lambda t: t.update(extra=torch.zeros(1))), "unknown tensor extra"),
        (edited(lambda t: t.update({FIRST: torch.zeros(9)})), "shape"),
        (edited(lambda t: t[FIRST].fill_(float("nan"))), "not finite"),
        (edited(lambda t: t.update({FIRST: t[FIRST].long()})), "numbers"),
    ],
)
def test_malformed_weights_are_refused_by_name(folder: Path, spoil: Callable[[Path], None], says: str) -> None:
    spoil(folder / "model.safetensors")
    with pytest.raises(TranslationError, match=says):
        Translation.load(folder)


def test_a_full_disk_loses_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (folder / "model.safetensors").read_bytes()

    def full(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content[:100])
        raise OSError(28, "No space left on device")

    translation = Translation.load(folder)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        translation.save(folder)
    assert (folder / "model.safetensors").read_bytes() == before
    assert len(os.listdir(folder)) == 2


@pytest.mark.parametrize("name", ["nosuch", "", ".gender", "a/b/c", "/no/such/folder", "x" * 5000, "a\0b"])
def test_an_unknown_name_is_a_sentence(name: str) -> None:
    with pytest.raises(TranslationError, match="there is no translation"):
        Translation.from_pretrained(name)


def test_every_embedded_translation_loads_and_is_small() -> None:
    assert "gender" in embedded_names()
    for name in embedded_names():
        translation = Translation.from_pretrained(name)
        assert translation.config.name == name
        assert translation.config.training["pictures"] > 0
