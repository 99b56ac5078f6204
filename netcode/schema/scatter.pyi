"""The values of blocks of rows, for C only: see scatter.pxd."""
