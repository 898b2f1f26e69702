"""The tests, by subject; what several of them need is in `support` and `conftest.py`."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]  # of the project

# Here, before anything loads PyTorch. Several workers share the processor, each with one thread of its own; and the
# programs that a test starts, from whatever folder, import this checkout.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
