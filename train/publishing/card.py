"""Writes the model card of a translation from its config, from what its run noted and from what was measured.

    python -m train.publishing.card runs/gender/translation
    python -m train.publishing.card runs/gender/translation --metrics runs/gender/evaluation/metrics.json \\
        --sheet runs/gender/evaluation/sheet.png --verdict "Fair: ..." --failures "- Beards stay ..."

Without words of a person, as a push writes it by itself, the card says that nobody has looked yet.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from cyclegan_core import images
from cyclegan_core.errors import CycleganError
from cyclegan_core.translations.config import TranslationConfig
from cyclegan_core.translations.source import CARD_FILE, WEIGHTS_FILE
from cyclegan_core.translations.translation import Translation, distinct_networks
from train.config.train_config import TrainConfig
from train.evaluation.figures import describe_judges, table_of_figures, table_of_groups
from train.publishing.photographs import photographs_sheet

SHEET_FILE, PHOTOGRAPHS_FILE, METRICS_FILE, PLOT_FILE = "sheet.jpg", "photographs.jpg", "metrics.json", "metrics.png"
WORDS = ("verdict", "command", "commit", "remarks", "prepare", "evaluate", "failures")  # what no run can know
# In the front matter, where no reader meets it: a push writes such a card anew, and leaves every other one alone.
MARK = "# Written by train/publishing/card.py from the run. Take this line out to keep a text of your own."

CARD = Template("""\
---
$mark$license
library_name: cyclegan-faces
pipeline_tag: image-to-image
tags: [$tags]
---

# $name

$networks
$verdict

```python
from cyclegan_core import FaceTranslator, images

translator = FaceTranslator.from_pretrained("$address")
translated = translator(images.load("$picture"), direction="$forth")
images.save(translated.picture, "translated.jpg")
```

## How good it is

$figures

$sheet

## How it was made

| | |
| --- | --- |
| data | $data |
| command | $command |
| commit | $commit |
| device | $device |
| minutes | $minutes |
| pictures seen | $pictures |
| networks see | $sees |

$recipe

$remarks

## What it does badly

$failures

## Whose pictures, and what it is for

