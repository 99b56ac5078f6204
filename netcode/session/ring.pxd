"""A ring between two threads: one pushes, one pops, nobody waits for a lock.

Single producer, single consumer, fixed slots in a power of two. Head and tail lie on cache lines of
their own, and each side keeps a copy of the other's that it renews only when the ring looks full or
empty, so the lines travel between the cores once a lap and not once a slot.

The C block below is all of it; ``tests/session/ring_stress.c`` compiles the same text alone and
runs it under ThreadSanitizer. It wants C11 and gcc, clang or MSVC (x86, x64, ARM64).

    Producer                               Consumer
    place = ring_reserve(r)                place = ring_peek(r)
    NULL: full, else write stride bytes    NULL: empty, else read stride bytes
    ring_commit(r)                         ring_release(r)

Neither call fails otherwise, blocks, allocates, or needs the GIL. What was written before
``ring_commit`` is seen after ``ring_peek``; a slot is the consumer's until ``ring_release``.
"""

from libc.stdint cimport uint8_t, uint32_t

cdef extern from *:
    """
    #ifndef NETCODE_RING
    #define NETCODE_RING
    #include <stddef.h>
    #include <stdint.h>
    #include <stdlib.h>
    #include <string.h>

    #if defined(_MSC_VER) && !defined(__clang__)
    #include <intrin.h>
    #if defined(_M_ARM64)
    #define ring_load(p) ((uint32_t)__ldar32((unsigned __int32 volatile *)(p)))
    #define ring_store(p, v) __stlr32((unsigned __int32 volatile *)(p), (v))
    #else
    /* x86 and x64 order loads and stores as acquire and release; the compiler must not differ. */
    static __forceinline uint32_t ring_load(const uint32_t *p) {
        uint32_t value = *(const volatile uint32_t *)p;
        _ReadWriteBarrier();
        return value;
    }
    static __forceinline void ring_store(uint32_t *p, uint32_t value) {
        _ReadWriteBarrier();
        *(volatile uint32_t *)p = value;
    }
    #endif
    #else
    #define ring_load(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
    #define ring_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
    #endif

    #define RING_LINE 128 /* two lines of 64: processors fetch them in pairs */

    typedef struct {
        /* The producer's. */
        uint32_t head;        /* slots ever committed; wraps */
        uint32_t tail_seen;   /* the tail when it was last looked at */
        uint8_t pad_head[RING_LINE - 8];
        /* The consumer's. */
        uint32_t tail;        /* slots ever released; wraps */
        uint32_t head_seen;
        uint8_t pad_tail[RING_LINE - 8];
        /* Nobody writes these. */
        uint8_t *slots;
        uint32_t mask;        /* slots - 1 */
        uint32_t stride;      /* bytes of a slot */
        void *memory;         /* as malloc gave it */
    } netcode_ring;

    /* Room for ``slots`` (a power of two, up to 2**24) of ``stride`` bytes (up to 65,536);
       NULL when out of memory or out of range. */
    static inline netcode_ring *ring_new(uint32_t slots, uint32_t stride) {
        size_t bytes;
        uint8_t *memory;
        netcode_ring *r;
        if (slots == 0 || slots > (1u << 24) || (slots & (slots - 1)) || stride == 0
            || stride > 65536)
            return NULL;
        stride = (stride + 15u) & ~15u;
        bytes = (size_t)slots * stride + sizeof(netcode_ring) + 2 * RING_LINE;
        memory = (uint8_t *)malloc(bytes);
        if (memory == NULL)
            return NULL;
        r = (netcode_ring *)(memory + (RING_LINE - (uintptr_t)memory % RING_LINE) % RING_LINE);
        memset(r, 0, sizeof(netcode_ring));
        r->memory = memory;
        r->slots = (uint8_t *)(r + 1);
        r->slots += (RING_LINE - (uintptr_t)r->slots % RING_LINE) % RING_LINE;
        r->mask = slots - 1;
        r->stride = stride;
        return r;
    }

    /* Only when neither thread uses it any more. NULL is allowed. */
    static inline void ring_free(netcode_ring *r) {
        if (r != NULL)
            free(r->memory);
    }

    static inline uint8_t *ring_reserve(netcode_ring *r) {
        if (r->head - r->tail_seen > r->mask) {
            r->tail_seen = ring_load(&r->tail);
            if (r->head - r->tail_seen > r->mask)
                return NULL;
        }
        return r->slots + (size_t)(r->head & r->mask) * r->stride;
    }

    static inline void ring_commit(netcode_ring *r) {
        ring_store(&r->head, r->head + 1);
    }

    static inline uint8_t *ring_peek(netcode_ring *r) {
        if (r->tail == r->head_seen) {
            r->head_seen = ring_load(&r->head);
            if (r->tail == r->head_seen)
                return NULL;
        }
        return r->slots + (size_t)(r->tail & r->mask) * r->stride;
    }

    static inline void ring_release(netcode_ring *r) {
        ring_store(&r->tail, r->tail + 1);
    }

    /* Slots in use; exact for neither side while the other works. Either thread may ask. */
    static inline uint32_t ring_used(netcode_ring *r) {
        uint32_t tail = ring_load(&r->tail);
        return ring_load(&r->head) - tail;
    }
    #endif
    """
    ctypedef struct netcode_ring:
        uint32_t mask
        uint32_t stride
    netcode_ring *ring_new(uint32_t slots, uint32_t stride) noexcept nogil
    void ring_free(netcode_ring *r) noexcept nogil
    uint8_t *ring_reserve(netcode_ring *r) noexcept nogil
    void ring_commit(netcode_ring *r) noexcept nogil
    uint8_t *ring_peek(netcode_ring *r) noexcept nogil
    void ring_release(netcode_ring *r) noexcept nogil
    uint32_t ring_used(netcode_ring *r) noexcept nogil
    # Acquire and release, for words beside a ring.
    uint32_t ring_load(const uint32_t *p) noexcept nogil
    void ring_store(uint32_t *p, uint32_t value) noexcept nogil


cdef class Ring:
    """See ring.pyi."""
    cdef netcode_ring *c
