"""Registries that have loaded what is embedded, or pulled what the Hub has."""

from pathlib import Path

import pytest

from cyclegan_core.faces.detection import Detector
from cyclegan_core.inference.registry import TranslationRegistry
from cyclegan_core.translations.catalog import CATALOG, Entry


def loaded(*entries: Entry, seconds: float = 10.0, patience: float = 5.0) -> TranslationRegistry:
    registry = TranslationRegistry(entries or None, seconds=seconds, patience=patience)
    registry.load()
    return registry


def pulled(*entries: Entry, seconds: float = 10.0) -> TranslationRegistry:
    registry = loaded(*entries, seconds=seconds)
    registry.pull()
    assert registry.wait(60)
    return registry


def offering_gender(folder: Path, detector: Detector | None = None) -> TranslationRegistry:
    """One that offers gender alone, by the weights of a folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CYCLEGAN_GENDER_REPO", str(folder))
        registry = TranslationRegistry(CATALOG[:1])
    registry.load()
    if detector:
        registry.studio.replace_detector(detector)
    return registry
