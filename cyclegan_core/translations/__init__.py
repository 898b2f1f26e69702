"""Translations: their config, their files, the Hub they come from, and the registry of what a page offers."""
