"""Writes the generators of a translation as ONNX files, and checks them against PyTorch.

    python train/export.py gender --output onnx
    python train/export.py runs/mine --output onnx

Each direction becomes OUTPUT/NAME.onnx, which takes `picture` and returns `translated`, both float32 (B, 3, H, W) in
[-1, 1], RGB, for any number of pictures and any height and width that is a multiple of the generator's. What else is
needed to use it (normalisation, face template, gain) is in the file's metadata. Needs onnx and onnxruntime.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn

from cyclegan_core.atomic import atomically
from cyclegan_core.errors import CycleganError
from cyclegan_core.translations.config import Direction
from cyclegan_core.translations.translation import Translation
from train.command_line import command
from train.training.run_folder import read_translation

OPSET = 17  # the first with layer norm; onnxruntime reads it since 1.13 (2022)
# Float arithmetic in another order; a wrong layer is off by a hundred times as much.
TOLERANCE = 1e-3
INPUT, OUTPUT = "picture", "translated"


def export(translation: Translation, folder: Path) -> dict[Path, float]:
    """Writes one file for each direction; returns their paths with the largest error found, in the range [-1, 1].

    A file that does not do what PyTorch does is not kept. Raises CycleganError, also where a library is missing.
    """
    missing = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise CycleganError(f"exporting needs {' and '.join(missing)}: pip install {' '.join(missing)}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        errors = {}
        for direction, label in translation.config.directions.items():
            path = folder / f"{label}.onnx"
            with atomically(path) as partial:
                write_onnx(translation.generators[direction], partial, metadata(translation, direction))
                worst = largest_error(translation.generators[direction], partial, _side(translation, direction))
                if not worst <= TOLERANCE:
                    raise CycleganError(
                        f"{path.name} differs from PyTorch by {worst:.2g} and was not kept; report this with the "
                        f"translation and torch {torch.__version__}"
                    )
            errors[path] = worst
        return errors
    except OSError as error:
        raise CycleganError(f"{folder} cannot be written: {error.strerror or error}") from error


def metadata(translation: Translation, direction: Direction) -> dict[str, str]:
    """What is needed to use a file by itself; each value is JSON."""
    about = translation.config.to_dict()
    kept = {key: about[key] for key in ("name", "crop", "output", "gain", "normalisation", "data_licence")}
    smallest = getattr(translation.generators[direction], "smallest", 1)
    kept |= {
        "direction": translation.config.directions[direction],
        "multiple": getattr(translation.generators[direction], "multiple", 1),
        "smallest": smallest,
        "source": translation.source,
    }
    return {key: json.dumps(value) for key, value in kept.items()}


def write_onnx(generator: nn.Module, path: Path, about: dict[str, str]) -> None:
    """Writes a generator in evaluation mode with dynamic batch, height and width."""
    import onnx

    side = 2 * int(getattr(generator, "smallest", 32))
    parameter = next(generator.parameters(), torch.zeros(()))
    example = torch.zeros(2, 3, side, side + int(getattr(generator, "multiple", 4)), device=parameter.device)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of checks that see only the example
        # The exporter by tracing: the one by torch.export takes thirty times as long and a library more.
        torch.onnx.export(
            generator,
            (example,),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={name: {0: "batch", 2: "height", 3: "width"} for name in (INPUT, OUTPUT)},
        )
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, about)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def largest_error(generator: nn.Module, path: Path, side: int) -> float:
    """Largest difference between a file and PyTorch: one and three pictures, a square and another, wider size."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    multiple = int(getattr(generator, "multiple", 4))
    parameter = next(generator.parameters(), torch.zeros(()))
    random = torch.Generator().manual_seed(0)
    worst = 0.0
    for batch, height, width in ((1, side, side), (3, side + multiple, side + 3 * multiple)):
        x = torch.rand(batch, 3, height, width, generator=random) * 2 - 1
        (given,) = session.run([OUTPUT], {INPUT: x.numpy()})
        with torch.no_grad():
            expected = generator(x.to(parameter.device)).cpu()
        worst = max(worst, float((torch.from_numpy(given) - expected).abs().nan_to_num(float("inf")).max()))
    return worst


def _side(translation: Translation, direction: Direction) -> int:
    """Pixels to check at: the crop's, or enough for a generator of whole pictures to work as it does on large ones."""
    generator = translation.generators[direction]
    smallest, multiple = int(getattr(generator, "smallest", 32)), int(getattr(generator, "multiple", 4))
    if translation.config.crop is not None:
        return translation.config.crop.size
    return max(smallest, 128 // multiple * multiple)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("translation", help="embedded name, its or a run's folder, or Hub repository (org/name)")
    parser.add_argument("--output", type=Path, required=True, help="folder of the files, made where it is missing")
    parser.add_argument("--revision", help="branch, tag or commit of a Hub repository")
    return parser.parse_args(arguments)


@command()
def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    translation = read_translation(options.translation, revision=options.revision)
    for path, worst in export(translation, options.output).items():
        size = path.stat().st_size / 1e6
        print(f"{path} ({size:.1f} MB): largest error against PyTorch {worst:.1e} of the range [-1, 1]")


if __name__ == "__main__":
    sys.exit(main())
