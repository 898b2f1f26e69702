"""What preparing a set has kept and dropped, and why: counts, a list of the files, a sheet to look at."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cyclegan_core import images
from cyclegan_core.errors import CycleganError, PictureError
from train.data.folders import CROPS_FILE
from train.data.preprocess import square

FOLDERS = [f"{split}{domain}" for split in ("train", "test") for domain in "AB"]
REPORT_FILE = "report.json"
SHEET_FILE = "contact_sheet.jpg"
SPLIT_FILE = "test_split.txt"  # which pictures no training may see; train/splits has those of the embedded weights
COLUMNS, SIDE, TITLE = 12, 128, 24  # pictures in a row, pixels of one, pixels of the line above
MOST_ROWS = 3  # of each kept folder


class Report:
    """Counts what goes where as a set is prepared.

    made_by: what the pictures depend on (set, split, size); a later run with another one must not mix with it.
    """

    def __init__(self, made_by: dict[str, Any]) -> None:
        self.made_by = made_by
        self.counts: Counter[str] = Counter()
        self._kept: dict[str, list[Path]] = defaultdict(list)
        self._dropped: dict[str, list[Path]] = defaultdict(list)

    def keep(self, folder: str, path: Path) -> None:
        """Notes a picture that was written into `trainA`, `trainB`, `testA` or `testB`."""
        self.counts[folder] += 1
        self._kept[folder].append(path)

    def drop(self, reason: str, path: Path, *, asked: bool = False) -> None:
        """asked: it is none of those that were asked for, so it is counted but not listed."""
        self.counts[f"dropped: {reason}"] += 1
        if not asked:
            self._dropped[reason].append(path)

    def lines(self) -> list[str]:
        """What is printed: the counts, and the notes."""
        return [*(f"{count:7d}  {name}" for name, count in sorted(self.counts.items())), *self.notes()]

    def notes(self) -> list[str]:
        """What cannot be done with so few test pictures."""
        notes = []
        if empty := [f"test{d}" for d in "AB" if self.counts[f"train{d}"] and not self.counts[f"test{d}"]]:
            notes.append(
                f"{' and '.join(empty)} {'are' if len(empty) > 1 else 'is'} empty: sample sheets will show training "
                "pictures, and train/evaluate.py cannot measure; prepare more pictures, or with --test 0.1 into "
                "another --output"
            )
        if single := [folder for folder in ("testA", "testB") if self.counts[folder] == 1]:
            notes.append(
                f"{' and '.join(single)} {'hold' if len(single) > 1 else 'holds'} one picture: train/evaluate.py needs "
                "two at least"
            )
        return notes

    def begin(self, output: Path) -> None:
        """Says in the output what it is made of, before the first picture is there."""
        self._write(output, finished=False)

    def finish(self, output: Path) -> None:
        """Writes the lists and the contact sheet."""
        rows = [
            _row(f"{folder}: {len(paths):,}", _spread(paths, MOST_ROWS * COLUMNS))
            for folder, paths in sorted(self._kept.items())
        ]
        rows += [
            _row(f"dropped, {reason}: {len(paths):,}", _spread(paths, COLUMNS))
            for reason, paths in sorted(self._dropped.items())
        ]
        if rows:
            images.save(np.concatenate(rows), output / SHEET_FILE, quality=88)
        tests = [f"{folder}/{path.name}" for folder, paths in self._kept.items() if "test" in folder for path in paths]
        (output / SPLIT_FILE).write_text("".join(f"{name}\n" for name in sorted(tests)), errors="surrogateescape")
        self._write(output, finished=True)

    def _write(self, output: Path, *, finished: bool) -> None:
        report = {
            "made_by": self.made_by,
            "finished": finished,
            "counts": dict(sorted(self.counts.items())),
            "notes": self.notes() if finished else [],
            "dropped": {reason: [path.name for path in paths] for reason, paths in sorted(self._dropped.items())},
        }
        partial = output / f"{REPORT_FILE}.partial"
        partial.write_text(json.dumps(report, indent=2) + "\n")
        partial.replace(output / REPORT_FILE)


def refuse_a_mixture(output: Path, made_by: dict[str, Any]) -> None:
    """Raises CycleganError where the output holds pictures that were made by something else."""
    if not any((output / folder).is_dir() and any((output / folder).iterdir()) for folder in FOLDERS):
        return
    try:
        before = {**json.loads((output / REPORT_FILE).read_text())["made_by"]}
    except (OSError, ValueError, LookupError, TypeError):  # crops of a program that wrote no report
        try:
            before = {**made_by, **json.loads((output / CROPS_FILE).read_text())}
        except (OSError, ValueError, TypeError) as error:
            raise CycleganError(f"{output.name} holds pictures of another kind; name an empty --output") from error
    if different := sorted(name for name in made_by if before.get(name) != made_by[name]):
        raise CycleganError(
            f"{output.name} holds pictures that were prepared with another {', '.join(different)};"
            " name another --output, or delete it"
        )


def _spread(paths: list[Path], number: int) -> list[Path]:
    number = min(number, len(paths))
    return [paths[i * (len(paths) - 1) // max(number - 1, 1)] for i in range(number)]


def _row(title: str, paths: list[Path]) -> NDArray[np.uint8]:
    """Uint8 (H, COLUMNS * SIDE, 3): a line of text, and the pictures under it in as many rows as they need."""
    rows = -(-len(paths) // COLUMNS)
    strip = np.full((TITLE + rows * SIDE, COLUMNS * SIDE, 3), 255, np.uint8)
    plain = title.encode("ascii", "replace").decode()  # what the font has
    cv2.putText(strip, plain, (6, TITLE - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (0, 0, 0), 1, cv2.LINE_AA)
    for i, path in enumerate(paths):
        try:
            picture = square(images.load(path), SIDE)
        except PictureError:  # that is why it was dropped
            picture = np.full((SIDE, SIDE, 3), 230, np.uint8)
            cv2.line(picture, (0, 0), (SIDE, SIDE), (180, 60, 60), 2)
            cv2.line(picture, (0, SIDE), (SIDE, 0), (180, 60, 60), 2)
        top, left = TITLE + i // COLUMNS * SIDE, i % COLUMNS * SIDE
        strip[top : top + SIDE, left : left + SIDE] = picture
    return strip
