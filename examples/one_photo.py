"""Translates the faces of one photo.

    python examples/one_photo.py selfie.jpg translated.jpg --direction to_female --strength 0.8

Prints where the faces are. The rest of the photo keeps its pixels.
"""

import argparse
import sys
from pathlib import Path

from cyclegan_core import CycleganError, FaceTranslator, images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("output", type=Path, help="its suffix says the format: .jpg, .png or .webp")
    parser.add_argument("--translation", default="gender", help="an embedded one, a folder, or org/name on the Hub")
    parser.add_argument("--direction", default="to_female")
    parser.add_argument("--strength", type=float, default=1.0, help="from 0, the photo as it is, to 1.5")
    args = parser.parse_args()

    translator = FaceTranslator.from_pretrained(args.translation)
    translated = translator(images.load(args.photo), direction=args.direction, strength=args.strength)
    for number, face in enumerate(translated.faces, 1):
        print(f"face {number} at", *(round(side) for side in face.face.box))
    made_by = f"{args.translation}: {args.direction}" if translated.altered else None
    images.save(translated.picture, args.output, made_by=made_by)
    count = len(translated.faces)
    print(f"{count} face{'' if count == 1 else 's'}, written to {args.output}")


if __name__ == "__main__":
    try:
        main()
    except (CycleganError, ValueError) as error:
        sys.exit(str(error))
