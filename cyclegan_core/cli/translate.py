"""The command `translate`: pictures, and folders of pictures, into another folder.

Like `main`, this module imports PyTorch and OpenCV only where they are used, so that `--help` answers at once.
"""

import argparse
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from cyclegan_core.cli.output import say
from cyclegan_core.cli.selection import add_arguments, open_studio
from cyclegan_core.errors import CycleganError

if TYPE_CHECKING:
    from cyclegan_core.inference.studio import Chain, Studio

TRANSLATE = (
    "Give it pictures, or folders of pictures with their sub-folders, and find them again in the folder DIR with every "
    "face translated (or the whole picture, where the translation is one of whole pictures). Your own files are never "
    "changed. Stopped half-way? The same command goes on from there. Names and sub-folders stay; what cannot be "
    "written in its own format (HEIC, AVIF) becomes a .png and a GIF a .webp, animated like the original, and a second "
    "picture of the same name becomes NAME-2. A picture without a face is written as it is, and a line says so. Hidden "
    "files are left out of folders, and links to other folders are not followed."
)
OUTPUT_MARKER = ".translated"  # in an output folder that lies within an input folder: its pictures are results


@dataclass(frozen=True)
class Job:
    """A picture to translate, and the file that the result goes to; for faces alone, the beginning of their names."""

    source: Path
    target: Path


def add_command(subparsers: Any, epilog: str) -> None:
    """Adds the command to what `ArgumentParser.add_subparsers` returned."""
    about = "translate the faces in pictures and folders, or whole pictures"
    parser = subparsers.add_parser("translate", help=about, description=TRANSLATE, epilog=epilog)
    parser.set_defaults(command=_translate)
    add = parser.add_argument
    add("inputs", nargs="+", type=_path, metavar="INPUT", help="a picture, or a folder of pictures")
    add("--output", required=True, type=_path, metavar="DIR", help="folder for the results, made where it is missing")
    add_arguments(parser)
    about = "write the translated faces alone, as NAME_face1.png, NAME_face2.png ... from left to right"
    add("--crop-only", action="store_true", help=about)
    about = "translate everything anew, also what DIR already has (by default a result newer than its picture stays)"
    add("--overwrite", action="store_true", help=about)


def _path(text: str) -> Path:
    if not text:  # an unset shell variable; as a Path it would be the current folder
        raise argparse.ArgumentTypeError("a name of a file or folder must not be empty")
    return Path(text)


def _translate(options: argparse.Namespace) -> int:
    try:
        counts = _translate_all(options)
    except KeyboardInterrupt:
        say("stopped; the pictures written so far are complete, and the same command translates the rest")
        return 130
    print(f"{counts['translated']} translated, {counts['no face']} without a face, {counts['failed']} failed")
    return 1 if counts["failed"] else 0


def _translate_all(options: argparse.Namespace) -> Counter[str]:
    within = _results_within(options.inputs, options.output)
    pictures, problems = _find_pictures(options.inputs, options.output if within else None)
    for line in problems:
        say(line)
    jobs = plan(pictures, options.output, crop_only=options.crop_only)
    _refuse_to_overwrite(jobs)
    if not options.overwrite:
        due = [job for job in jobs if not _is_done(job, crop_only=options.crop_only)]
        if len(due) < len(jobs):
            say(
                f"{len(jobs) - len(due)} skipped: {options.output} has their results already; "
                "--overwrite translates them anew"
            )
        jobs = due
    counts = Counter(failed=len(problems))
    if jobs:
        counts += _work(jobs, options, marked=within)
    return counts


def _results_within(inputs: Sequence[Path], output: Path) -> bool:
    """Whether the output lies within an input folder and its pictures, if any, are results of this command."""
    parents = Path(os.path.realpath(output)).parents
    if not any(os.path.isdir(given) and Path(os.path.realpath(given)) in parents for given in inputs):
        return False
    return (output / OUTPUT_MARKER).exists() or next(_scan(output, None, []), None) is None


def _is_done(job: Job, *, crop_only: bool) -> bool:
    """Whether the result is there and newer than the picture."""
    target = _crop_target(job, 1) if crop_only else job.target
    try:
        return target.is_file() and target.stat().st_mtime_ns > job.source.stat().st_mtime_ns
    except OSError:  # images.load says what is wrong with the picture, images.save with the result
        return False


def _crop_target(job: Job, number: int) -> Path:
    return job.target.with_name(f"{job.target.stem}_face{number}.png")


