"""What Server and Client are made of: the thin shells around the sans-IO endpoints.

The rooms, each of which may use those before it:

``channels``    message channels by name
``keys``        the development key, and the rules that keep it on this machine
``stats``       how a server's ticks are doing
``schedule``    when ticks are due
``requests``    requests that wait for their reply
``drains``      waiting for room in a send queue
``refusals``    what the operator reads in the log
``sources``     where an outgoing transfer reads
``transfers``   files and streams, as game code sees them
``events``      what happens to a server and to a client
``host``        an endpoint, its back end, and their lock
``roaming``     the same for a client, which may go on from another socket
``slices``      the same for a server, whose ticks leave in slices
``threaded``    the same with an I/O thread
``pacing``      ``for`` and ``async for`` over ticks
``reception``   the server's side of the hello
``player``      a connected client, as game code sees it
``tick``        one turn of a server's loop
``serving``     what a server does in each turn
``world``       the world as a client shows it

The names that programs use are exported by ``netcode`` itself.
"""

__all__: list[str] = []
