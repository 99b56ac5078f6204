"""The command line: ``python -m netcode``; try ``--help`` at every step.

Rooms: ``output`` (text, JSON, colours, exit codes), ``keys`` (keys from files and the
environment), ``token`` (issue, inspect, verify, keygen), ``serve`` (a token endpoint for a LAN),
``meter`` (live statistics), ``proxy`` (a bad network between clients and a server),
``recorded`` (schemas and recordings by name), ``train`` (recordings to a model), ``split`` (a
section's bits apart), ``account`` (those of a recording), ``wish`` (with other steps), ``page``
(HTML), ``profile`` (where the bits go) and ``main`` (the parser).

Exit codes: 0 it worked, 1 it did not or the answer is no, 2 the command line is wrong. Results
go to stdout, everything else to stderr. Every command is also a function of its room.
"""

__all__: list[str] = []
