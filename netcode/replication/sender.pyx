"""The server's side of snapshots: tables in, frames for each client out, acknowledgements back."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from netcode.bits.varint cimport VARINT_MAX_BYTES, varint_put
from netcode.delta.changes cimport section_coder
from netcode.delta.coder cimport SectionCoder
from netcode.delta.history cimport Ring
from netcode.delta.section cimport HISTORY_TICKS, NO_TICK, SECTION_MAX_PREDICTED
from netcode.replication.cache cimport cache_clear, cache_free, section_cache, section_record
from netcode.replication.viewer cimport (
    VIEWER_MAX_SECTIONS,
    viewer,
    viewer_decoded,
    viewer_free,
    viewer_missing,
    viewer_new,
    viewer_plan,
    viewer_plan_table,
    viewer_send,
)
from netcode.replication.wire cimport (
    FRAME_DECODED,
    FRAME_MISSING,
    FRAME_SECTION,
    FRAME_TICK,
    TICK_PARTIAL,
    WIRE_MALFORMED,
    WIRE_STALE,
)

from netcode.constants import MAX_CLIENTS
from netcode.delta.history import MAX_TICK, History
from netcode.delta.layout import Layout
from netcode.delta.model import untrained_for
from netcode.delta.shape import Shape
from netcode.errors import ConfigError
from netcode.replication.digest import digest

__all__ = ["Sender"]

MAX_TABLES = 256
MAX_GAP = 4096  # ticks on the wire are 16 bits: a client must be able to tell which one is meant


def coder_for(codec, capacity, source=None, model=None):
    """The coder of a table in one version of its schema; None when its sections are all plain.
    Without a ``model``, of the version's own lanes, untrained."""
    if model is None:
        model = untrained_for(codec, source)
    elif source is not None:
        model = replace(model, shape=Shape.of(codec, source))
    return None if model is None else model.coder(capacity, SECTION_MAX_PREDICTED)


