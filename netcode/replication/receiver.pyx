"""The client's side of snapshots: frames in, worlds and acknowledgements out."""

cimport cython
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint64_t
from libc.string cimport memset

from netcode.bits.varint cimport varint_get
from netcode.delta.decoder cimport Decoder
from netcode.delta.section cimport (
    HISTORY_TICKS,
    NO_TICK,
    SECTION_MISSING,
    SECTION_OK,
    SECTION_TABLE,
    section_get_header,
    section_header,
    tick_near,
)
from netcode.replication.wire cimport (
    DECODED_MAX_BYTES,
    DECODED_TICKS,
    FRAME_DECODED,
    FRAME_MISSING,
    FRAME_SECTION,
    FRAME_TICK,
    TICK_PARTIAL,
    put_u16,
)

from netcode.delta.section import REASONS
from netcode.replication.digest import digest
from netcode.replication.world import WorldTable

__all__ = ["Receiver"]

cdef enum:
    MAX_MISSING = 64       # answers between two calls of frames(); more are left to the next tick
    MASK_BYTES = 32

cdef struct received_tick:
    int32_t tick           # NO_TICK: cell unused
    int32_t count          # sections announced, NO_TICK before the TICK frame came
    int32_t got
    bint partial
    bint fresh             # committed something since the last frames()
    uint8_t mask[MASK_BYTES]


