"""Authoritative multiplayer netcode on a Cython core."""

__version__ = "0.1.0"
