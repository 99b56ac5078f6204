__all__ = ["COUNTER_NAMES"]

COUNTER_NAMES: tuple[str, ...]
"""The keys of ``ServerEndpoint.counters`` and ``ClientEndpoint.counters``, in order."""
