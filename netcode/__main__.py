"""``python -m netcode``."""

from __future__ import annotations

import sys

from netcode import __version__

__all__: list[str] = []

if __name__ == "__main__":
    if sys.argv[1:] == ["--version"]:
        print(f"netcode {__version__}")  # the parser alone would take longer than Python's start
    else:
        from netcode.cli.main import main

        sys.exit(main())
