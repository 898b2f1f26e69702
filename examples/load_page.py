"""A page of its own for `load.py`, and what it takes of the machine."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Page:
    """pid, folder (of its temporary files): None of a page that was not started here."""

    address: str
    pid: int | None = None
    folder: Path | None = None

    def pictures(self) -> list[Path]:
        """The temporary files of this moment."""
        return [path for path in self.folder.rglob("*") if path.is_file()] if self.folder else []

    def files(self) -> str:
        pictures = self.pictures()
        return f"{len(pictures)} temporary files, {sum(_size(path) for path in pictures) / 1e6:.0f} MB"


@contextmanager
def own_page(address: str | None) -> Iterator[Page]:
    """The page at that address, or one that is served by app.py meanwhile."""
    if address:
        yield Page(address.rstrip("/"))
        return
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as temporary:
        own = {"GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1", "TMPDIR": temporary}
        command = [sys.executable, "app.py"]
        with subprocess.Popen(command, cwd=ROOT, env=os.environ | own, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                if not server.stdout.readline().startswith("Open "):
                    sys.exit("The page does not start: try `make demo`.")
                (folder,) = Path(temporary).glob("cyclegan-*")
                yield Page(f"http://127.0.0.1:{port}", server.pid, folder)
            finally:
                server.send_signal(signal.SIGTERM)


def memory(pid: int | None) -> float:
    """MB that a process has in memory; 0 where that is not known."""
    if pid is None:
        return 0.0
    asked = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return int(asked.stdout or 0) / 1000


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # swept away just now
        return 0
