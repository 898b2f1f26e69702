"""Where the folder of a run holds its translations, and how they are read."""

from pathlib import Path

from cyclegan_core.translations.source import CONFIG_FILE, embedded_names
from cyclegan_core.translations.translation import Translation

TRANSLATION_FOLDER, BEST_FOLDER = "translation", "best"


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
