"""The block path, for C only: see blocks.pxd."""
