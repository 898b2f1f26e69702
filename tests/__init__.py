"""The tests, by subject; what several of them need is in `support` and `conftest.py`."""

from pathlib import Path

ROOT = Path(__file__).parents[1]  # of the project
