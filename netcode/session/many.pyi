from typing import Any

import numpy as np

__all__ = ["EVENT_DTYPE"]

EVENT_DTYPE: np.dtype[Any]
"""A row of ``ServerEndpoint.receive_events``."""
