"""The command line: its parser, its exit codes, and the command `info`.

PyTorch and OpenCV take seconds to import: the commands do it, so that `--help` answers at once.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence

from cyclegan_core.cli import benchmark as cli_benchmark
from cyclegan_core.cli import translate as cli_translate
from cyclegan_core.cli import video as cli_video
from cyclegan_core.cli.output import say
from cyclegan_core.errors import CycleganError

PROGRAM = "python -m cyclegan_core"
EXIT_CODES = (
    "Exit code: 0 when all is done (a picture without a face is no failure), 1 when anything failed (a line on stderr "
    "says what and why), 2 when the command line is not understood, 130 when stopped by Ctrl-C."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that the arguments name and returns its exit code.

    Raises SystemExit where argparse does: 0 after `--help`, 2 for arguments that it does not understand.
    """
    try:
        try:
            options = _parser().parse_args(arguments)
            code: int = options.command(options)
            return code
        finally:
            _flush()
    except KeyboardInterrupt:
        say("stopped")
        return 130
    except BrokenPipeError:
        return 141  # 128 + SIGPIPE, what a shell reports of `cat` or `ls`
    except CycleganError as error:
        say(f"error: {error}")
    except OSError as error:
        say(f"error: {error.filename or 'input or output'}: {error.strerror or error}")
    except ImportError as error:
        say(f"error: a package that is needed cannot be loaded ({error}); install requirements.txt")
    return 1


def _flush() -> None:
    try:
        print(end="", flush=True)
    except OSError:
        # The reader has gone, as `head` does, or the disk is full. Python tries again as it ends, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Translates faces in pictures and films. Everything runs on this machine.",
        epilog=EXIT_CODES,
    )
    parser.set_defaults(command=lambda _: _no_command(parser))
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    cli_translate.add_command(commands, EXIT_CODES)
    cli_video.add_commands(commands, EXIT_CODES)
    cli_benchmark.add_command(commands, EXIT_CODES)

    about = "show versions, face detector, engine, and the translations with where they come from"
    info = commands.add_parser("info", help=about, description=f"{about.capitalize()}.", epilog=EXIT_CODES)
    info.set_defaults(command=_info)
    info.add_argument("--json", action="store_true", help="the same for programs")
    return parser


def _no_command(parser: argparse.ArgumentParser) -> int:
    parser.print_help(sys.stderr)
    return 2


def _info(options: argparse.Namespace) -> int:
    from cyclegan_core.cli import info

    report = info.report()
    print(json.dumps(report, indent=2) if options.json else "\n".join(info.lines(report)))
    return 1 if info.problems(report) else 0
