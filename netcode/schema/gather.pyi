"""The codes of blocks of rows, for C only: see gather.pxd."""
