"""Checked addresses of NumPy arrays, for C only: see tables.pxd."""
