"""The sections of one tick, each encoded once however many clients get it.

Clients that need the same slots of a table, in the same version of its schema and with the same
model, against the same baselines share a group: the sections are a pure function of those and the
tick. A group is found by the hash of its slots and then compared, so a collision costs time and
nothing else.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

from netcode.delta.changes cimport section_coder
from netcode.delta.encoder cimport ENCODE_BUFFER_BYTES, section_encode
from netcode.delta.history cimport snapshot
from netcode.delta.layout cimport lane_layout
from netcode.delta.predicted cimport predicted_encode
from netcode.delta.section cimport NO_TICK

__all__ = []


cdef void record_release(section_record *record) noexcept nogil:
    """Give up one reference."""
    record.references -= 1
    if record.references == 0:
        free(record.data)
        free(record)


cdef void cache_clear(section_cache *cache) noexcept nogil:
    """Forget the tick. Records that viewers hold keep their slots, not their bytes."""
    cdef uint32_t i
    for i in range(cache.n_records):
        free(cache.records[i].data)
        cache.records[i].data = NULL
        record_release(cache.records[i])
    for i in range(cache.n_groups):
        free(cache.groups[i].slots)
    if cache.n_groups:
        memset(cache.buckets, 0, 2 * <size_t>cache.group_room * sizeof(uint32_t))
    cache.n_records = 0
    cache.n_groups = 0


cdef void cache_free(section_cache *cache) noexcept nogil:
    """Forget everything."""
    cache_clear(cache)
    free(cache.records)
    free(cache.groups)
    free(cache.buckets)
    memset(cache, 0, sizeof(section_cache))


cdef uint64_t mix(uint64_t hash, uint64_t word) noexcept nogil:
    hash = (hash ^ word) * <uint64_t>0x9E3779B97F4A7C15ULL
    return hash ^ hash >> 29


cdef uint64_t hash_of(
    uint8_t table, uint32_t version, uint32_t model, int32_t baseline, int32_t older,
    const uint16_t *slots, uint32_t count
) noexcept nogil:
    cdef uint64_t hash = mix(
        <uint64_t>table << 32 | <uint32_t>baseline, <uint64_t>version << 32 | count
    )
    hash = mix(hash, <uint64_t>model << 32 | <uint32_t>older)
    cdef uint64_t word
    cdef uint32_t i = 0
    while i + 4 <= count:
        memcpy(&word, slots + i, 8)
        hash = mix(hash, word)
        i += 4
    while i < count:
        hash = mix(hash, slots[i])
        i += 1
    return hash


cdef int grow_groups(section_cache *cache) noexcept nogil:
    """Room for one more group, at most half of the buckets in use; -1 without memory."""
    cdef uint32_t room = cache.group_room * 2 if cache.group_room else 64
    cdef uint32_t i, at
    cdef section_group *groups
    cdef uint32_t *buckets
    if cache.n_groups < cache.group_room:
        return 0
    groups = <section_group *>realloc(cache.groups, room * sizeof(section_group))
    if groups == NULL:
        return -1
    cache.groups = groups
    buckets = <uint32_t *>calloc(2 * <size_t>room, sizeof(uint32_t))
    if buckets == NULL:
        return -1
    for i in range(cache.n_groups):
        at = <uint32_t>groups[i].hash & (2 * room - 1)
        while buckets[at]:
            at = (at + 1) & (2 * room - 1)
        buckets[at] = i + 1
    free(cache.buckets)
    cache.buckets = buckets
    cache.group_room = room
    return 0


cdef int add_record(
    section_cache *cache, uint8_t table, int32_t baseline, const uint8_t *data, uint32_t size,
    const uint16_t *slots, uint32_t count
) noexcept nogil:
    cdef uint32_t room = cache.record_room * 2 if cache.record_room else 64
    cdef section_record **records
    cdef section_record *record
    if cache.n_records == cache.record_room:
        records = <section_record **>realloc(cache.records, room * sizeof(section_record *))
        if records == NULL:
            return -1
        cache.records = records
        cache.record_room = room
    record = <section_record *>malloc(sizeof(section_record) + count * sizeof(uint16_t))
    if record == NULL:
        return -1
    record.data = <uint8_t *>malloc(size)
    if record.data == NULL:
        free(record)
        return -1
    record.references = 1
    record.number = cache.n_records
    record.baseline = baseline
    record.table = table
    record.size = size
    record.count = count
    record.slots = <uint16_t *>(record + 1)
    memcpy(record.data, data, size)
    memcpy(record.slots, slots, count * sizeof(uint16_t))
    cache.records[cache.n_records] = record
    cache.n_records += 1
    return 0


cdef const section_group *cache_sections(
    section_cache *cache,
    const lane_layout *layout,
    section_coder *coder,
    uint8_t table,
    uint32_t version,
    uint32_t model,
    const snapshot *now,
    const snapshot *base,
    const snapshot *older,
    const uint16_t *slots,
    uint32_t count,
) noexcept nogil:
    """The sections of these slots (at least one) against ``base`` and ``older``, either may be
    NULL; NULL without memory. Without a coder, and full state: plain ones."""
    cdef uint8_t buffer[ENCODE_BUFFER_BYTES]
    cdef int32_t baseline = NO_TICK if base == NULL else base.tick
    cdef int32_t second = NO_TICK if older == NULL else older.tick
    cdef uint32_t coded = 0 if base == NULL else model
    cdef uint64_t hash = hash_of(table, version, coded, baseline, second, slots, count)
    cdef uint32_t at
    cdef uint32_t start = 0
    cdef uint32_t taken = 0
    cdef uint32_t likely = 0
    cdef uint32_t size
    cdef section_group *group
    if grow_groups(cache):
        return NULL
    at = <uint32_t>hash & (2 * cache.group_room - 1)
    while cache.buckets[at]:
        group = &cache.groups[cache.buckets[at] - 1]
        if (
            group.hash == hash
            and group.table == table
            and group.version == version
            and group.model == coded
            and group.baseline == baseline
            and group.older == second
            and group.count == count
            and memcmp(group.slots, slots, count * sizeof(uint16_t)) == 0
        ):
            cache.shared += 1
            return group
        at = (at + 1) & (2 * cache.group_room - 1)
    group = &cache.groups[cache.n_groups]
    group.slots = <uint16_t *>malloc(count * sizeof(uint16_t))
    if group.slots == NULL:
        return NULL
    memcpy(group.slots, slots, count * sizeof(uint16_t))
    group.hash = hash
    group.table = table
    group.version = version
    group.model = coded
    group.baseline = baseline
    group.older = second
    group.count = count
    group.first = cache.n_records
    while start < count:
        size = 0
        if base != NULL and coder != NULL:
            size = predicted_encode(
                coder, layout, table, now, base, older, slots + start, count - start, buffer,
                &taken, &likely
            )
        if size == 0:
            size = section_encode(
                layout, table, now, base, slots + start, count - start, buffer, &taken
            )
        if add_record(cache, table, baseline, buffer, size, slots + start, taken):
            # Sections already added stay in the cache, unused, until the tick ends.
            free(group.slots)
            return NULL
        start += taken
    group.sections = cache.n_records - group.first
    cache.encoded += group.sections
    cache.n_groups += 1
    cache.buckets[at] = cache.n_groups
    return group
