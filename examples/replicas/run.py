"""Two copies of the page behind nginx, on this machine: each visitor stays with one, and a dead one is started anew.

    python examples/replicas/run.py                    # at http://127.0.0.1:7860
    python examples/replicas/run.py --port 8080

Needs nginx (`sudo apt-get install nginx-light`). Ctrl-C stops all three. `nginx.conf` beside this file is the whole
configuration; its head says how it is used for pages on several machines.
"""

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = Path(__file__).with_name("nginx.conf")
FRONT, REPLICAS = "7860", {"a": "7861", "b": "7862"}  # ports in nginx.conf
SEARCHED = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"  # Debian has nginx where only root looks


class Replica:
    """A copy of the page, whose temporary files lie in a folder of its own within `parent`."""

    def __init__(self, name: str, port: int, parent: Path) -> None:
        self.name, self.port = name, port
        self._folder = parent / f"page-{name}"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Returns at once. Removes what a copy that died has left: nobody else would delete people's pictures."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        own = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(self.port), "TMPDIR": str(self._folder)}
        command = [sys.executable, "app.py"]
        self._process = subprocess.Popen(command, cwd=ROOT, env=os.environ | own, stdout=subprocess.PIPE, text=True)

    def wait(self) -> bool:
        """Returns whether it runs, once it does or has ended."""
        assert self._process is not None
        assert self._process.stdout is not None
        runs = self._process.stdout.readline().startswith("Open ")
        if runs:
            print(f"replica {self.name}: port {self.port}, process {self._process.pid}", flush=True)
        return runs

    def has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()


def nginx_config(port: int, replicas: dict[str, int]) -> str:
    """nginx.conf with other ports."""
    ports = {FRONT: port, **{REPLICAS[name]: own for name, own in replicas.items()}}
    lines = TEMPLATE.read_text(encoding="utf-8").splitlines()
    told = [line if line.lstrip().startswith("#") else _with_ports(line, ports) for line in lines]
    return "\n".join(told) + "\n"


def _with_ports(line: str, ports: dict[str, int]) -> str:
    return re.sub(rf"(?<!\d)({'|'.join(ports)})(?!\d)", lambda found: str(ports[found[1]]), line)


def free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        probes = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


def serve(port: int, folder: Path) -> int:
    """Serves until nginx ends, and returns its exit code."""
    with ExitStack() as running:
        pages = [Replica(name, own, folder) for name, own in zip(REPLICAS, free_ports(len(REPLICAS)), strict=True)]
        for page in pages:
            page.start()
            running.callback(page.stop)
        if not all([page.wait() for page in pages]):
            raise SystemExit("The page does not start: see above, or try `make demo`.")
        config = folder / "nginx.conf"
        config.write_text(nginx_config(port, {page.name: page.port for page in pages}), encoding="utf-8")
        command = [str(shutil.which("nginx", path=SEARCHED)), "-p", str(folder), "-c", str(config)]
        nginx = subprocess.Popen([*command, "-e", "stderr", "-g", "daemon off;"])
        running.callback(nginx.wait)
        running.callback(nginx.terminate)
        while nginx.poll() is None and not _answers(port):
            time.sleep(0.05)
        if nginx.poll() is None:
            print(f"Open http://127.0.0.1:{port}, served by {len(pages)} pages", flush=True)
        while nginx.poll() is None:
            time.sleep(0.5)
            for page in pages:
                if page.has_ended():
                    print(f"replica {page.name} has ended: it is started anew", flush=True)
                    page.start()
                    threading.Thread(target=page.wait, daemon=True).start()
        return nginx.returncode


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=int(FRONT), help=f"of nginx (default: {FRONT})")
    options = parser.parse_args()
    if not shutil.which("nginx", path=SEARCHED):
        sys.exit("nginx is not here: sudo apt-get install nginx-light")
    if _answers(options.port):
        sys.exit(f"Port {options.port} is taken: choose another with --port.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="replicas-", ignore_cleanup_errors=True) as folder:
        try:
            return serve(options.port, Path(folder))
        except KeyboardInterrupt:
            return 0


if __name__ == "__main__":
    sys.exit(main())
