"""Tables, what each client is sent of them, and what it makes of it.

Rooms, each using only those above it:

    wire      kinds and bytes of the frames
    digest    hash of the world
    row       an entity as an object
    table     the server's columns, ids, owners
    world     the client's view of a table
    cache     sections of a tick, encoded once
    viewer    what one client holds, as the server knows it
    sender    snapshots to many clients
    receiver  snapshots at a client
    recording snapshots to a file and back
    octets    strings and numbers of control messages
    messages  typed messages
    hello     what is said before any state
    models    trained models of tables
    contract  the schemas of both ends compared
    inputs       input frames
    input_queue  the queue that they feed
"""

from netcode.replication.receiver import Receiver
from netcode.replication.recording import RecordedTable, Recorder, Recording, Track
from netcode.replication.sender import Sender
from netcode.replication.table import Owner, Table
from netcode.replication.wire import FRAME_DECODED, FRAME_MISSING, FRAME_SECTION, FRAME_TICK
from netcode.replication.world import Bracket, Despawned, Snapshot, Spawned, WorldTable

__all__ = [
    "FRAME_DECODED",
    "FRAME_MISSING",
    "FRAME_SECTION",
    "FRAME_TICK",
    "Bracket",
    "Despawned",
    "Owner",
    "Receiver",
    "RecordedTable",
    "Recorder",
    "Recording",
    "Sender",
    "Snapshot",
    "Spawned",
    "Table",
    "Track",
    "WorldTable",
]
