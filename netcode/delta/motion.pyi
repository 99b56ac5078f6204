from typing import Final

__all__: Final[list[str]] = []
