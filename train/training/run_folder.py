"""Where the folder of a run holds its translations, how they are read, and how another run leaves them alone."""

import time
from pathlib import Path

from cyclegan_core.translations.source import CONFIG_FILE, embedded_names
from cyclegan_core.translations.translation import Translation
from train.monitoring.logs import LOG_FILE, TENSORBOARD_FOLDER

TRANSLATION_FOLDER, BEST_FOLDER = "translation", "best"
OF_A_RUN = (TRANSLATION_FOLDER, BEST_FOLDER, LOG_FILE, TENSORBOARD_FOLDER, "samples_*.png", "metrics.png")


def best_or_last(output: Path) -> Path:
    """The folder of the translation that a run is to be known by: the best by validation, else the last."""
    best = output / BEST_FOLDER
    return best if (best / CONFIG_FILE).is_file() else output / TRANSLATION_FOLDER


def read_translation(name: str, *, revision: str | None = None) -> Translation:
    """What `Translation.from_pretrained` reads, or the best translation in a run's folder. Raises CycleganError."""
    run = Path(name)
    if name not in embedded_names() and not (run / CONFIG_FILE).exists() and best_or_last(run).is_dir():
        name = str(best_or_last(run))
    return Translation.from_pretrained(name, revision=revision)


def set_aside(output: Path) -> Path | None:
    """Moves what an earlier run has left in the folder, of which there is no checkpoint, into a folder beside it there.

    Otherwise a run that begins in the same folder would write over it, and be compared with the best one of that run.
    Returns the new folder; None where no translation is there. Raises OSError.
    """
    if not any((output / name).is_dir() for name in (TRANSLATION_FOLDER, BEST_FOLDER)):
        return None
    aside = output / f"earlier-{time.strftime('%Y%m%d-%H%M%S')}"
    aside.mkdir(exist_ok=True)
    for pattern in OF_A_RUN:
        for path in list(output.glob(pattern)):
            path.rename(aside / path.name)
    return aside
