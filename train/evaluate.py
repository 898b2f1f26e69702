"""Measures a translation on the test split, as the page shows it, by classifiers that are trained apart.

    python train/evaluate.py --translation runs/gender --data crops/gender \\
        --judge crops/classifiers crops/celeba_male --output runs/gender/evaluation

One protocol for every translation: all test pictures (or --pictures of them, drawn by the seed), translated and blended
as the page does it, faces at 128 pixels, whole pictures at the size they were trained at. Prints and writes
`metrics.json`, and `sheet.png` with 32 test pictures each way at 256 pixels, drawn at random and not chosen.
Two classifiers of different architecture learn each thing that is judged; the figures are the less favourable of both,
and what each gets right on real pictures is printed beside.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cyclegan_core.errors import CycleganError
from cyclegan_core.translations.config import Direction
from cyclegan_core.translations.translation import Translation
from train.command_line import command, whole_number
from train.data.cache import cached_pictures
from train.data.folders import read_crop
from train.data.listing import picture_files, require_tests
from train.evaluation import classifier_pair, metrics
from train.evaluation.features import encode
from train.evaluation.judges import Judges, assemble
from train.evaluation.samples import Look, save_sheet, show_translated
from train.preparation.labels import groups
from train.publishing.card import METRICS_FILE, digest
from train.training.run_folder import read_translation

WHOLE_SIZE, LARGEST_WHOLE = 256, 1024  # pixels: of a whole picture where a translation tells none, and at most
SHEET_PICTURES, SHEET_SIDE = 32, 256
SEED = 0


@dataclass
class Split:
    """Test pictures of one domain: uint8 (N, 3, S, S), and the names of their files."""

    pictures: Tensor
    names: list[str]


def measure(
    translation: Translation, splits: dict[str, Split], who: Judges, device: torch.device
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures of each direction by its name for people (see FIGURES in figures.py), and the same by groups of people.

    splits: the test pictures of `a_to_b` and `b_to_a`, which are left as they are.
    """
    config = translation.config
    generators = {direction: generator.to(device) for direction, generator in translation.generators.items()}
    figures: dict[str, Any] = {}
    by_group: dict[str, Any] = {}
    for direction, generator in generators.items():
        other = Direction.B_TO_A if direction is Direction.A_TO_B else Direction.A_TO_B
        before, target, back = splits[direction].pictures, splits[other].pictures, generators.get(other)
        look = Look.of(config, before.shape[-1])
        shown = show_translated(generator, before, look, direction)
        after = torch.from_numpy(shown).permute(0, 3, 1, 2).contiguous()
        each = _of_each(before, after, who, is_b=direction is Direction.B_TO_A, faces=config.crop is not None)
        own, others = metrics.likeness_to_own_and_others(encode(who.encoder, after), encode(who.encoder, before))
        untouched = metrics.fid_and_kid(who.features, target, before, seed=SEED)
        made = metrics.fid_and_kid(who.features, target, after, seed=SEED)
        figures[config.directions[direction]] = {
            **_means(each),
            "fid": round(made["fid"], 2),
            "fid_untouched": round(untouched["fid"], 2),
            "kid": round(made["kid"], 5),
            "kid_deviation": round(made["kid_deviation"], 5),
            "kid_untouched": round(untouched["kid"], 5),
            "kid_share": round(made["kid"] / max(untouched["kid"], 1e-9), 3),
            "likeness_own": round(own, 3),
            "likeness_others": round(others, 3),
            **({"cycle": round(metrics.cycle_error(generator, back, before, size=look.size), 2)} if back else {}),
            "variety": round(metrics.variety(before, after), 2),
            "feature_variety": round(
                metrics.feature_variety(encode(who.encoder, before), encode(who.encoder, after)), 2
            ),
        }
        rows = groups(splits[direction].names)
        if rows and config.crop:
            by_group[config.directions[direction]] = {
                group: _means({key: values[chosen] for key, values in each.items()}) for group, chosen in rows.items()
            }
    return figures, by_group


