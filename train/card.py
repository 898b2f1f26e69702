"""Writes the model card of a translation from what was measured.

    python train/card.py runs/gender/translation --metrics runs/gender/evaluation/metrics.json \\
        --sheet runs/gender/evaluation/sheet.png --command "python train/run.py ..." --commit 0123abc
"""

import argparse
import json
import sys
from pathlib import Path
from string import Template
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cyclegan_core import images
from cyclegan_core.errors import CycleganError
from cyclegan_core.translation import CARD_FILE, WEIGHTS_FILE, Translation
from cyclegan_core.translation_config import Direction

SHEET_FILE = "sheet.jpg"
WORDS = ("verdict", "command", "commit", "remarks", "prepare", "evaluate", "failures")  # what no run can know

CARD = Template("""\
---
license: other
license_name: non-commercial-research
library_name: cyclegan-faces
pipeline_tag: image-to-image
tags: [cyclegan, face, image-to-image]
---

# $name

A CycleGAN with two generators, **$forth** and **$back**. $parameters parameters each; the two weigh $megabytes MB.
$verdict

```python
from cyclegan_core import FaceTranslator, images

translator = FaceTranslator.from_pretrained("$name")
translated = translator(images.load("selfie.jpg"), direction="$forth")
images.save(translated, "translated.jpg")
```

## How good it is

Measured on $tested that training never saw, each blended as the page shows it. A classifier judges which of the two
domains a face belongs to; it was trained on $judge.
**It is right on $judge_right of real faces of the test split**, so no figure here is more certain than that.

$table

Moved colour: distance of the mean colour of the middle of the face before and after. Change: of a pixel, on average.
Both in 1/255. Variety: how much faces differ from one another after, as a multiple of before; near 0 all look the same.

![Sixteen test faces each way, drawn at random, not chosen: before above, after below]($sheet)

## How it was made

| | |
| --- | --- |
| data | $data |
| command | `$command` |
| commit | $commit |
| device | $device |
| minutes | $minutes |
| pictures seen | $pictures of each domain |
| networks see | $size x $size pixels; $shown |

$remarks

The crops were cut with `$prepare`. The figures and the sheet come from `$evaluate`.

## What it does badly

$failures

## Whose faces, and what it is for

$licence. The weights inherit that: non-commercial research and play, no product. "Female" and "male" are the labels of
the data, two of them, given by others than the people shown; they say nothing about anybody's gender. Faces of the data
are unevenly spread over ages and skin tones, and results are worse where it has few. Translate your own face or one
whose owner agrees, say that the picture is altered when you share it, and do not use this to identify, to judge or to
deceive anybody.
""")


def write_card(folder: Path, *, metrics: dict[str, Any], sheet: Path, words: dict[str, str]) -> None:
    """Writes `README.md` and the sheet beside the translation in `folder`.

    words: those of WORDS. Raises CycleganError and OSError.
    """
    translation = Translation.load(folder)
    config, run = translation.config, translation.config.training
    images.save(images.load(sheet), folder / SHEET_FILE, quality=88)
    run["quality"] = words["verdict"]  # the page shows it
    translation.save(folder)
    rows = [
        "| direction | test faces | judged the other domain before | after | moved colour | change | variety |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    rows += [
        f"| {name} | {f['faces']} | {f['judged_other_before']:.1%} | **{f['judged_other_after']:.1%}** | "
        f"{f['skin_shift']} | {f['change']} | {f['variety']} |"
        for name, f in metrics["translation"].items()
    ]
    parameters = sum(p.numel() for p in translation.generators[Direction.A_TO_B].parameters())
    text = CARD.substitute(
        words,
        name=config.name,
        forth=config.directions[Direction.A_TO_B],
        back=config.directions[Direction.B_TO_A],
        parameters=f"{parameters:,}",
        megabytes=f"{(folder / WEIGHTS_FILE).stat().st_size / 1e6:.1f}",
        tested=f"{sum(f['faces'] for f in metrics['translation'].values())} faces",
        judge="the training split of the same data, apart from what guided the training"
        if metrics["judge"]["same data"]
        else f"{metrics['judge']['trained on']} alone, another data set",
        judge_right=f"{metrics['judge']['right']['on the real test faces']:.1%}",
        table="\n".join(rows),
        sheet=SHEET_FILE,
        data=f"{config.data_licence.split(':')[0]}, {run['train_a']:,} and {run['train_b']:,} training crops",
        device=run["device"],
        minutes=run["minutes"],
        pictures=f"{run['pictures']:,}",
        size=config.crop.size if config.crop else "any",
        shown="the change is enlarged and added to the photo"
        if config.output == "change"
        else "the output replaces the face",
        licence=config.data_licence,
    )
    (folder / CARD_FILE).write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the translation; gets README.md and the sheet")
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.json of train/evaluate.py")
    parser.add_argument("--sheet", type=Path, required=True, help="sheet.png of train/evaluate.py")
    for name in WORDS:
        parser.add_argument(f"--{name}", required=True, help="goes into the card as it is")
    options = parser.parse_args(arguments)
    words = {name: getattr(options, name) for name in WORDS}
    try:
        write_card(
            options.folder, metrics=json.loads(options.metrics.read_text()), sheet=options.sheet, words=words
        )
    except (CycleganError, OSError, json.JSONDecodeError, KeyError) as error:
        print(f"error: the card cannot be written: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
