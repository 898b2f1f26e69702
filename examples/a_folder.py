"""Translates the photos of a folder, with several translations in a row where the direction says so.

    python examples/a_folder.py photos/ translated/ --direction older+to_anime

A photo that cannot be read, or has no face, is named and does not stop the rest. Names and formats stay.
"""

import argparse
import sys
from pathlib import Path

from cyclegan_core import CycleganError, Studio, images
from cyclegan_core.inference.descriptions import describe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path, help="a folder; it is made where it is not there")
    parser.add_argument("--direction", default="to_female", help="such as to_female, age:older or older+to_anime")
    parser.add_argument("--strength", type=float, default=1.0, help="from 0, the photo as it is, to 1.5")
    args = parser.parse_args()

    studio = Studio.embedded()
    chain = studio.chain(args.direction)
    args.output.mkdir(parents=True, exist_ok=True)
    for photo in sorted(path for path in args.folder.iterdir() if path.suffix.lower() in images.SUFFIXES):
        try:
            translated = studio.translate(images.load(photo), chain, args.strength)
            faces = translated.faces
            target = args.output / photo.name
            if target.suffix.lower() not in images.SAVE_SUFFIXES:
                target = target.with_suffix(".jpg")
            made_by = describe(chain) if translated.altered else None
            images.save(translated.picture, target, made_by=made_by)
            found = f"{len(faces)} face{'s' if len(faces) > 1 else ''}" if faces else "no face found, left as it is"
            print(f"{photo.name}: {found}")
        except CycleganError as error:
            print(error)


if __name__ == "__main__":
    try:
        main()
    except (CycleganError, ValueError, OSError) as error:
        sys.exit(str(error))