$ethics
""")

FACES = """\
"Female", "male", "young" and the like are labels of the data, given by others than the people shown; they say nothing
about anybody's gender or age. Faces of the data are unevenly spread over ages and skin tones, and results are worse
where it has few. Translate your own face or one whose owner agrees, say that the picture is altered when you share it,
and do not use this to identify, to judge or to deceive anybody."""
ANYTHING = """\
What it makes is invented: say that a picture is altered when you share it, and do not take it for a record of
anything."""


def write_card(
    folder: Path,
    *,
    metrics: dict[str, Any] | None = None,
    sheet: Path | None = None,
    photographs: Sequence[Path] = (),
    words: dict[str, str] | None = None,
    repo: str | None = None,
) -> None:
    """Writes `README.md`, and the sheets beside it, for the translation in `folder`.

    metrics: of train/evaluate.py, of these very weights. photographs: files that the card shows whole, before and
    after. words: those of WORDS that a person gives; a card with a verdict is a person's and is never written over by a
    push. repo: its name on the Hub, for the example. Raises CycleganError and OSError.
    """
    translation = Translation.load(folder)
    config, run = translation.config, translation.config.training
    words = {name: text for name, text in (words or {}).items() if text}
    if metrics and metrics.get("weights", digest(folder)) != digest(folder):
        raise CycleganError("the figures are of other weights than these: measure again with train/evaluate.py")
    if sheet:
        images.save(images.load(sheet), folder / SHEET_FILE, quality=88)
    if photographs:
        images.save(photographs_sheet(translation, photographs), folder / PHOTOGRAPHS_FILE, quality=88)
    if "verdict" in words:
        run["quality"] = words["verdict"]  # the page shows it
        translation.save_config(folder)
    text = CARD.substitute(
        mark="" if "verdict" in words else f"{MARK}\n",
        license=_licence(config),
        tags=", ".join(["cyclegan", "image-to-image", *(["face"] if config.crop else [])]),
        name=config.name,
        forth=next(iter(config.directions.values())),
        networks=_networks(translation, (folder / WEIGHTS_FILE).stat().st_size / 1e6),
        verdict=words.get("verdict", "This card was written by the program that trained it; nobody has judged it yet."),
        address=repo or config.name,
        picture="selfie.jpg" if config.crop else "picture.jpg",
        figures=_figures(metrics, run.get("validation"), words),
        sheet=_sheets(folder, config, metrics),
        **_made(config, run, words),
        recipe=_recipe(run.get("config")),
        remarks="\n\n".join(words[name] for name in ("remarks", "prepare") if name in words),
        failures=words.get("failures", "Nobody has looked for its failures yet. Look at the sheet before you use it."),
        ethics=f"{_inherits(config)} {FACES if config.crop else ANYTHING}",
    )
    (folder / CARD_FILE).write_text(text, encoding="utf-8")


def _networks(translation: Translation, megabytes: float) -> str:
    names = [f"**{name}**" for name in translation.config.directions.values()]
    parameters = sum(p.numel() for p in next(iter(translation.generators.values())).parameters())
    shared = len(distinct_networks(translation.generators)) < len(names)
    if len(names) == 1:
        return f"A generator of a CycleGAN, {names[0]}. {parameters:,} parameters; it weighs {megabytes:.1f} MB."
    what = "one network for two directions" if shared else "two generators"
    each = "" if shared else " each"
    weigh = f"it weighs {megabytes:.1f} MB" if shared else f"the two weigh {megabytes:.1f} MB"
    return f"A CycleGAN with {what}, {names[0]} and {names[1]}. {parameters:,} parameters{each}; {weigh}."


def ensure_card(folder: Path, *, run: Path | None = None, repo: str | None = None) -> None:
    """Writes the card of the translation in `folder` from what its run left, unless a person has written one."""
    try:
        if (folder / CARD_FILE).is_file() and MARK not in (folder / CARD_FILE).read_text(encoding="utf-8"):
            return
        found = find_metrics(folder, run)
        sheets = [found.parent / "sheet.png"] if found else []
        sheets += sorted(run.glob("samples_*.png"), reverse=True) if run else []
        sheet = next((path for path in sheets if path.is_file()), None)
        write_card(folder, metrics=json.loads(found.read_text()) if found else None, sheet=sheet, repo=repo)
    except OSError as error:
        raise CycleganError(f"the card cannot be written into {folder} ({error.strerror}); free some space") from error


def find_metrics(folder: Path, run: Path | None = None) -> Path | None:
    """The figures of these very weights, as train/evaluate.py left them in the folder or in `evaluation` of its run."""
    for place in (folder, *([run / "evaluation"] if run else []), folder.parent / "evaluation"):
        path = place / METRICS_FILE
        try:
            if json.loads(path.read_text(encoding="utf-8")).get("weights") == digest(folder):
                return path
        except (OSError, ValueError, AttributeError):
            continue
    return None


def digest(folder: Path) -> str:
    """A hash of the weights in a folder, by which figures are known to be theirs."""
    return hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()[:16]


def _licence(config: TranslationConfig) -> str:
    if "non-commercial" in config.data_licence:
        return "license: other\nlicense_name: non-commercial-research"
    return "license: unknown"


def _inherits(config: TranslationConfig) -> str:
    if config.data_licence == "unknown":
        return "The licence of the data was not told, so nobody knows what these weights may be used for: ask first."
    use = ": non-commercial research and play, no product" if "non-commercial" in config.data_licence else ""
    return f"{config.data_licence}. The weights inherit that{use}."


def _figures(metrics: dict[str, Any] | None, scores: Any, words: dict[str, str]) -> str:
    if not metrics and isinstance(scores, dict):
        rows = [f"| {_cell(name)} | {value:.3f} |" for name, value in scores.items() if isinstance(value, float)]
        return (
            "It was not measured on a test split yet: `python train/evaluate.py` does it. While it was trained its "
            "snapshots were scored on pictures that were held out of training, and this is the best one. The score is "
            "about 1 for untouched pictures and 0 for real ones; it compares snapshots of one run, nothing else.\n\n"
            "| score by held-out pictures | |\n| --- | --- |\n" + "\n".join(rows)
        )
    if not metrics:
        return "It was not measured yet: `python train/evaluate.py` does it."
    parts = [describe_judges(metrics), table_of_figures(metrics), table_of_groups(metrics)]
    if "evaluate" in words:
        parts.append(f"The figures and the sheet come from `{words['evaluate']}`.")
    return "\n\n".join(part for part in parts if part)


def _sheets(folder: Path, config: TranslationConfig, metrics: dict[str, Any] | None) -> str:
    chosen = "Test pictures drawn at random, not chosen: before above, after below"
    last = "At the last snapshot: source, translated, back again and identity, both ways"
    whole = f"Whole photographs: as they are, then {', '.join(config.directions.values())}"
    shown = {SHEET_FILE: chosen if metrics else last, PHOTOGRAPHS_FILE: whole}
    return "\n\n".join(f"![{words}]({name})" for name, words in shown.items() if (folder / name).is_file())


def _made(config: TranslationConfig, run: dict[str, Any], words: dict[str, str]) -> dict[str, str]:
    """The rows of the table that says how it was made; what nobody noted is said to be unknown."""

    def noted(name: str) -> str:
        value = words.get(name, run.get(name))
        return "not noted" if value in (None, "") else _cell(f"{value:,}" if isinstance(value, int) else str(value))

    counts = [run.get("train_a"), run.get("train_b")]
    data = config.data_licence.split(":")[0]
    if all(isinstance(count, int) for count in counts):
        data += f", {counts[0]:,} and {counts[1]:,} training pictures"
    size = f"{config.crop.size} x {config.crop.size} pixels" if config.crop else "whole pictures of any size"
    covers = "the output replaces what they saw"
    if config.output == "change":
        covers = "the change is enlarged and added to the photo"
    elif config.crop and config.crop.matte:
        covers = "the output replaces the head, and the photo's background stays"
    return {
        "data": _cell(data),
        "command": f"`{noted('command')}`" if words.get("command", run.get("command")) else "not noted",
        **{name: noted(name) for name in ("commit", "device", "minutes")},
        "pictures": f"{noted('pictures')} of each domain",
        "sees": f"{size}; {covers}",
    }


def _recipe(config: Any) -> str:
    """Those fields of the run's config that are not the usual ones."""
    if not isinstance(config, dict):
        return ""
    usual = {**TrainConfig("", ("a", "b")).to_dict(), "translation": None, "directions": None}
    rows = [
        f"| {name} | `{_cell(json.dumps(value))}` |"
        for name, value in config.items()
        if name in usual and usual[name] != value and name not in ("translation", "directions", "data_licence")
    ]
    head = ["Recipe, as far as it is not the usual one (`config.json` holds all of it):", "", "| field | value |"]
    return "\n".join([*head, "| --- | --- |", *rows]) if rows else ""


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the translation; gets README.md and the sheet")
    parser.add_argument("--metrics", type=Path, help="metrics.json of train/evaluate.py")
    parser.add_argument("--sheet", type=Path, help="sheet.png of train/evaluate.py")
    parser.add_argument("--photographs", type=Path, nargs="+", default=[], help="files that it shows whole")
    parser.add_argument("--repo", help="its name on the Hub, for the example")
    for name in WORDS:
        parser.add_argument(f"--{name}", help="goes into the card as it is")
    options = parser.parse_args(arguments)
    words = {name: getattr(options, name) for name in WORDS}
    try:
        metrics = json.loads(options.metrics.read_text(encoding="utf-8")) if options.metrics else None
        write_card(
            options.folder,
            metrics=metrics,
            sheet=options.sheet,
            photographs=options.photographs,
            words=words,
            repo=options.repo,
        )
    except (CycleganError, OSError, ValueError, KeyError, AttributeError) as error:
        print(f"error: the card cannot be written: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
