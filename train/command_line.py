"""What the commands of train/ share: how they end where something is wrong, and the numbers that people type."""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Protocol

from cyclegan_core.errors import CycleganError

STOPPED = 130  # exit code after Ctrl-C


class Main(Protocol):
    """The main function of a command: takes what stands after its name, else `sys.argv`, and returns the exit code."""

    def __call__(self, arguments: Sequence[str] | None = None) -> int: ...


def command(stopped: str = "Stopped.") -> Callable[[Callable[[Sequence[str] | None], int | None]], Main]:
    """For a function that takes arguments and returns an exit code or None for 0, to become the `main` of a command.

    A CycleganError or an OSError costs one line on stderr and the exit code 1; after Ctrl-C `stopped` is said there and
    the exit code is 130.
    """

    def decorate(run: Callable[[Sequence[str] | None], int | None]) -> Main:
        @wraps(run)
        def main(arguments: Sequence[str] | None = None) -> int:
            try:
                return run(arguments) or 0
            except CycleganError as error:
                print(f"error: {error}", file=sys.stderr)
            except OSError as error:
                place = f"{error.filename} cannot be written or read: " if error.filename else ""
                print(f"error: {place}{error.strerror or error}", file=sys.stderr)
            except KeyboardInterrupt:
                print(stopped, file=sys.stderr)
                return STOPPED
            return 1

        return main

    return decorate


def whole_number(least: int) -> Callable[[str], int]:
    """The type of an argument that is a whole number of at least `least`."""

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above {least - 1}")
        return int(text)

    return parse


def above_zero(text: str) -> float:
    """The type of an argument that is a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value
