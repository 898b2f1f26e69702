"""The command line: `translate` pictures and folders of them, `info` about what is at work here; see `cli_video` too.

PyTorch and OpenCV take seconds to import: the commands do it, so that `--help` answers at once.
"""

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from cyclegan_core.cli import video as cli_video
from cyclegan_core.cli.selection import add_arguments, open_studio
from cyclegan_core.errors import CycleganError

if TYPE_CHECKING:
    from cyclegan_core.inference.studio import Chain, Studio
    from cyclegan_core.inference.translator import TranslatedPicture

PROGRAM = "python -m cyclegan_core"
EXIT_CODES = (
    "Exit code: 0 when all is done (a picture without a face is no failure), 1 when anything failed (a line on stderr "
    "says what and why), 2 when the command line is not understood, 130 when stopped by Ctrl-C."
)
TRANSLATE = (
    "Translates every face in pictures, and in folders of pictures with their sub-folders, into the folder DIR; all of "
    "the picture, of any size, where the translation is one of whole pictures, such as horse2zebra. Names "
    "and sub-folders are kept; what cannot be written in its own format (HEIC, AVIF, GIF and the like) becomes a .png, "
    "and a second picture of the same name NAME-2. A picture without a face is written as it is, upright and without "
    "its metadata like all others, and a line says so. Files that an earlier run left in DIR are overwritten. An input "
    "never is: DIR must be another folder than those of the inputs. Hidden files are left out of folders."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that the arguments name and returns its exit code.

    Raises SystemExit where argparse does: 0 after `--help`, 2 for arguments that it does not understand.
    """
    try:
        try:
            options = _parser().parse_args(arguments)
            code: int = options.command(options)
            return code
        finally:
            _flush()
    except KeyboardInterrupt:
        _say("stopped; the pictures written so far are whole")
        return 130
    except BrokenPipeError:
        return 141  # 128 + SIGPIPE, what a shell reports of `cat` or `ls`
    except CycleganError as error:
        _say(f"error: {error}")
    except OSError as error:
        _say(f"error: {error.filename or 'input or output'}: {error.strerror or error}")
    except ImportError as error:
        _say(f"error: a package that is needed cannot be loaded ({error}); install requirements.txt")
    return 1


def _flush() -> None:
    try:
        print(end="", flush=True)
    except OSError:
        # The reader has gone, as `head` does, or the disk is full. Python tries again as it ends, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise


def _say(line: str) -> None:
    """One line on stderr, above the progress bar. File names may hold newlines and commands to the terminal."""
    tqdm.write("".join(c if c.isprintable() else "?" for c in line), file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Face translation with CycleGAN; everything runs on this machine.", epilog=EXIT_CODES
    )
    parser.set_defaults(command=lambda _: _no_command(parser))
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    about = "translate the faces in pictures and folders, or whole pictures"
    translate = commands.add_parser("translate", help=about, description=TRANSLATE, epilog=EXIT_CODES)
    translate.set_defaults(command=_translate)
    add = translate.add_argument
    add("inputs", nargs="+", type=_path, metavar="INPUT", help="a picture, or a folder of pictures")
    add("--output", required=True, type=_path, metavar="DIR", help="folder for the results, made where it is missing")
    add_arguments(translate)
    about = "write the translated faces alone, as NAME_face1.png, NAME_face2.png ... from left to right"
    add("--crop-only", action="store_true", help=about)

    cli_video.add_commands(commands, EXIT_CODES)

    about = "show versions, face detector, engine, and the translations with where they come from"
    info = commands.add_parser("info", help=about, description=f"{about.capitalize()}.", epilog=EXIT_CODES)
    info.set_defaults(command=_info)
    info.add_argument("--json", action="store_true", help="the same for programs")
    return parser


def _no_command(parser: argparse.ArgumentParser) -> int:
    parser.print_help(sys.stderr)
    return 2


def _path(text: str) -> Path:
    if not text:  # an unset shell variable; as a Path it would be the current folder
        raise argparse.ArgumentTypeError("a name of a file or folder must not be empty")
    return Path(text)


# ---- translate


@dataclass(frozen=True)
class Job:
    """A picture to translate, and the file that the result goes to; for faces alone, the beginning of their names."""

    source: Path
    target: Path


def _translate(options: argparse.Namespace) -> int:
    pictures, problems = _find_pictures(options.inputs)
    for line in problems:
        _say(line)
    counts = Counter(failed=len(problems))
    jobs = _plan(pictures, options.output, crop_only=options.crop_only)
    _refuse_to_overwrite(jobs)
    if jobs:
        counts += _work(jobs, options)
    print(f"{counts['translated']} translated, {counts['no face']} without a face, {counts['failed']} failed")
    return 1 if counts["failed"] else 0


def _find_pictures(inputs: Sequence[Path]) -> tuple[list[tuple[Path, Path]], list[str]]:
    """Every picture once, with its path below the output folder; and a line for every folder that gives none."""
    found: dict[str, tuple[Path, Path]] = {}
    problems: list[str] = []
    for given in inputs:
        if os.path.isdir(given):
            before = len(problems)
            listed = [(path, path.relative_to(given)) for path in _scan(given, problems)]
            if not listed and len(problems) == before:
                problems.append(f"{given}: there are no pictures in this folder; check the name")
        else:
            listed = [(given, Path(given.name))]  # images.load says what is wrong with it, if anything is
        for path, below in listed:
            found.setdefault(os.path.join(os.path.realpath(path.parent), path.name), (path, below))
    return list(found.values()), problems


def _scan(folder: Path, problems: list[str]) -> Iterator[Path]:
    from cyclegan_core import images

    def unreadable(error: OSError) -> None:
        problems.append(f"{error.filename}: the folder cannot be read: {error.strerror}")

    for parent, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in images.SUFFIXES:
                yield Path(parent, name)


def _plan(pictures: Sequence[tuple[Path, Path]], output: Path, *, crop_only: bool) -> list[Job]:
    from cyclegan_core import images

    jobs = []
    taken = set()
    for source, below in pictures:
        keeps_suffix = below.suffix.lower() in images.SAVE_SUFFIXES and not crop_only
        suffix = below.suffix if keeps_suffix else ".png"
        target = output / below.parent / (below.stem + suffix)
        for number in count(2):
            key = str(target).casefold()  # some file systems hold Photo.jpg and photo.jpg for one file
            if key not in taken:
                break
            target = target.with_name(f"{below.stem}-{number}{suffix}")
        taken.add(key)
        jobs.append(Job(source, target))
    return jobs


def _refuse_to_overwrite(jobs: Sequence[Job]) -> None:
    """Raises CycleganError where a result would go to a folder that an input, or what it links to, lies in."""
    named = {job.source.parent for job in jobs} | {Path(os.path.realpath(job.source)).parent for job in jobs}
    sources = {_identity(folder) for folder in named} - {None}
    for folder in dict.fromkeys(job.target.parent for job in jobs):
        if _identity(folder) in sources:
            raise CycleganError(
                f"{folder} holds pictures that are to be translated, and an input is never overwritten; "
                "choose another folder for --output"
            )


def _identity(folder: Path) -> tuple[int, int] | None:
    """The same for every spelling of a folder's name and every link to it; None where there is no such folder."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _work(jobs: Sequence[Job], options: argparse.Namespace) -> Counter[str]:
    """Translates one picture after the other; one that fails costs a line and not the others."""
    studio, chain = open_studio(options)  # raises for an unknown direction, before any work
    whole = studio.whole(chain)
    if whole and options.crop_only:
        raise CycleganError(f"{options.direction} translates whole pictures, not faces; leave out --crop-only")
    _make_folder(options.output)

    counts: Counter[str] = Counter()
    with tqdm(jobs, unit="picture", disable=None) as bar:  # None: only where stderr is a terminal
        for job in bar:
            try:
                translated = _translate_one(job, studio, chain, options)
            except Exception as error:
                reason = error if isinstance(error, CycleganError) else f"it could not be translated: {error!r}"
                _say(f"{job.source}: {reason}")
                counts["failed"] += 1
                continue
            done = whole or translated.faces or (translated.altered and not options.crop_only)
            counts["translated" if done else "no face"] += 1
            if not done:
                _say(f"{job.source}: no face found, {'nothing' if options.crop_only else 'the picture is'} written")
    return counts


def _translate_one(job: Job, studio: "Studio", chain: "Chain", options: argparse.Namespace) -> "TranslatedPicture":
    """Translates one picture and writes the result, or its faces."""
    from cyclegan_core import images

    translated = studio.translate(images.load(job.source), chain, options.strength)
    made_by = ", ".join(map(str, chain)) if translated.altered else None
    crops = [(f"{job.target.stem}_face{number}.png", face.after) for number, face in enumerate(translated.faces, 1)]
    for name, result in crops if options.crop_only else [(job.target.name, translated.picture)]:
        _make_folder(job.target.parent)
        images.save(result, job.target.with_name(name), made_by=made_by)
    return translated


def _make_folder(folder: Path) -> None:
    """Raises CycleganError where the folder cannot be made, or nothing can be written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        in_place = isinstance(error, FileExistsError | NotADirectoryError)
        reason = "a file is in its place" if in_place else error.strerror
        raise CycleganError(f"{folder} cannot be the output folder: {reason}; choose another for --output") from error


def _info(options: argparse.Namespace) -> int:
    from cyclegan_core.cli import info

    report = info.report()
    print(json.dumps(report, indent=2) if options.json else "\n".join(info.lines(report)))
    return 1 if info.problems(report) else 0
