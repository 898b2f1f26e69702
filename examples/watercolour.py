"""The classic CycleGAN in ten minutes on two cores: whole photographs to ink and watercolour.

    python examples/watercolour.py --output runs/watercolour                  # ten minutes, then look at sheet.png
    python examples/watercolour.py --output runs/watercolour --photos DIR     # with more photographs of your own

Domain A are parts of the photographs; domain B are parts of them that a seeded program has painted. The trainer never
sees which belong together. `train/run.py` does the training, by the recipe of the faces for whole pictures; the same
command resumes. Use the result as any other: `python examples/custom_translation.py OUTPUT/run/translation ...`.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree

import cv2
import numpy as np
from numpy.typing import NDArray

from cyclegan_core import CycleganError, FaceTranslator, images

FOLDER = Path(__file__).parent
SIDE = 176  # pixels of a part
SMALLEST, LARGEST = 300, 900  # shortest side of a photograph when parts are cut out of it
SHEET_SIDE = 420
RECIPE = (
    *("--preset", "gender", "--name", "watercolour", "--directions", "to_watercolour,to_photo", "--bf16"),
    *("--set", 'generator_arguments={"channels": 32, "residual": true}', "--set", "output=picture"),
    *("--set", "preprocess=crop", "--set", "turn=0", "--set", "zoom=0", "--set", "shift=0"),
    *("--set", "discriminator_arguments={\"channels\": 32}", "--set", "validation=0", "--set", "identity=0.5"),
)  # fmt: skip


def painted(photo: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The RGB uint8 (H, W, 3) photo in ink and watercolour: flat bleeding paint on grainy paper, and drawn edges."""
    height, width = photo.shape[:2]

    def noise(pixels: float) -> NDArray[np.float32]:
        small = rng.normal(size=(max(2, int(height / pixels)), max(2, int(width / pixels)))).astype(np.float32)
        return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)

    flat = cv2.edgePreservingFilter(photo, flags=cv2.RECURS_FILTER, sigma_s=30, sigma_r=0.4).astype(np.float32) / 255
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    flat = cv2.remap(
        flat, across + 2 * noise(12), down + 2 * noise(12), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    mean = flat.mean(axis=2, keepdims=True)
    paint = 0.32 + 0.72 * (mean + (flat - mean) * 1.35)  # thin: the paper shines through
    paint = paint.clip(0.01) ** (1 + 0.1 * noise(40)[..., None]) * (1 + 0.035 * noise(3)[..., None])
    pooled = cv2.GaussianBlur(flat, (0, 0), 1.2) - cv2.GaussianBlur(flat, (0, 0), 5)
    paint += 0.5 * np.minimum(pooled.mean(axis=2, keepdims=True), 0)  # paint dries darkest at its borders

    # Ink by an extended difference of Gaussians (Winnemöller et al. 2012), by a pen that is pressed unevenly.
    grey = cv2.GaussianBlur(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255, (0, 0), 0.7)
    edges = cv2.GaussianBlur(grey, (0, 0), 1.0) - 0.985 * cv2.GaussianBlur(grey, (0, 0), 1.8) - 0.004
    ink = np.where(edges > 0, 0, -np.tanh(45 * edges)) * (0.85 + 0.25 * noise(8)).clip(0, 1)
    return np.rint((paint.clip(0, 1) * (1 - 0.88 * ink[..., None])).clip(0, 1) * 255).astype(np.uint8)


def prepare(photos: Sequence[Path], data: Path, parts: int, seed: int = 0) -> None:
    """Cuts parts at random places and scales: `data/trainA` of the photographs, `data/trainB` of the painted ones.

    parts: of each domain. The folder is there whole or not at all.
    """
    partial = data.with_suffix(".partial")
    rmtree(partial, ignore_errors=True)
    rng = np.random.default_rng(seed)
    for domain in "AB":
        (partial / f"train{domain}").mkdir(parents=True)
        per_photo = -(-parts // len(photos))
        for index, path in enumerate(photos):
            photo = images.load(path)
            for number in range(per_photo):
                if number % 10 == 0:
                    side = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST))))
                    scale = min(1.0, side / min(photo.shape[:2]))
                    shown = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                    shown = painted(shown, rng) if domain == "B" else shown
                top, left = (int(rng.integers(0, max(1, size - SIDE))) for size in shown.shape[:2])
                part = np.ascontiguousarray(shown[top : top + SIDE, left : left + SIDE])
                images.save(part, partial / f"train{domain}" / f"{index:03d}_{number:03d}.png")
    partial.rename(data)


def sheet(translation: Path, photos: Sequence[Path], target: Path) -> None:
    """Photographs above, what the network paints below."""
    translator = FaceTranslator.from_pretrained(str(translation))
    columns = []
    for path in photos:
        photo = images.load(path)
        scale = SHEET_SIDE / min(photo.shape[:2])
        small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:SHEET_SIDE, :SHEET_SIDE]
        columns.append(np.vstack([small, translator(small, direction="to_watercolour").picture]))
    images.save(np.hstack(columns), target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="gets the parts, the run and sheet.png")
    parser.add_argument("--photos", type=Path, help="a folder of photographs, beside the examples")
    parser.add_argument("--parts", type=int, default=500, help="that are cut out for each domain (500)")
    parser.add_argument("--minutes", default="10", help="of training (10)")
    args = parser.parse_args()

    examples = sorted(FOLDER.glob("*.jpg"))
    others = sorted(args.photos.iterdir()) if args.photos else []
    data, run = args.output / "parts", args.output / "run"
    if not (data / "trainB").is_dir():
        prepare([*examples, *(path for path in others if path.suffix.lower() in images.SUFFIXES)], data, args.parts)
    command = [sys.executable, str(FOLDER.parent / "train" / "run.py"), "--data", str(data), "--output", str(run)]
    code = subprocess.run([*command, "--minutes", args.minutes, *RECIPE]).returncode
    if code:
        sys.exit(code)
    sheet(run / "translation", examples, args.output / "sheet.png")
    print(f"Look at {args.output / 'sheet.png'}")


if __name__ == "__main__":
    try:
        main()
    except (CycleganError, OSError) as error:
        sys.exit(str(error))
