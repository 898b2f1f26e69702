"""Translates many photos in one or several ways, and packs the results and a table of their faces into a ZIP."""

import csv
import io
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shutil import rmtree
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cyclegan_core import images
from cyclegan_core.errors import CycleganError, PictureError
from cyclegan_core.images.shrinking import fitted
from cyclegan_core.inference.descriptions import describe
from demo.errors import log_traceback
from demo.languages.phrases import say, say_count
from demo.pictures import generate, result_suffix
from demo.server.files import Files
from demo.tabs.gallery.unzip import Archive, is_zip, plain_name

if TYPE_CHECKING:  # PyTorch takes seconds to import, and the page is served before that
    from cyclegan_core.faces.face import Face
    from cyclegan_core.inference.studio import Chain, Studio

MOST_PHOTOS = 50
MOST_SECONDS = 6 * 60.0  # others wait for their turn, and the first results are deleted after ten minutes
MAX_RESULT_BYTES = 10**9
SHOWN_SIDE = 1200  # longest side, in pixels, of the pictures on the page; those in the ZIP have the photo's own size
VIEW_OF_FACES = 2.2  # side of what a card shows, for the faces in it
SMALLEST_VIEW = 0.2  # of the longest side, so that few pixels are not blown up
ZIP_NAME, TABLE_NAME = "face-translation.zip", "faces.csv"

LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
COLUMNS = (
    *("file", "face", "left", "top", "right", "bottom", "score"),
    *(f"{point}_{axis}" for point in LANDMARKS for axis in "xy"),
    *("direction", "result", "problem"),
)


View = tuple[float, float, float]
"""A square part of a picture: left, top and side, as fractions of the picture's width."""


@dataclass(frozen=True)
class Request:
    """A translation to make of every photo. words: its label. chain: the text that `Studio.chain` reads."""

    words: str
    chain: str


@dataclass(frozen=True)
class Result:
    """The result of one photo in one translation.

    photo: file name. words: label of the translation, empty where the photo could not be read. before, after: paths of
    pictures in the size of the screen, None where there is none. view: see `view_of`. problem: what went wrong.
    """

    photo: str
    words: str
    before: str | None = None
    after: str | None = None
    view: View | None = None
    problem: str | None = None


@dataclass(frozen=True)
class _Source:
    """A photo: its file name, and a function that returns its path; it may unpack the file into an empty folder."""

    name: str
    fetch: Callable[[Path], Path]


