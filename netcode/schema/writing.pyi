"""Python objects to bits, for C only: see writing.pxd."""
