"""Measuring translations: metrics, the networks that they need, sample sheets."""
