"""The row path, for C only: see rows.pxd."""