def _of_each(before: Tensor, after: Tensor, who: Judges, *, is_b: bool, faces: bool) -> dict[str, Tensor]:
    """Figures of each picture, float (N,); whole pictures have neither skin nor an age.

    What a pair of classifiers says is there twice, as `name/architecture`.
    """
    each: dict[str, Tensor] = {}
    if who.attribute is not None:
        for moment, pictures in (("before", before), ("after", after)):
            for name, logits in who.attribute.logits(pictures).items():
                each[f"judged_other_{moment}/{name}"] = ((logits > 0) != is_b).float()
    each["rank_1"] = metrics.nearest_to_own(encode(who.encoder, after), encode(who.encoder, before), seed=SEED).float()
    each["change"] = (after.float() - before.float()).abs().mean(dim=(1, 2, 3))
    if faces:
        each["skin_shift"] = metrics.colour_shift(metrics.middle(before), metrics.middle(after))
        each["border_shift"] = metrics.border_shift(before, after)
        if who.ages is not None:
            told = who.ages.years(before)
            each |= {f"years/{name}": years - told[name] for name, years in who.ages.years(after).items()}
        if who.keeps is not None:
            told = who.keeps.logits(before)
            for name, logits in who.keeps.logits(after).items():
                each[f"kept/{name}"] = ((logits > 0) == (told[name] > 0)).float()
    return each


def _means(each: dict[str, Tensor]) -> dict[str, Any]:
    """Means over the pictures; of two classifiers the one that sees less of what is wanted, and both as `each`."""
    count = len(next(iter(each.values())))
    means: dict[str, Any] = {"pictures": count}
    pairs: dict[str, dict[str, float]] = {}
    for key, values in each.items():
        name, _, architecture = key.partition("/")
        mean = round(float(values.mean()), 4)
        if architecture:
            pairs.setdefault(name, {})[architecture] = mean
        else:
            means[name] = mean
    for name, pair in pairs.items():
        # What is seen before is told by the classifier whose figure after counts.
        seen = pairs["judged_other_after"] if name == "judged_other_before" else pair
        means[name] = pair[min(seen.items(), key=lambda item: abs(item[1]))[0]]
    return {**means, **({"each": pairs} if pairs else {})}


def load_split(folder: Path, side: int, most: int | None, seed: int) -> Split:
    """The pictures of a folder, or `most` of them, drawn by the seed. Raises CycleganError."""
    cached = cached_pictures(picture_files(folder), side, folder)
    count = len(cached.names)
    chosen = torch.arange(count)
    if most is not None and most < count:
        chosen = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:most].sort().values
    if len(chosen) < 2:
        raise CycleganError(f"{folder} holds one picture that can be read; measuring needs two: prepare with --test 8")
    return Split(torch.from_numpy(cached.pictures[chosen.numpy()]), [cached.names[row] for row in chosen])


def _side(translation: Translation) -> int:
    """Pixels that test pictures are kept at: those of a judge for faces, else what the generators were trained at."""
    config = translation.config
    if config.crop:
        return classifier_pair.SIDE
    trained = config.training.get("config")
    told = trained.get("size") if isinstance(trained, dict) else config.training.get("size")
    side = told if isinstance(told, int) and 16 <= told <= LARGEST_WHOLE else WHOLE_SIZE
    for generator in translation.generators.values():
        side = max(side, getattr(generator, "smallest", 1))
        side += -side % getattr(generator, "multiple", 1)
    return side