class Batch:
    """Translates many photos. A context manager, as it keeps files open.

    uploads: paths of photos and of ZIPs with photos. requests: the translations to make of each photo. strength: in
    [0, 1]. files: where results are written. seconds: time limit.

    Attributes: `photos` is the number of photos, `total` of results to expect, `done` of finished ones; `notes` holds
    sentences on what was left out and why, and may grow until `finish`. Raises TranslationError for an unknown chain.
    """

    def __init__(
        self,
        uploads: Sequence[Path],
        requests: Sequence[Request],
        strength: float,
        studio: "Studio",
        files: Files,
        *,
        seconds: float = MOST_SECONDS,
    ) -> None:
        self._chains = [(item.words, studio.chain(item.chain)) for item in requests]
        self._strength = strength
        self._studio = studio
        self._files = files
        self._ends = time.monotonic() + seconds
        self._archives: list[Archive] = []
        self.notes: list[str] = []
        sources = self._sources(uploads)
        if len(sources) > MOST_PHOTOS:
            self.notes.append(say_count("gallery.too_many", len(sources) - MOST_PHOTOS, most=MOST_PHOTOS))
        self._todo = sources[:MOST_PHOTOS]
        self.photos = len(self._todo)
        self.total = self.photos * len(self._chains)
        self.done = 0

        self._path = files.new(ZIP_NAME)
        self._zip = zipfile.ZipFile(self._path, "w", zipfile.ZIP_STORED)  # pictures cannot be packed any smaller
        self._names: set[str] = {TABLE_NAME}
        self._rows: list[dict[str, object]] = []
        self._made = 0

    def __enter__(self) -> "Batch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for archive in self._archives:
            archive.close()
        self._zip.close()

    def run(self, stopped: Callable[[], bool]) -> Iterator[Result]:
        """Yields results photo by photo until `stopped()` or a limit is reached. A failing photo is no limit."""
        for number, source in enumerate(self._todo):
            why = self._why_to_end(stopped)
            if why:
                self.notes.append(f"{why} {say_count('gallery.left', self.photos - number)}")
                return
            for index, result in enumerate(self._translate(source), 1):
                self.done = number * len(self._chains) + (index if result.words else len(self._chains))
                yield result

    def finish(self) -> Path | None:
        """Completes the ZIP and returns its path, or None where no result was made."""
        self._zip.writestr(TABLE_NAME, table(self._rows))
        self._zip.close()
        if not self._made:
            self._path.unlink(missing_ok=True)
            return None
        return self._path

    def _why_to_end(self, stopped: Callable[[], bool]) -> str | None:
        if stopped():
            return say("gallery.stopped")
        if time.monotonic() > self._ends:
            return say("gallery.time_up")
        if self._path.exists() and self._path.stat().st_size > MAX_RESULT_BYTES:
            return say("gallery.zip_full", gigabytes=MAX_RESULT_BYTES // 10**9)
        return None

    def _sources(self, uploads: Sequence[Path]) -> list[_Source]:
        sources: list[_Source] = []
        skipped = 0
        for path in uploads:
            if not is_zip(path):
                sources.append(_Source(path.name, partial(_present, path)))
                continue
            try:
                archive = Archive(path)
            except PictureError as error:
                sources.append(_Source(path.name, partial(_fail, error)))
                continue
            self._archives.append(archive)
            skipped += archive.skipped
            sources += [_Source(plain_name(info), partial(archive.extract, info)) for info in archive.pictures]
        if skipped:
            self.notes.append(say_count("gallery.skipped", skipped))
        return sources

    def _translate(self, source: _Source) -> Iterator[Result]:
        folder = self._files.new("photo").parent
        try:
            yield from self._translate_file(source, source.fetch(folder))
        except Exception as error:
            yield self._failed(source, "", _sentence(error))
        finally:
            rmtree(folder, ignore_errors=True)

    def _translate_file(self, source: _Source, path: Path) -> Iterator[Result]:
        animation = images.load_animation(path)
        picture = images.load_picture(path, wanted=lambda frame: bool(self._studio.find_faces(frame)))
        self.notes += () if animation else picture.notes
        found = self._studio.find_faces(picture.pixels)
        before = self._files.write(fitted(picture.on_white, SHOWN_SIDE), "before.jpg")
        for words, chain in self._chains:
            faces = [] if self._studio.needs_no_face(chain) else found
            try:
                made = self._animated(path, animation, chain) if animation else self._still(path, picture, faces, chain)
                if made is None:
                    yield self._failed(source, words, say("no_face"), before)
                    continue
                name, after = made
                self._note_faces(faces, {"file": source.name, "direction": words, "result": name})
                yield Result(source.name, words, before, after, view_of(picture.pixels, faces))
            except Exception as error:
                yield self._failed(source, words, _sentence(error), before)

    def _still(
        self, path: Path, photo: images.Picture, faces: "Sequence[Face]", chain: "Chain"
    ) -> tuple[str, str] | None:
        """The name of the result in the ZIP and the path of what the page shows; None where there is nothing to do."""
        studio, picture = self._studio, photo.pixels
        layers = generate(studio, picture, faces, [chain] * len(faces) or [chain])
        if not any(layers):
            return None
        result = studio.blend(picture, layers, self._strength).picture
        name = self._unique_name(path, chain, result_suffix(photo, path))
        file = self._files.new(name)
        made_by = describe(chain) if self._strength > 0 else None
        images.save(result, file, made_by=made_by, alpha=photo.alpha)
        self._pack(file)
        rmtree(file.parent)
        return name, self._files.write(fitted(result, SHOWN_SIDE), "after.jpg", made_by=made_by)

    def _animated(self, path: Path, animation: images.Animation, chain: "Chain") -> tuple[str, str] | None:
        """The same for an animation, which the page shows as it is."""
        from cyclegan_core.video.animation import translate_animation

        file = self._files.new(self._unique_name(path, chain, ".webp"))
        if not translate_animation(animation, file, self._studio, chain, strength=self._strength):
            rmtree(file.parent)
            return None
        self._pack(file)
        return file.name, str(file)

    def _pack(self, file: Path) -> None:
        self._zip.write(file, file.name)
        self._made += 1

    def _note_faces(self, faces: "Sequence[Face]", row: dict[str, object]) -> None:
        described: list[Face | None] = [*faces] or [None]
        for number, face in enumerate(described, 1):
            self._rows.append(row if face is None else row | _row_of(face, number))

    def _failed(self, source: _Source, words: str, problem: str, before: str | None = None) -> Result:
        self._rows.append({"file": source.name, "direction": words, "problem": problem})
        return Result(source.name, words, before, problem=problem)

    def _unique_name(self, path: Path, chain: "Chain", suffix: str) -> str:
        """A file name that is unique within the ZIP, even where upper and lower case are the same."""
        stem = "-".join([path.stem, *(step.direction.replace("_", "-") for step in chain)])
        name, number = f"{stem}{suffix}", 1
        while name.casefold() in self._names:
            number += 1
            name = f"{stem}-{number}{suffix}"
        self._names.add(name.casefold())
        return name


def table(rows: Sequence[dict[str, object]]) -> bytes:
    """Rows as CSV with COLUMNS, in UTF-8 with a byte order mark, which spreadsheets need to recognise UTF-8."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue().encode("utf-8-sig", "replace")


def _cell(value: object) -> object:
    """Quotes text that a spreadsheet would take for a formula: names of files come from strangers."""
    return f"'{value}" if isinstance(value, str) and value.lstrip().startswith(("=", "+", "-", "@")) else value


def _row_of(face: "Face", number: int) -> dict[str, object]:
    box = zip(("left", "top", "right", "bottom"), face.box, strict=True)
    points = zip(LANDMARKS, face.landmarks.tolist(), strict=True)
    return {
        "face": number,
        "score": round(float(face.score), 3),
        **{name: round(float(value), 1) for name, value in box},
        **{f"{name}_{axis}": round(at, 1) for name, point in points for axis, at in zip("xy", point, strict=True)},
    }


def view_of(picture: NDArray[np.uint8], faces: "Sequence[Face]") -> View | None:
    """The square part of a picture around its faces, or None to show all of it."""
    if not faces:
        return None
    height, width = picture.shape[:2]
    boxes = np.array([face.box for face in faces])
    start, end = boxes[:, :2].min(0), boxes[:, 2:].max(0)  # (x, y) of corners around all faces
    extent, most = float((end - start).max()), min(width, height)
    if extent > most:
        return None
    side = min(max(VIEW_OF_FACES * extent, SMALLEST_VIEW * max(width, height)), most)
    left, top = np.clip((start + end - side) / 2, 0, (width - side, height - side))
    return float(left) / width, float(top) / width, side / width


def _present(path: Path, _: Path) -> Path:
    if not path.exists():
        raise PictureError(say("error.file_gone", name=path.name))
    return path


def _fail(error: Exception, _: Path) -> Path:
    raise error


def _sentence(error: Exception) -> str:
    if isinstance(error, CycleganError):
        return str(error)
    log_traceback(error)
    return say("gallery.photo_failed")
