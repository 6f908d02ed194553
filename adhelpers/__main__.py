"""The commands: ``python -m adhelpers``, where the program ``adhelpers`` is not on the path."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
