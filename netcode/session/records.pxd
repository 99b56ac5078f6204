"""A ring of records of any size between two threads, and the bell that wakes a sleeper.

Single producer, single consumer, one stretch of bytes in a power of two; like ``ring.pxd``, whose
atomics it uses. What the producer commits is seen only once it is shown, so that the many records
of a tick reach the other thread together.

    Producer                               Consumer
    place = records_reserve(r, size)       place = records_peek(r, &size)
    NULL: full, else write it              NULL: nothing, else read it
    records_commit(r, size)                records_step(r, size)
    records_show(r)                        records_give(r): what was stepped over is free

A record never wraps around: what does not fit before the end of the stretch goes to its beginning,
behind a filler. Records are aligned to 8 bytes and hold at most ``records_most``.

The bell: who has news calls ``bell_tell`` and, when that says so, wakes the other by whatever it
sleeps in. Who wants to sleep notes ``bell_news`` before looking for work, and may sleep when
``bell_listen`` of that number says so. No news is slept through: of the two, at least one sees
what the other wrote.

``tests/session/records_stress.c`` runs both alone under ThreadSanitizer.
"""

from libc.stdint cimport uint8_t, uint32_t

from netcode.session.ring cimport netcode_ring

cdef extern from *:
    """
    #ifndef NETCODE_RECORDS
    #define NETCODE_RECORDS

    #if defined(_MSC_VER) && !defined(__clang__)
    #if defined(_M_ARM64)
    #define bell_fence() __dmb(_ARM64_BARRIER_ISH)
    #else
    #define bell_fence() ((void)0) /* an interlocked exchange is one */
    #endif
    static __forceinline uint32_t bell_swap(uint32_t *p, uint32_t value) {
        uint32_t old;
        bell_fence();
        old = (uint32_t)_InterlockedExchange((volatile long *)p, (long)value);
        bell_fence();
        return old;
    }
    #define bell_load(p) ring_load(p)
    #define bell_store(p, v) ((void)bell_swap((p), (v)))
    #else
    #define bell_swap(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
    #define bell_load(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
    #define bell_store(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
    #endif

    typedef struct {
        uint32_t news;        /* the teller's: how often it told */
        uint8_t pad_news[RING_LINE - 4];
        uint32_t asleep;      /* the listener's; the teller that wakes it takes it back */
        uint8_t pad_asleep[RING_LINE - 4];
    } netcode_bell;

    static inline int bell_tell(netcode_bell *b) {
        bell_store(&b->news, b->news + 1);
        return bell_load(&b->asleep) && bell_swap(&b->asleep, 0);
    }

    static inline uint32_t bell_news(netcode_bell *b) {
        return bell_load(&b->news);
    }

    static inline int bell_listen(netcode_bell *b, uint32_t seen) {
        bell_store(&b->asleep, 1);
        if (bell_load(&b->news) == seen)
            return 1;
        bell_store(&b->asleep, 0);
        return 0;
    }

    static inline void bell_awake(netcode_bell *b) {
        if (ring_load(&b->asleep))
            bell_store(&b->asleep, 0);
    }

    #define RECORD_HEAD 8u
    #define RECORD_FILLER 0xFFFFFFFFu
    #define record_span(size) (((size) + RECORD_HEAD + 7u) & ~7u)

    typedef struct {
        /* The producer's. */
        uint32_t head;        /* bytes ever committed; wraps */
        uint32_t tail_seen;   /* the tail when it was last looked at */
        uint32_t told;        /* what shown is */
        uint8_t pad_head[RING_LINE - 12];
        uint32_t shown;       /* bytes that the consumer may read */
        uint8_t pad_shown[RING_LINE - 4];
        /* The consumer's. */
        uint32_t tail;        /* bytes ever given back; wraps */
        uint8_t pad_tail[RING_LINE - 4];
        uint32_t at;          /* the next record */
        uint32_t shown_seen;
        uint8_t pad_at[RING_LINE - 8];
        /* Nobody writes these. */
        uint8_t *bytes;
        uint32_t mask;        /* bytes - 1 */
        void *memory;
    } netcode_records;

    /* Room for ``bytes`` (a power of two, 64 to 2**30); NULL when out of memory or range. */
    static inline netcode_records *records_new(uint32_t bytes) {
        uint8_t *memory;
        netcode_records *r;
        if (bytes < 64 || bytes > (1u << 30) || (bytes & (bytes - 1)))
            return NULL;
        memory = (uint8_t *)malloc((size_t)bytes + sizeof(netcode_records) + 2 * RING_LINE);
        if (memory == NULL)
            return NULL;
        r = (netcode_records *)(memory + (RING_LINE - (uintptr_t)memory % RING_LINE) % RING_LINE);
        memset(r, 0, sizeof(netcode_records));
        r->memory = memory;
        r->bytes = (uint8_t *)(r + 1);
        r->bytes += (RING_LINE - (uintptr_t)r->bytes % RING_LINE) % RING_LINE;
        r->mask = bytes - 1;
        return r;
    }

    /* Only when neither thread uses it any more. NULL is allowed. */
    static inline void records_free(netcode_records *r) {
        if (r != NULL)
            free(r->memory);
    }

    /* The largest record that always fits an empty ring, wherever it begins. */
    static inline uint32_t records_most(const netcode_records *r) {
        return (r->mask + 1) / 2 - RECORD_HEAD;
    }

    static inline uint8_t *records_reserve(netcode_records *r, uint32_t size) {
        uint32_t place = r->head & r->mask;
        uint32_t to_end = r->mask + 1 - place;
        uint32_t span = record_span(size);
        uint32_t need = span <= to_end ? span : to_end + span;
        if (size > records_most(r))
            return NULL;
        if (r->mask + 1 - (r->head - r->tail_seen) < need) {
            r->tail_seen = ring_load(&r->tail);
            if (r->mask + 1 - (r->head - r->tail_seen) < need)
                return NULL;
        }
        if (span > to_end) {
            *(uint32_t *)(r->bytes + place) = RECORD_FILLER;
            r->head += to_end;
            place = 0;
        }
        return r->bytes + place + RECORD_HEAD;
    }

    /* ``size`` may be less than was reserved. */
    static inline void records_commit(netcode_records *r, uint32_t size) {
        *(uint32_t *)(r->bytes + (r->head & r->mask)) = size;
        r->head += record_span(size);
    }

    /* Whether there was anything to show. */
    static inline int records_show(netcode_records *r) {
        if (r->told == r->head)
            return 0;
        r->told = r->head;
        ring_store(&r->shown, r->head);
        return 1;
    }

    /* Bytes that were committed and not shown yet. For the producer. */
    static inline uint32_t records_unshown(const netcode_records *r) {
        return r->head - r->told;
    }

    static inline uint8_t *records_read(netcode_records *r, uint32_t *at, uint32_t *size) {
        while (*at != r->shown_seen) {
            uint8_t *place = r->bytes + (*at & r->mask);
            *size = *(uint32_t *)place;
            if (*size != RECORD_FILLER)
                return place + RECORD_HEAD;
            *at += r->mask + 1 - (*at & r->mask);
        }
        return NULL;
    }

    static inline uint8_t *records_peek(netcode_records *r, uint32_t *size) {
        if (r->at == r->shown_seen)
            r->shown_seen = ring_load(&r->shown);
        return records_read(r, &r->at, size);
    }

    static inline void records_step(netcode_records *r, uint32_t size) {
        r->at += record_span(size);
    }

    static inline void records_give(netcode_records *r) {
        ring_store(&r->tail, r->at);
    }

    /* Look further without stepping: ``*cursor`` begins as ``r->at``. Only what was shown when
       ``records_peek`` last looked. */
    static inline uint8_t *records_ahead(netcode_records *r, uint32_t *cursor, uint32_t *size) {
        uint8_t *place = records_read(r, cursor, size);
        if (place != NULL)
            *cursor += record_span(*size);
        return place;
    }
    #endif
    """
    ctypedef struct netcode_bell:
        pass
    ctypedef struct netcode_records:
        uint32_t at
        uint32_t mask
    bint bell_tell(netcode_bell *b) noexcept nogil
    uint32_t bell_news(netcode_bell *b) noexcept nogil
    bint bell_listen(netcode_bell *b, uint32_t seen) noexcept nogil
    void bell_awake(netcode_bell *b) noexcept nogil
    netcode_records *records_new(uint32_t bytes) noexcept nogil
    void records_free(netcode_records *r) noexcept nogil
    uint32_t records_most(const netcode_records *r) noexcept nogil
    uint8_t *records_reserve(netcode_records *r, uint32_t size) noexcept nogil
    void records_commit(netcode_records *r, uint32_t size) noexcept nogil
    bint records_show(netcode_records *r) noexcept nogil
    uint32_t records_unshown(const netcode_records *r) noexcept nogil
    uint8_t *records_peek(netcode_records *r, uint32_t *size) noexcept nogil
    void records_step(netcode_records *r, uint32_t size) noexcept nogil
    void records_give(netcode_records *r) noexcept nogil
    uint8_t *records_ahead(netcode_records *r, uint32_t *cursor, uint32_t *size) noexcept nogil


cdef class RecordRing:
    """See records.pyi."""
    cdef netcode_records *c
    cdef netcode_bell bell
