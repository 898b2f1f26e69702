"""Translates the faces of a video file; the sound stays.

    python examples/a_video.py in.mp4 out.mp4 --direction to_female

Prints how far it is. Ctrl-C stops it and leaves nothing half-made behind.
"""

import argparse
import sys
from pathlib import Path

from cyclegan_core import CycleganError, Studio
from cyclegan_core.video.translate import translate_video


def show(share: float, seconds_left: float | None) -> None:
    left = f", {seconds_left:.0f} s left" if seconds_left is not None else ""
    print(f"\r{share:4.0%}{left}    ", end="", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("output", type=Path, help="a file that ends in .mp4, .mov or .mkv")
    parser.add_argument("--direction", default="to_female", help="such as to_female, age:older or older+to_anime")
    parser.add_argument("--strength", type=float, default=1.0, help="from 0, the video as it is, to 1.5")
    args = parser.parse_args()

    studio = Studio.embedded()
    chain = studio.chain(args.direction)
    report = translate_video(args.video, args.output, studio, chain, strength=args.strength, progress=show)
    sound = "with its sound" if report.had_sound else "without sound"
    print(f"\n{report.frames} frames, {report.frames_with_faces} of them with faces, {sound}: {args.output}")


if __name__ == "__main__":
    try:
        main()
    except (CycleganError, ValueError, KeyboardInterrupt) as error:
        sys.exit(str(error) or "Stopped; nothing was written.")
