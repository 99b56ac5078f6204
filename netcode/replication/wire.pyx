"""Kinds of the frames that carry snapshots and their acknowledgements. The bytes: wire.pxd."""

__all__ = ["FRAME_DECODED", "FRAME_MISSING", "FRAME_SECTION", "FRAME_TICK"]
