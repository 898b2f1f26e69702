"""`python -m cyclegan_core`, see `cli`."""

import sys

from cyclegan_core.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
