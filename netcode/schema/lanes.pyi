"""The lane path, for C only: see lanes.pxd."""
