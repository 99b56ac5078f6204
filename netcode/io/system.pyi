__all__ = ["HAS_MMSG"]

HAS_MMSG: bool
"""Whether this system has recvmmsg and sendmmsg (Linux)."""
