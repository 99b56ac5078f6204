"""Bits to Python objects, for C only: see reading.pxd."""