@cython.final
@cython.auto_pickle(False)
cdef class Sender:
    """Snapshots of some tables for many clients.

    Each tick: ``commit(tick)`` once, then ``frames(client)`` for each client; what clients send
    back goes to ``on_frame``. Nothing is queued: a frame that is lost is made up for by a later
    one. One thread at a time may use a sender.

    Args:
        tables: what to replicate; the place in the sequence is the table's number on the wire.
        max_sections: sections (of up to 1,100 bytes) for one client and tick, 1 to 255. When
            a client needs more, later ticks bring the rest; until then its ticks are partial.
        history: snapshots kept, 2 to 64; clients further behind get full state again.

    Raises:
        ConfigError: an option out of range, or a row that does not fit a section.
    """

    cdef readonly tuple tables
    cdef readonly int max_sections
    cdef list histories
    cdef list rings              # of each table: its history, then a Projection or None for each
    cdef list uses               # older version of its schema; and how many clients have these
    cdef list models             # beside each ring its clients' models: None, then trained ones,
    cdef list coders             # and of each a SectionCoder, None where all is plain
    cdef list blobs
    cdef viewer **viewers
    cdef uint32_t n_viewers
    cdef uint32_t room           # in C: the module's globals are gone when the last sender goes
    cdef section_cache cache
    cdef viewer_plan plan
    cdef int32_t newest
    cdef uint64_t partial_ticks
    cdef uint64_t malformed
    cdef uint64_t stale
    cdef uint64_t missing

    def __cinit__(self, tables, *, max_sections=64, history=HISTORY_TICKS):
        self.tables = tuple(tables)
        if len(self.tables) > MAX_TABLES:
            raise ConfigError(f"{len(self.tables)} tables; the limit is {MAX_TABLES}")
        if not 1 <= max_sections <= VIEWER_MAX_SECTIONS:
            raise ConfigError(f"max_sections is {max_sections}, not 1 to {VIEWER_MAX_SECTIONS}")
        self.max_sections = max_sections
        self.newest = NO_TICK
        self.blobs = []
        self.histories = [
            History(Layout.of(table.schema, table.capacity), history) for table in self.tables
        ]
        self.rings = [[history] for history in self.histories]
        self.uses = [[0] for _ in self.histories]
        self.models = [[[None]] for _ in self.tables]
        self.coders = [[[coder_for(table.schema, table.capacity)]] for table in self.tables]
        largest = max((table.capacity for table in self.tables), default=1)
        self.plan.full = <uint16_t *>malloc(<size_t>largest * sizeof(uint16_t))
        self.plan.rest = <uint16_t *>malloc(<size_t>largest * sizeof(uint16_t))
        self.plan.group = <uint16_t *>malloc(<size_t>largest * sizeof(uint16_t))
        self.plan.pair = <uint16_t *>malloc(<size_t>largest * sizeof(uint16_t))
        self.room = MAX_CLIENTS + 1
        self.viewers = <viewer **>calloc(self.room, sizeof(viewer *))
        if not (self.plan.full and self.plan.rest and self.plan.group and self.plan.pair):
            raise MemoryError
        if self.viewers == NULL:
            raise MemoryError

    def __dealloc__(self):
        cdef uint32_t i
        if self.viewers != NULL:
            for i in range(self.room):
                viewer_free(self.viewers[i])
        free(self.viewers)
        cache_free(&self.cache)
        free(self.plan.records)
        free(self.plan.full)
        free(self.plan.rest)
        free(self.plan.group)
        free(self.plan.pair)

    cdef viewer *viewer_of(self, client) except NULL:
        if not 0 <= client <= MAX_CLIENTS or self.viewers[<uint32_t>client] == NULL:
            raise KeyError(f"client {client} was not added")
        return self.viewers[<uint32_t>client]

    @property
    def tick(self):
        """The newest committed tick, -1 before the first."""
        return self.newest

    def history(self, table):
        """The ring of snapshots of a table, by its number."""
        return self.histories[table]

    def commit(self, tick):
        """Take the snapshot of every table at ``tick``; ticks rise, by at most 4,096.

        All tables or none: on an error no snapshot of this tick exists, and commit may be
        called again with the same tick. A client that receives nothing for 32,767 ticks must be
        removed.

        Raises:
            EncodeError: a value does not fit its field.
            ConfigError: ``tick`` does not follow the newest one.
        """
        if self.newest != NO_TICK and tick > self.newest + MAX_GAP:
            raise ConfigError(
                f"tick {tick} is over {MAX_GAP} after tick {self.newest}: count ticks, not time"
            )
        if not self.newest < tick <= MAX_TICK:
            raise ConfigError(
                f"tick {tick} cannot follow tick {self.newest}: ticks rise, up to {MAX_TICK}"
            )
        staged = [history.stage(tick) for history in self.histories]
        for table, lanes in zip(self.tables, staged):
            table.quantize(lanes)
        for table, history in zip(self.tables, self.histories):
            history.commit(table.alive, table.generation, table.owners)
        cache_clear(&self.cache)
        self.blobs.clear()
        self.newest = tick

    def add(self, client, tables=None, models=None):
        """A client joins, holding nothing.

        Args:
            client: index, 0 to 65,535.
            tables: numbers of the tables it gets, or a mapping of these to the version of the
                table's schema that it has; default all, in the newest version.
            models: mapping of a table's number to the trained model, of that version, that codes
                its sections; those not in it have the untrained tables.

        Raises:
            ConfigError: the index is out of range or in use, or there is no such table.
            SchemaError: the schema of a table was not there in that version.
        """
        if not 0 <= client <= MAX_CLIENTS:
            raise ConfigError(f"client {client} is out of range: 0 to {MAX_CLIENTS}")
        if self.viewers[<uint32_t>client] != NULL:
            raise ConfigError(f"client {client} was added before")
        wanted = range(len(self.tables)) if tables is None else tables
        codecs = {}
        for number in wanted:
            if not 0 <= number < len(self.tables):
                raise ConfigError(f"table {number} is not one of the {len(self.tables)} tables")
            codecs[number] = None
            if isinstance(tables, Mapping):
                codecs[number] = self.tables[number].schema.codec_for(tables[number])
        places = {number: self.place(number, codec) for number, codec in codecs.items()}
        capacities = [
            table.capacity if number in places else 0 for number, table in enumerate(self.tables)
        ]
        cdef uint32_t[::1] view = np.array([*capacities, 0], np.uint32)
        cdef viewer *v = viewer_new(&view[0], len(self.tables))
        if v == NULL:
            raise MemoryError
        self.viewers[<uint32_t>client] = v
        self.n_viewers += 1
        for number, place in places.items():
            v.tables[<uint32_t>number].version = place
            v.tables[<uint32_t>number].model = self.model_at(
                number, place, codecs[number], (models or {}).get(number)
            )
            self.uses[number][place] += 1

    cdef object model_at(self, number, place, codec, model):
        """Where a model is among those of a ring; its coder is made for its first client."""
        known = self.models[number][place]
        for at in range(len(known)):
            if known[at] is model:
                return at
        table = self.tables[number]
        source = codec.lane_places if place else None
        made = coder_for(codec if place else table.schema, table.capacity, source, model)
        known.append(model)
        self.coders[number][place].append(made)
        return len(known) - 1

    cdef object place(self, number, codec):
        """Where a table's ring for a version is; made when no client had that version."""
        if codec is None:
            return 0
        table = self.tables[number]
        rings = self.rings[number]
        uses = self.uses[number]
        place = sum(1 for each in table.schema.schema_versions if each > codec.version)
        while len(rings) <= place:
            rings.append(None)
            self.models[number].append([])
            self.coders[number].append([])
            uses.append(0)
        if rings[place] is None:
            layout = Layout.of(codec, table.capacity, codec.lane_places)
            rings[place] = self.histories[number].project(layout)
            self.models[number][place] = [None]
            self.coders[number][place] = [coder_for(codec, table.capacity, codec.lane_places)]
        return place

    cdef int release(self, number, place) except -1:
        """One client less has this version of a table; without any, nothing is kept for it."""
        self.uses[number][place] -= 1
        if place and self.uses[number][place] == 0:
            self.histories[number].forget(self.rings[number][place])
            self.rings[number][place] = None
            self.models[number][place] = []
            self.coders[number][place] = []
        return 0

    def remove(self, client):
        """A client left; nothing happens when it was not there."""
        cdef viewer *v
        if 0 <= client <= MAX_CLIENTS and self.viewers[<uint32_t>client] != NULL:
            v = self.viewers[<uint32_t>client]
            for number in range(v.n_tables):
                if v.tables[<uint32_t>number].capacity:
                    self.release(number, v.tables[<uint32_t>number].version)
            viewer_free(self.viewers[<uint32_t>client])
            self.viewers[<uint32_t>client] = NULL
            self.n_viewers -= 1

    def __contains__(self, client):
        return 0 <= client <= MAX_CLIENTS and self.viewers[<uint32_t>client] != NULL

    def __len__(self):
        """Clients."""
        return self.n_viewers

    def frames(self, client):
        """The frames of the newest tick for one client, to be sent in this order.

        Returns:
            list of (kind, bytes): one TICK, then sections. Empty when this tick was asked for
            before, or nothing was committed yet.

        Raises:
            KeyError: the client was not added.
        """
        cdef viewer *v = self.viewer_of(client)
        cdef Ring ring
        cdef SectionCoder coder
        cdef section_coder *s
        cdef uint8_t head[2 + VARINT_MAX_BYTES]
        cdef uint32_t first = 0
        cdef int count
        cdef int size
        cdef int i
        if self.newest == NO_TICK or v.last == self.newest:
            return []
        self.plan.count = 0
        for i, rings in enumerate(self.rings):
            ring = rings[v.tables[i].version]
            coder = self.coders[i][v.tables[i].version][v.tables[i].model]
            s = NULL if coder is None else &coder.s
            if viewer_plan_table(
                v, <uint8_t>i, &ring.layout.c, s, &ring.ring, &self.cache, &self.plan
            ):
                raise MemoryError
        count = viewer_send(v, self.newest, self.max_sections, &self.plan, &first)
        if count < 0:
            raise MemoryError
        head[0] = <uint8_t>count
        head[1] = TICK_PARTIAL if <uint32_t>count < self.plan.count else 0
        self.partial_ticks += head[1]
        size = 2 + varint_put(head + 2, <uint64_t>self.newest)
        frames = [(FRAME_TICK, head[:size])]
        while len(self.blobs) < <Py_ssize_t>self.cache.n_records:
            self.blobs.append(None)
        for i in range(count):
            frames.append(
                (FRAME_SECTION, self.blob(self.plan.records[(first + i) % self.plan.count], i))
            )
        return frames

    cdef bytes blob(self, const section_record *record, int index):
        """The bytes of a section under an index; the same object as long as the index is."""
        cdef bytes made = self.blobs[record.number]
        if made is not None and <uint8_t>PyBytes_AS_STRING(made)[3] == index:
            return made
        made = PyBytes_FromStringAndSize(<const char *>record.data, record.size)
        PyBytes_AS_STRING(made)[3] = <char>index
        self.blobs[record.number] = made
        return made

    def on_frame(self, client, kind, const uint8_t[::1] data not None):
        """A DECODED or MISSING frame arrived from a client.

        Returns:
            False when it is malformed (counted, and nothing changed).

        Raises:
            KeyError: the client was not added.
        """
        cdef viewer *v = self.viewer_of(client)
        cdef const uint8_t *start = &data[0] if data.shape[0] else NULL
        cdef int status = WIRE_MALFORMED
        if kind == FRAME_DECODED:
            status = viewer_decoded(v, self.newest, start, data.shape[0])
        elif kind == FRAME_MISSING:
            status = viewer_missing(v, self.newest, start, data.shape[0])
            self.missing += status != WIRE_MALFORMED
        if status == WIRE_STALE:
            self.stale += 1
        elif status == WIRE_MALFORMED:
            self.malformed += 1
            return False
        return True

    def acked(self, client, table):
        """For each slot the newest tick this client acknowledged, -1 for none: int32 (capacity,),
        a copy. ``table`` is a number."""
        cdef viewer *v = self.viewer_of(client)
        if not 0 <= table < len(self.tables) or v.tables[<uint32_t>table].capacity == 0:
            raise KeyError(f"client {client} does not get table {table}")
        capacity = v.tables[<uint32_t>table].capacity
        cdef int32_t[::1] view = <int32_t[:capacity]>v.tables[<uint32_t>table].acked
        return np.array(view)

    def world_hash(self, tick, client=None):
        """64 bits over every table at ``tick``, equal to the hash of a client whose world is equal.

        With ``client``, an index, over what this client gets: its tables, and of each what its
        version of the schema has. Only that is equal to the hash of a client that does not get
        every table in the newest version.

        Raises:
            KeyError: the tick is not in the history, or the client was not added.
        """
        cdef viewer *v = NULL
        cdef Ring ring
        if client is not None:
            v = self.viewer_of(client)
        states = []
        for number, rings in enumerate(self.rings):
            if v != NULL and v.tables[<uint32_t>number].capacity == 0:
                continue
            whole = self.histories[number]
            ring = rings[0 if v == NULL else v.tables[<uint32_t>number].version]
            lanes = whole.lanes(tick)
            if ring is not whole:
                lanes = lanes[list(ring.layout.source)]
            states.append((whole.alive(tick), whole.generation(tick), whole.owner(tick), lanes))
        return digest(states)

    @property
    def counters(self):
        """What happened so far, by name."""
        return {
            "sections_encoded": self.cache.encoded,
            "groups_shared": self.cache.shared,
            "partial_ticks": self.partial_ticks,
            "baseline_missing": self.missing,
            "acks_stale": self.stale,
            "acks_malformed": self.malformed,
        }