def _find_pictures(inputs: Sequence[Path], left_out: Path | None) -> tuple[list[tuple[Path, Path]], list[str]]:
    """Every picture once, with its path below the output folder; and a line for every folder that gives none.

    left_out: a folder that is not searched.
    """
    found: dict[str, tuple[Path, Path]] = {}
    problems: list[str] = []
    for given in inputs:
        if os.path.isdir(given):
            before = len(problems)
            listed = [(path, path.relative_to(given)) for path in _scan(given, left_out, problems)]
            if not listed and len(problems) == before:
                problems.append(f"{given}: there are no pictures in this folder; check the name")
        else:
            listed = [(given, Path(given.name))]  # images.load says what is wrong with it, if anything is
        real = {folder: os.path.realpath(folder) for folder in {path.parent for path, _ in listed}}
        for path, below in listed:
            found.setdefault(os.path.join(real[path.parent], path.name), (path, below))
    return list(found.values()), problems


def _scan(folder: Path, left_out: Path | None, problems: list[str]) -> Iterator[Path]:
    from cyclegan_core import images

    def unreadable(error: OSError) -> None:
        problems.append(f"{error.filename}: the folder cannot be read: {error.strerror}")

    results = _identity(left_out) if left_out else None
    for parent, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if results is not None:
            folders[:] = [name for name in folders if _identity(Path(parent, name)) != results]
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in images.SUFFIXES:
                yield Path(parent, name)


def plan(pictures: Sequence[tuple[Path, Path]], output: Path, *, crop_only: bool = False) -> list[Job]:
    """Where the result of each picture goes: names and sub-folders stay, and no two results have the same name.

    pictures: each with its path below the output folder. Looks at names only, so it serves for buckets as well.
    """
    jobs = []
    taken = set()
    for source, below in pictures:
        suffix = ".png" if crop_only else result_suffix(below.suffix)
        target = output / below.parent / (below.stem + suffix)
        for number in count(2):
            key = str(target).casefold()  # some file systems hold Photo.jpg and photo.jpg for one file
            if key not in taken:
                break
            target = target.with_name(f"{below.stem}-{number}{suffix}")
        taken.add(key)
        jobs.append(Job(source, target))
    return jobs


def result_suffix(suffix: str) -> str:
    """The suffix itself where it can be written; an animation that came as a GIF leaves as a WebP."""
    from cyclegan_core import images

    if suffix.lower() in images.SAVE_SUFFIXES:
        return suffix
    return ".webp" if suffix.lower() == ".gif" else ".png"


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


def _work(jobs: Sequence[Job], options: argparse.Namespace, *, marked: bool) -> Counter[str]:
    """Translates one picture after the other; one that fails costs a line and not the others."""
    studio, chain = open_studio(options)  # raises for an unknown direction, before any work
    whole = studio.needs_no_face(chain)
    if whole and options.crop_only:
        raise CycleganError(f"{options.direction} translates whole pictures, not faces; leave out --crop-only")
    _make_folder(options.output)
    if marked:
        (options.output / OUTPUT_MARKER).touch()

    counts: Counter[str] = Counter()
    with tqdm(jobs, unit="picture", disable=None) as bar:  # None: only where stderr is a terminal
        for job in bar:
            try:
                done = _translate_one(job, studio, chain, options) or whole
            except Exception as error:
                reason = error if isinstance(error, CycleganError) else f"it could not be translated: {error!r}"
                say(f"{job.source}: {reason}")
                counts["failed"] += 1
                continue
            counts["translated" if done else "no face"] += 1
            if not done:
                say(f"{job.source}: no face found, {'nothing' if options.crop_only else 'the picture is'} written")
    return counts


def _translate_one(job: Job, studio: "Studio", chain: "Chain", options: argparse.Namespace) -> bool:
    """Translates one picture and writes the result, or its faces. Whether there was something to translate."""
    from cyclegan_core import images
    from cyclegan_core.inference.descriptions import describe
    from cyclegan_core.video.animation import animation_for, translate_animation

    animation = None if options.crop_only else animation_for(job.target, job.source)
    if animation is not None:
        _make_folder(job.target.parent)
        return translate_animation(animation, job.target, studio, chain, strength=options.strength) > 0
    wanted = None if studio.needs_no_face(chain) else lambda frame: bool(studio.find_faces(frame))
    picture = images.load_picture(job.source, wanted=wanted)
    for note in picture.notes:
        say(note)
    translated = studio.translate(picture.pixels, chain, options.strength)
    made_by = describe(chain) if translated.altered else None
    if options.crop_only:
        results = [(_crop_target(job, number), face.after) for number, face in enumerate(translated.faces, 1)]
        results.reverse()  # the first face comes last: where it is there, `_is_done` takes all of them to be
    else:
        results = [(job.target, translated.picture)]
    for target, result in results:
        _make_folder(target.parent)
        images.save(result, target, made_by=made_by, alpha=None if options.crop_only else picture.alpha)
    return bool(translated.faces) or (translated.altered and not options.crop_only)


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