def _note_other_crops(translation: Translation, data: Path) -> None:
    """Figures of faces that are cut in another way than the generators know them mean little."""
    crop, wanted = read_crop(data, classifier_pair.SIDE), translation.config.crop
    if wanted and not wanted.is_cut_like(crop):
        how = "no crops of faces" if crop is None else "crops of another kind"
        print(f"note: {data.name} holds {how}, unlike what {translation.config.name} was trained on", file=sys.stderr)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--translation", required=True, help="embedded name, its or a run's folder, or Hub repository")
    parser.add_argument("--data", type=Path, required=True, help="crops or pictures with trainA, trainB and tests")
    parser.add_argument(
        "--judge", "--classifiers", type=Path, nargs="+", metavar="SET", help="sets with the same two domains, which "
        "the classifiers learn from (--data; nothing where --ages alone is given)",
    )  # fmt: skip
    parser.add_argument(
        "--judge-pictures", type=whole_number(2), default=120_000, help="that each is trained on (120000)"
    )
    parser.add_argument(
        "--ages", type=Path, nargs="+", metavar="SET", help="crops whose names tell ages, as UTKFace's do (--judge)"
    )
    parser.add_argument(
        "--keeps", type=Path, nargs="+", metavar="SET", help="two domains of what must stay: sex for a change of age"
    )
    features = ("auto", "inception", "imagenet", "own")
    parser.add_argument("--features", choices=features, default="auto", help="for FID and KID (the first to be had)")
    parser.add_argument("--inception-weights", type=Path, help="torch-fidelity's file, where it cannot be downloaded")
    parser.add_argument("--pictures", type=whole_number(2), help="test pictures of each domain (all)")
    parser.add_argument("--output", type=Path, required=True, help="gets metrics.json and the sheet")
    parser.add_argument("--seed", type=int, default=1000, help="of the judges' training and of what is drawn")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    options = parser.parse_args(arguments)
    options.data = options.data.absolute()  # so that `.` has a name
    options.judge = options.judge or ([] if options.ages else [options.data])
    options.ages = options.ages or options.judge
    return options


@command(stopped="Stopped; the classifiers that are trained are kept for the next time.")
def main(arguments: Sequence[str] | None = None) -> None:
    print(json.dumps(evaluate(parse(arguments)), indent=2))


def evaluate(options: argparse.Namespace) -> dict[str, Any]:
    """Does what the command line says and returns what `metrics.json` holds. Raises CycleganError and OSError."""
    cuda = options.device != "cpu" and torch.cuda.is_available()
    if options.device == "cuda" and not cuda:
        raise CycleganError("this torch sees no CUDA GPU; leave out --device cuda or install a CUDA build of torch")
    device = torch.device("cuda" if cuda else "cpu")
    for folder in (options.data, *options.judge, *options.ages, *(options.keeps or ())):
        require_tests(folder)  # before any classifier is trained, which takes minutes
    translation = read_translation(options.translation)
    _note_other_crops(translation, options.data)
    config, side = translation.config, _side(translation)
    if options.output.exists() and not options.output.is_dir():
        raise CycleganError(f"--output {options.output} is a file; name a folder")
    options.output.mkdir(parents=True, exist_ok=True)
    folders = {"a_to_b": options.data / "testA", "b_to_a": options.data / "testB"}
    splits = {name: load_split(folder, side, options.pictures, options.seed) for name, folder in folders.items()}
    a, b = (splits[way].pictures for way in ("a_to_b", "b_to_a"))
    who, about = assemble(options, a, b, device, config.crop is not None)
    figures, by_group = measure(translation, splits, who, device)
    found: dict[str, Any] = {
        "protocol": {
            "data": options.data.name,
            "split": "test",
            "pictures": sum(len(split.names) for split in splits.values()),
            "side": side,
            "seed": options.seed,
            "shown": "each blended as the page shows it" if config.crop else f"as squares of {side} pixels",
        },
        "judges": about,
        "translation": figures,
        "groups": by_group,
    }
    if translation.folder:
        found["weights"] = digest(translation.folder)
    (options.output / METRICS_FILE).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    save_sheet(
        options.output / "sheet.png",
        {direction.value: generator.to(device) for direction, generator in translation.generators.items()},
        {name: load_split(folder, SHEET_SIDE, SHEET_PICTURES, SEED).pictures for name, folder in folders.items()},
        Look.of(config, side),
        side=SHEET_SIDE,
    )
    return found


if __name__ == "__main__":
    sys.exit(main())
