"""From a folder of images to ROC curves: the same command as ``adhelpers run``."""

import sys

from adhelpers.cli import main

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]]))
