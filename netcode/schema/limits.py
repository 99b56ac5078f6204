"""Limits of one schema, each with its reason."""

from typing import Final

MAX_FIELDS: Final = 255
"""Fields of one class; more is a sign that parts belong together in a nested schema."""

MAX_DEPTH: Final = 8
"""Nesting of schemas and arrays; the codec recurses once for each."""

MAX_SIZE: Final = 65_535
"""Largest Text, Blob or ArrayOf; larger things are sent in pieces."""

MAX_BITS: Final = 1 << 26
"""Largest encoding of one object, 8 MiB; nested arrays multiply up to here."""

MAX_FLAGS: Final = 16
"""Flags of an enum.Flag. Python keeps every combination ever seen alive; a peer could make it keep
2**32 of them."""

MAX_QUANTIZED_BITS: Final = 32
"""Width of a quantised float, so that it is one lane."""

MAX_LANES: Final = 4_096
"""Lanes of a schema in a table; a larger one is for messages only."""

MAX_RECORDS_BYTES: Final = 1 << 28
"""Largest array that decode_records makes. Rows have room for the longest texts and arrays, so a
short message could ask for a lot; a caller who wants more brings the array."""

MANY_LIMIT: Final = 65_536
"""Default of ``limit=`` of the calls that encode and decode many."""

MAX_VERSION: Final = 65_535
"""Largest number in ``Since``: two bytes of a counter that grows by one with a release."""