@cython.final
@cython.auto_pickle(False)
cdef class Receiver:
    """The worlds of one client.

    Frames from the server go to ``on_frame``, in any order, lost or doubled; ``frames()`` gives
    what to send back, at least once a tick. One thread at a time may use a receiver.

    Args:
        tables: (schema, capacity) of each table, in the server's order, or (schema, capacity,
            version) where the server sends an older version of the schema, or (schema, capacity,
            version, model) where a trained model codes it (else None); None in the place of a
            table that this client does not get.
    """

    cdef readonly tuple worlds
    cdef readonly int newest
    cdef readonly int complete
    cdef list decoders
    cdef dict counts
    cdef bint synced
    cdef received_tick ticks[HISTORY_TICKS]
    cdef uint8_t missing[3 * MAX_MISSING]
    cdef int n_missing

    def __cinit__(self, tables):
        cdef int i
        worlds = [
            None
            if each is None
            else WorldTable(each[0], each[1], self.complete_around, *each[2:])
            for each in tables
        ]
        self.worlds = tuple(world for world in worlds if world is not None)
        self.decoders = [
            None if world is None else Decoder(world.held, world.model) for world in worlds
        ]
        self.counts = {}
        self.newest = self.complete = NO_TICK
        self.synced = False
        self.n_missing = 0
        for i in range(HISTORY_TICKS):
            self.ticks[i].tick = NO_TICK

    cdef int count(self, str reason) except -1:
        self.counts[reason] = self.counts.get(reason, 0) + 1
        return 0

    cdef received_tick *cell(self, int32_t tick) noexcept nogil:
        """The cell of a tick above newest - 64, made anew for a tick not seen before."""
        cdef received_tick *cell = &self.ticks[tick % HISTORY_TICKS]
        if cell.tick != tick:
            memset(cell, 0, sizeof(received_tick))
            cell.tick = tick
            cell.count = NO_TICK
        if tick > self.newest:
            self.newest = tick
        return cell

    cdef bint is_complete(self, const received_tick *cell) noexcept nogil:
        return cell.tick != NO_TICK and cell.got == cell.count and not cell.partial

    cdef void note_complete(self, const received_tick *cell) noexcept nogil:
        if self.is_complete(cell) and cell.tick > self.complete:
            self.complete = cell.tick

    def on_frame(self, kind, const uint8_t[::1] data not None):
        """A TICK or SECTION frame arrived.

        Returns:
            False when it is malformed. Then, and when it is late, doubled or its baseline is
            missing, nothing changes but ``counters``.
        """
        cdef const uint8_t *start = &data[0] if data.shape[0] else NULL
        cdef str reason = "frame_kind"
        if kind == FRAME_TICK:
            reason = self.on_tick(start, data.shape[0])
        elif kind == FRAME_SECTION:
            reason = self.on_section(start, data.shape[0])
        if reason is None:
            return True
        self.count(reason)
        return reason in HARMLESS

    cdef str on_tick(self, const uint8_t *data, size_t size):
        """None, or why the frame had no effect."""
        cdef uint64_t tick = 0
        cdef received_tick *cell
        cdef int i
        if size < 3 or data[1] & ~TICK_PARTIAL:
            return "tick_malformed"
        i = varint_get(data + 2, data + size, &tick)
        if i == 0 or <size_t>i + 2 != size or tick >= <uint64_t>1 << 31:
            return "tick_malformed"
        if self.newest != NO_TICK and <int32_t>tick <= self.newest - HISTORY_TICKS:
            return "tick_late"
        self.synced = True
        cell = self.cell(<int32_t>tick)
        if cell.count != NO_TICK:
            return "tick_doubled"
        for i in range(data[0], 8 * MASK_BYTES):
            if cell.mask[i >> 3] >> (i & 7) & 1:
                return "tick_malformed"
        cell.count = data[0]
        cell.partial = data[1] & TICK_PARTIAL
        self.note_complete(cell)
        return None

    cdef str on_section(self, const uint8_t *data, size_t size):
        """None, or why the frame had no effect."""
        cdef section_header header
        cdef received_tick *cell
        cdef int32_t tick
        cdef int status = section_get_header(data, size, &header)
        cdef Decoder decoder
        if status != SECTION_OK:
            return REASONS[status]
        if header.table >= len(self.decoders) or self.decoders[header.table] is None:
            return REASONS[SECTION_TABLE]
        if not self.synced:
            return "section_early"  # its tick cannot be known before the first TICK
        tick = tick_near(header.tick, self.newest)
        if tick <= self.newest - HISTORY_TICKS or tick < 0:
            return "section_late"
        cell = &self.ticks[tick % HISTORY_TICKS]
        if cell.tick == tick:
            if cell.mask[header.index >> 3] >> (header.index & 7) & 1:
                return "section_doubled"
            if cell.count != NO_TICK and header.index >= cell.count:
                return "section_index"
        decoder = self.decoders[header.table]
        if tick < header.baseline + header.older:
            status = SECTION_MISSING
        else:
            status = decoder.decode(&header, tick, data, size)
        if status == SECTION_MISSING and self.n_missing < MAX_MISSING:
            put_u16(&self.missing[3 * self.n_missing], header.tick)
            self.missing[3 * self.n_missing + 2] = header.index
            self.n_missing += 1
        if status != SECTION_OK:
            return REASONS[status]
        decoder.commit(tick)
        cell = self.cell(tick)
        cell.mask[header.index >> 3] |= <uint8_t>(1 << (header.index & 7))
        cell.got += 1
        cell.fresh = True
        self.note_complete(cell)
        return None

    def frames(self):
        """What to send to the server: (kind, bytes) of acknowledgements, or nothing.

        Each call repeats the acknowledgements of the newest 16 ticks, so that a lost packet
        costs nothing, and gives those of older ticks that are new.
        """
        frames = []
        cdef int32_t top = self.newest
        cdef int32_t oldest = self.newest - HISTORY_TICKS
        cdef uint8_t out[DECODED_MAX_BYTES]
        cdef int size
        while top > oldest and top >= 0:
            size = self.put_decoded(top, top == self.newest, out)
            if size:
                frames.append((FRAME_DECODED, out[:size]))
            top -= DECODED_TICKS
        if self.n_missing:
            frames.append((FRAME_MISSING, self.missing[:3 * self.n_missing]))
            self.n_missing = 0
        return frames

    cdef int put_decoded(self, int32_t top, bint repeat, uint8_t *out) noexcept nogil:
        """Write the frame of the 16 ticks up to ``top``; 0 when there is nothing (new) to say."""
        cdef received_tick *cell
        cdef uint16_t all_of = 0
        cdef bint fresh = repeat
        cdef int size = 5
        cdef int i, width
        cdef int n = 0
        for i in range(DECODED_TICKS):
            if top - i < 0 or top - i <= self.newest - HISTORY_TICKS:
                break
            cell = &self.ticks[(top - i) % HISTORY_TICKS]
            if cell.tick != top - i or cell.got == 0:
                continue
            fresh |= cell.fresh
            cell.fresh = False
            if cell.got == cell.count:
                all_of |= <uint16_t>(1 << i)
                continue
            width = MASK_BYTES
            while cell.mask[width - 1] == 0:
                width -= 1
            out[size] = <uint8_t>i
            out[size + 1] = <uint8_t>width
            for width in range(width):
                out[size + 2 + width] = cell.mask[width]
            size += 2 + out[size + 1]
            n += 1
        if not fresh or (all_of == 0 and n == 0):
            return 0
        put_u16(out, <uint16_t>top)
        put_u16(out + 2, all_of)
        out[4] = <uint8_t>n
        return size

    def complete_around(self, tick):
        """The newest complete tick up to ``tick`` and the oldest after it, -1 for none."""
        cdef int32_t at = tick
        cdef int32_t before = NO_TICK
        cdef int32_t after = NO_TICK
        cdef int i
        for i in range(HISTORY_TICKS):
            if self.ticks[i].tick <= self.newest - HISTORY_TICKS:
                continue
            if not self.is_complete(&self.ticks[i]):
                continue
            if self.ticks[i].tick <= at:
                before = max(before, self.ticks[i].tick)
            elif after == NO_TICK or self.ticks[i].tick < after:
                after = self.ticks[i].tick
        return before, after

    @property
    def complete_ticks(self):
        """Complete ticks among the newest 64, rising: at these the whole world is known exactly."""
        cdef int i
        return sorted(
            self.ticks[i].tick
            for i in range(HISTORY_TICKS)
            if self.is_complete(&self.ticks[i])
            and self.ticks[i].tick > self.newest - HISTORY_TICKS
        )

    def world_hash(self, tick):
        """64 bits over every table at a complete tick, equal to the server's of that tick, which
        for other tables or versions than the server's newest is ``world_hash(tick, client)``.

        Raises:
            KeyError: the tick is not complete, or not one of the newest 64.
        """
        cdef int32_t at = tick
        if (
            at < 0
            or at <= self.newest - HISTORY_TICKS
            or self.ticks[at % HISTORY_TICKS].tick != at
            or not self.is_complete(&self.ticks[at % HISTORY_TICKS])
        ):
            raise KeyError(tick)
        return digest(world.held.view(at) for world in self.worlds)

    @property
    def counters(self):
        """Frames without effect, by reason."""
        return dict(self.counts)


HARMLESS = frozenset({
    "tick_late", "tick_doubled", "section_early", "section_late", "section_doubled",
    "baseline_missing", "no_memory",
})
