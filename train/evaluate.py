"""Measures a face translation on the test split, as the demo shows it, by a judge that is trained apart.

    python train/evaluate.py --translation runs/gender/translation --data crops/gender \\
        --judge crops/celeba_male --output runs/gender/evaluation

The judge is a classifier of the two domains, trained on trainA and trainB, best of another set. How often it is right
on real faces is printed beside every figure it gives. Prints and writes `metrics.json`, and a sheet of 16 test faces
each way.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from torch import Tensor

from cyclegan_core.errors import CycleganError
from cyclegan_core.translation import Translation
from cyclegan_core.translation_config import Direction
from train.classifier import DomainClassifier, share_of_b, train_classifier
from train.config import preset
from train.data import load_pictures
from train.samples import save_sheet, show_translated

JUDGE_SIZE, JUDGE_CHANNELS = 64, 24
STORED = 128
# The middle of the crop is skin of the face whoever is shown; the mask is full there.
SKIN = slice(STORED // 4, 3 * STORED // 4)


def train_judge(data: Path, cache: Path, *, pictures: int, seed: int) -> DomainClassifier:
    """A classifier of trainA and trainB of `data`; kept in the file `cache`, as training it takes minutes."""
    if cache.is_file():
        judge = DomainClassifier(JUDGE_CHANNELS)
        judge.load_state_dict(torch.load(cache, weights_only=True))
        return judge.eval().requires_grad_(False)
    print(f"Training the judge on {pictures:,} pictures of {data.name}", flush=True)
    a, b = (load_pictures(data / f"train{d}", STORED) for d in "AB")
    judge = train_classifier(a, b, preset("gender"), pictures=pictures, seed=seed, channels=JUDGE_CHANNELS)
    torch.save(judge.state_dict(), cache)
    return judge


def measure(translation: Translation, pictures: dict[str, Tensor], judge: DomainClassifier) -> dict[str, Any]:
    """Figures for the test pictures of `a_to_b` and `b_to_a`, uint8 (N, 3, S, S), blended as the demo does it.

    judged_other_before, judged_other_after: share that the judge puts into the other domain. skin_shift: mean distance
    of the mean colour of the face before and after, and change: mean absolute change of a pixel, both in 1/255.
    variety: how much faces differ from one another after, as a multiple of before; near 0 all look the same.
    """
    crop = translation.config.crop
    if crop is None:
        raise CycleganError(f"{translation.config.name} translates whole pictures; this measures faces")
    figures = {}
    for direction, generator in translation.generators.items():
        before = pictures[direction]
        shown = show_translated(
            generator, before, size=crop.size, output=translation.config.output, gain=translation.config.gain
        )
        after = torch.from_numpy(shown).permute(0, 3, 1, 2)
        shares = [share_of_b(judge, p, size=JUDGE_SIZE) for p in (before, after)]
        if direction is Direction.B_TO_A:
            shares = [1 - share for share in shares]
        difference = after.float() - before.float()
        skin = difference[..., SKIN, SKIN].mean(dim=(2, 3))  # (N, 3)
        figures[translation.config.directions[direction]] = {
            "faces": len(before),
            "judged_other_before": round(shares[0], 4),
            "judged_other_after": round(shares[1], 4),
            "skin_shift": round(float(skin.norm(dim=1).mean()), 2),
            "change": round(float(difference.abs().mean()), 2),
            "variety": round(float(after.float().std(dim=0).mean() / before.float().std(dim=0).mean()), 2),
        }
    return figures


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--translation", required=True, help="embedded name, folder or Hub repository")
    parser.add_argument("--data", type=Path, required=True, help="crops with testA and testB")
    parser.add_argument("--judge", type=Path, required=True, help="crops of another set with trainA, trainB and tests")
    parser.add_argument("--judge-pictures", type=int, default=50_000, help="that the judge is trained on (50000)")
    parser.add_argument("--output", type=Path, required=True, help="gets metrics.json, the sheet and the judge")
    parser.add_argument("--seed", type=int, default=1000)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    try:
        translation = Translation.from_pretrained(options.translation)
        options.output.mkdir(parents=True, exist_ok=True)
        test_a, test_b = (load_pictures(options.data / f"test{d}", STORED) for d in "AB")
        own_a, own_b = (load_pictures(options.judge / f"test{d}", STORED) for d in "AB")
        judge = train_judge(
            options.judge, options.output / "judge.pt", pictures=options.judge_pictures, seed=options.seed
        )
        right = {
            name: round((1 - share_of_b(judge, a, size=JUDGE_SIZE) + share_of_b(judge, b, size=JUDGE_SIZE)) / 2, 4)
            for name, a, b in (("on its own test split", own_a, own_b), ("on the real test faces", test_a, test_b))
        }
        figures = measure(translation, {"a_to_b": test_a, "b_to_a": test_b}, judge)
        same = options.judge.resolve() == options.data.resolve()
        judged_by = {"trained on": options.judge.name, "same data": same, "right": right}
        metrics = {"judge": judged_by, "translation": figures}
        (options.output / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
        crop = translation.config.crop
        assert crop is not None  # measure has refused whole pictures
        chosen = np.random.default_rng(0)
        sheet = {
            "a_to_b": test_a[np.sort(chosen.choice(len(test_a), min(16, len(test_a)), replace=False))],
            "b_to_a": test_b[np.sort(chosen.choice(len(test_b), min(16, len(test_b)), replace=False))],
        }
        save_sheet(
            options.output / "sheet.png",
            {direction.value: g for direction, g in translation.generators.items()},
            sheet,
            size=crop.size,
            output=translation.config.output,
            gain=translation.config.gain,
            side=STORED,
        )
    except (CycleganError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(metrics, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
