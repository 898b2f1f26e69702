"""Uses a translation of your own, from the Hub or a folder such as `train/run.py` leaves, alone or after another.

    python examples/custom_translation.py runs/mine/translation photo.jpg out.jpg
    python examples/custom_translation.py you/your-repo@<commit> photo.jpg out.jpg --direction older+custom:to_zebra

Here it is called `custom`. Without --direction its own first one is taken.
"""

import argparse
import sys
from pathlib import Path

from cyclegan_core import CycleganError, FaceTranslator, Studio, images
from cyclegan_core.inference.descriptions import describe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("translation", help="a folder, or org/name or org/name@revision on the Hub")
    parser.add_argument("photo", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--direction", help="such as custom:to_zebra, or several as in older+custom:to_zebra")
    args = parser.parse_args()

    name, revision = args.translation, None
    if not Path(name).is_dir() and "@" in name:
        name, _, revision = name.partition("@")
    studio = Studio.embedded()
    custom = FaceTranslator.from_pretrained(name, revision=revision, detector=studio.detector)
    studio.replace("custom", custom)
    print(f"{custom.source}: {' and '.join(custom.directions)}; data: {custom.config.data_licence}")
    chain = studio.chain(args.direction or f"custom:{custom.directions[0]}")

    translated = studio.translate(images.load(args.photo), chain)
    if not studio.needs_no_face(chain):  # a translation such as horse2zebra needs no face
        print(f"{len(translated.faces)} face{'' if len(translated.faces) == 1 else 's'}")
    made_by = describe(chain) if translated.altered else None
    images.save(translated.picture, args.output, made_by=made_by)


if __name__ == "__main__":
    try:
        main()
    except (CycleganError, ValueError) as error:
        sys.exit(str(error))
