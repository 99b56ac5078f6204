"""Other libraries' wire formats, to talk to games that are not written in Python.

Dialects of netcode 1.02 itself are options: ``netcode.Dialect``.

The rooms, each using only those before it:

    serialize  the bit streams of the C++ library serialize
    reliable   the acks and fragments of the C library reliable
    renet      connect tokens as renet writes them to files

Nothing inside the library uses them.
"""

__all__: list[str] = []
