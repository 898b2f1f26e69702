"""Registries that have loaded what is embedded, or pulled what the Hub has."""

from cyclegan_core.inference.registry import TranslationRegistry
from cyclegan_core.translations.catalog import Entry


def loaded(*entries: Entry, seconds: float = 10.0, patience: float = 5.0) -> TranslationRegistry:
    registry = TranslationRegistry(entries or None, seconds=seconds, patience=patience)
    registry.load()
    return registry


def pulled(*entries: Entry, seconds: float = 10.0) -> TranslationRegistry:
    registry = loaded(*entries, seconds=seconds)
    registry.pull()
    assert registry.wait(60)
    return registry
