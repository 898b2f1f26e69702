"""ONNX files do what PyTorch does, at any batch and size, and say how they are used."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cyclegan_core.networks.layers import SelfAttention
from cyclegan_core.translations.config import Direction, TranslationConfig
from cyclegan_core.translations.translation import Translation, build_generators
from tests import ROOT
from train import export
from train.export import main

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

WHOLE = TranslationConfig(
    name="whole",
    directions={Direction.A_TO_B: "to_zebra"},
    generator="ResnetGenerator",
    generator_arguments={"channels": 4, "blocks": 1},
    crop=None,
)


def ready(config: TranslationConfig) -> Translation:
    torch.manual_seed(0)
    generators = {direction: net.eval().requires_grad_(False) for direction, net in build_generators(config).items()}
    for generator in generators.values():
        for module in generator.modules():
            if isinstance(module, SelfAttention):
                nn.init.ones_(module.gamma)
            elif isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
    return Translation(config, generators)


def test_each_direction_of_a_face_translation_is_written_with_what_it_needs(
    tiny_translation: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tiny_translation), "--output", str(tmp_path / "onnx")]) == 0
    assert sorted(path.name for path in (tmp_path / "onnx").iterdir()) == ["to_female.onnx", "to_male.onnx"]
    assert capsys.readouterr().out.count("largest error against PyTorch") == 2
    translation = Translation.load(tiny_translation)
    for direction, label in translation.config.directions.items():
        session = onnxruntime.InferenceSession(tmp_path / "onnx" / f"{label}.onnx")
        for shape in ((1, 3, 32, 32), (5, 3, 32, 32), (2, 3, 48, 20)):
            x = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
            (y,) = session.run(["translated"], {"picture": x})
            expected = translation.generators[direction](torch.from_numpy(x)).numpy()
            assert np.abs(y - expected).max() < 1e-4
        about = {key: json.loads(value) for key, value in session.get_modelmeta().custom_metadata_map.items()}
        assert about["direction"] == label
        assert about["crop"]["size"] == 32
        assert len(about["crop"]["template"]) == 5
        assert about["normalisation"] == {"mean": 127.5, "scale": 127.5}
        assert (about["output"], about["multiple"]) == ("change", 4)


@pytest.mark.medium
@pytest.mark.parametrize(
    ("generator", "arguments"),
    [
        ("ResnetGenerator", {"blocks": 1, "norm": "batch", "upsampling": "shuffle", "down_padding": "zeros"}),
        ("ResnetGenerator", {"blocks": 1, "attention": [4, 2], "upsampling": "resize"}),
        ("MobileResnetGenerator", {"blocks": 1, "coarse": 2, "patch": 2, "norm": "channel", "residual": True}),
        ("MobileResnetGenerator", {"blocks": 1, "coarse": 4, "skips": 1, "upsampling": "resize", "residual": True}),
        ("UnetGenerator", {"depth": 3}),
        ("MobileResnetGenerator", {"blocks": 1, "conditions": 2}),
    ],
)
def test_every_kind_of_generator_is_written(tmp_path: Path, generator: str, arguments: dict[str, Any]) -> None:
    config = replace(WHOLE, generator=generator, generator_arguments={"channels": 8, **arguments})
    ((path, worst),) = export.export(ready(config), tmp_path).items()
    assert path.name == "to_zebra.onnx"
    assert worst < 1e-4


def test_a_file_that_does_something_else_is_not_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(WHOLE).save(tmp_path / "whole")
    write = export.write_onnx

    def spoiled(generator: nn.Module, path: Path, about: dict[str, str]) -> None:
        worse = ready(WHOLE).generators[Direction.A_TO_B]
        last = [module for module in worse.modules() if isinstance(module, nn.Conv2d)][-1]
        assert last.bias is not None
        last.bias += 0.1
        write(worse, path, about)

    monkeypatch.setattr(export, "write_onnx", spoiled)
    assert main([str(tmp_path / "whole"), "--output", str(tmp_path / "onnx")]) == 1
    assert "to_zebra.onnx differs from PyTorch by" in capsys.readouterr().err
    assert list((tmp_path / "onnx").iterdir()) == []


def test_the_folder_of_a_run_is_its_best_translation(
    tiny_translation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    ready(WHOLE).save(run / "translation")
    assert main([str(run), "--output", str(tmp_path / "last")]) == 0
    assert [path.name for path in (tmp_path / "last").iterdir()] == ["to_zebra.onnx"]
    shutil.copytree(tiny_translation, run / "best")
    assert export.read_translation(str(run)).config.name == "tiny"
    assert export.read_translation(str(run / "translation")).config.name == "whole"
    ready(WHOLE).save(run)  # a translation of its own, whatever else lies there
    assert export.read_translation(str(run)).config.name == "whole"
    monkeypatch.chdir(tmp_path)
    shutil.copytree(run / "best", tmp_path / "age" / "best")
    assert export.read_translation("age").config.name == "age", "names of embedded ones come first, as everywhere"
    (tmp_path / "begun").mkdir()
    assert main([str(tmp_path / "begun"), "--output", str(tmp_path / "out")]) == 1
    assert "begun holds no config.json: it is not a translation" in capsys.readouterr().err


def test_it_runs_as_a_file(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "train" / "export.py"), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Hub repository" in done.stdout


def test_what_cannot_be_done_is_a_sentence(
    tiny_translation: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["nosuch", "--output", str(tmp_path / "a")]) == 1
    assert "there is no translation 'nosuch'" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main([str(tiny_translation), "--output", str(tmp_path / "file")]) == 1
    assert "cannot be written" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "onnxruntime" else object())
    assert main([str(tiny_translation), "--output", str(tmp_path / "b")]) == 1
    assert capsys.readouterr().err == "error: exporting needs onnxruntime: pip install onnxruntime\n"
