"""The command `benchmark`: how long everything takes on this machine.

Like `main`, this module imports PyTorch and OpenCV only where they are used, so that `--help` answers at once.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclegan_core.errors import CycleganError

if TYPE_CHECKING:
    from cyclegan_core.inference.studio import Studio

BENCHMARK = (
    "Measures finding, translating, blending, a photo, a stream and a film with every embedded translation, and "
    "prints milliseconds and the ratio to one pass of the CycleGAN paper's generator in the same run: the ratios carry "
    "over to other machines. Leave the machine alone meanwhile."
)
EXAMPLE = Path(__file__).parents[2] / "examples" / "two_people.jpg"  # where the package lies in its repository
PROFILED_FRAMES = 100


def add_command(subparsers: Any, epilog: str) -> None:
    """Adds the command to what `ArgumentParser.add_subparsers` returned."""
    about = "measure how long everything takes here"
    parser = subparsers.add_parser("benchmark", help=about, description=BENCHMARK, epilog=epilog)
    parser.set_defaults(command=_benchmark)
    add = parser.add_argument
    add("photo", nargs="?", type=Path, default=EXAMPLE, help="with one face or more (default: two people)")
    add("--json", action="store_true", help="the same for programs")
    about = "show where the time of a stream's frame goes instead, function by function"
    add("--profile", metavar="DIRECTION", help=about)


def _benchmark(options: argparse.Namespace) -> int:
    from cyclegan_core import Studio, benchmark, images

    if not options.photo.exists():
        raise CycleganError(f"{options.photo.name} is not here: name a photo with a face")
    photo = images.load(options.photo)
    studio = Studio.embedded()
    if not studio.find_faces(photo):
        raise CycleganError(f"no face found in {options.photo.name}: name a photo with a face")
    if options.profile:
        _profile(studio, options.profile, benchmark.moving_face(photo, studio, PROFILED_FRAMES))
        return 0
    entries = []
    for row in benchmark.measure(studio, photo):
        entries.append({"name": row.name, "milliseconds": round(row.seconds * 1e3, 2), "ratio": round(row.ratio, 4)})
        if not options.json:
            print(f"{row.name:58s} {row.seconds * 1e3:8.1f} ms {row.per_second:8.1f}/s {row.ratio:7.3f}", flush=True)
    memory = _peak_memory()
    if options.json:
        print(json.dumps({"rows": entries, "peak_memory_bytes": memory}, indent=2))
    else:
        print(f"{'peak memory':58s} {memory / 2**20:8.0f} MiB")
    return 0


def _profile(studio: "Studio", direction: str, film: list[Any]) -> None:
    import cProfile
    import pstats

    from cyclegan_core.benchmark import stream_frames

    list(stream_frames(studio, direction, film[:10]))  # warms up
    with cProfile.Profile() as profile:
        frames = len(list(stream_frames(studio, direction, film)))
    print(f"{frames} frames, from JPEG to JPEG; times in seconds for all of them")
    pstats.Stats(profile).strip_dirs().sort_stats("tottime").print_stats(30)


def _peak_memory() -> int:
    """Bytes of memory that this process had at most; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # on Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
