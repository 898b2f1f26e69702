"""The Space's page: starts it, loads the translations, and fetches new ones from the Hub while it is at work."""

import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

if not os.environ.get("GRADIO_SERVER_PORT", "7860").isdecimal():  # gradio reads it at its import, and would raise
    sys.exit("GRADIO_SERVER_PORT must be the number of a port, such as 7860.")

from cyclegan_core.errors import CycleganError
from demo.context import PageContext
from demo.page import build_page
from demo.server.files import Files
from demo.server.serve import serve


def main() -> int:
    """Serves the page until it is stopped, and returns the exit code."""
    host, port = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"), int(os.environ.get("GRADIO_SERVER_PORT", "7860"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that the temporary folder goes then, too
    with tempfile.TemporaryDirectory(prefix="cyclegan-", ignore_cleanup_errors=True) as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        files = Files(Path(folder))
        threading.Thread(target=files.sweep_forever, daemon=True).start()
        try:
            context = PageContext(None, files)
            serve(build_page(context, local=host in ("127.0.0.1", "localhost", "::1")), host, port)
            from cyclegan_core.inference.registry import TranslationRegistry  # brings PyTorch, which takes seconds

            registry = TranslationRegistry()
            registry.load()
            context.use(registry)
            print(f"Open http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}", flush=True)
            registry.pull()
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
        except CycleganError as error:
            print(error, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
