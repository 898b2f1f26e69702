"""Draws the losses and metrics of a run over the pictures it has seen.

python train/plot.py runs/gender        (writes runs/gender/metrics.png)
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cyclegan_core.atomic import atomically
from cyclegan_core.errors import CycleganError
from train.command_line import command
from train.publishing.card import PLOT_FILE

LOG_FILE = "log.jsonl"
NOT_DRAWN = frozenset({"pictures", "minutes", "left"})  # they only say when
COLUMNS = 4


def read_log(run: Path) -> dict[str, tuple[list[float], list[float]]]:
    """For each number in the log of a run the pictures seen, and its values then. Raises CycleganError.

    A last line that a kill has cut off is left out, and what is not a number too.
    """
    try:
        lines = (run / LOG_FILE).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise CycleganError(f"{run} holds no {LOG_FILE} to draw: name the folder of a run") from error
    series: dict[str, tuple[list[float], list[float]]] = {}
    for line in lines:
        try:
            entry: dict[str, Any] = json.loads(line)
            seen = float(entry["pictures"])
        except (ValueError, KeyError, TypeError):
            continue
        for name, value in entry.items():
            if name not in NOT_DRAWN and isinstance(value, (int, float)) and not isinstance(value, bool):
                xs, ys = series.setdefault(name, ([], []))
                xs.append(seen)
                ys.append(value)
    if not series:
        raise CycleganError(f"{run / LOG_FILE} holds no numbers yet: let the run go on for a while")
    return series


def plot(run: Path) -> Path:
    """Writes a PNG with a panel for each number in the log and returns its path. Raises CycleganError."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise CycleganError("drawing needs matplotlib: pip install -r requirements-train.txt") from error
    series = read_log(run)
    # What is measured on pictures that training does not see comes first: it decides.
    names = sorted(series, key=lambda name: (not name.startswith("validation/"), name))
    rows = -(-len(names) // COLUMNS)
    height = 2.6 * rows  # inches
    figure = Figure(figsize=(4 * COLUMNS, height))
    # Fixed margins: a layout that looks at every label takes longer than the drawing.
    figure.subplots_adjust(0.05, 0.5 / height, 0.98, 1 - 0.3 / height, wspace=0.25, hspace=0.35)
    FigureCanvasAgg(figure)
    for number, name in enumerate(names):
        axes = figure.add_subplot(rows, COLUMNS, number + 1)
        xs, ys = series[name]
        axes.plot(xs, ys, marker="." if len(xs) < 30 else "", linewidth=1)
        axes.set_title(name, fontsize=10)
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize=8)
        axes.locator_params(nbins=5)
        if number >= len(names) - COLUMNS:
            axes.set_xlabel("pictures of each domain", fontsize=8)
    try:
        with atomically(run / PLOT_FILE) as partial:
            figure.savefig(partial, format="png", dpi=80)
    except OSError as error:
        raise CycleganError(f"{run / PLOT_FILE} cannot be written ({error.strerror}); free some space") from error
    return run / PLOT_FILE


@command()
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run")
    print(plot(parser.parse_args(arguments).run))


if __name__ == "__main__":
    sys.exit(main())
