"""The plan of a schema's blocks, for C only: see plan.pxd."""
