"""Serving the page: limits, sessions, files, long work."""
