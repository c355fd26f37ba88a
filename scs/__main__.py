"""``python -m scs``: the command ``scs``, where its script is not on the path."""

import sys

from scs.cli import main

if __name__ == "__main__":
    sys.exit(main())
