"""``python -m netcode``."""

from __future__ import annotations

import sys

from netcode.cli.main import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
