/* The ring of netcode/session/ring.pxd between two threads, alone: test_ring.py compiles this with
   the same C block (as ring.h) and runs it, under ThreadSanitizer where the compiler has it.

   Usage: ring_stress ITEMS SLOTS. Every item carries its number and bytes made from it. */

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "ring.h"

enum { STRIDE = 48 };

static netcode_ring *ring;
static uint32_t items;

static void fill(uint8_t *place, uint32_t number) {
    memcpy(place, &number, 4);
    memset(place + 4, (int)(number * 2654435761u >> 24), STRIDE - 4);
}

static void *produce(void *unused) {
    uint32_t number;
    for (number = 0; number < items; number++) {
        uint8_t *place;
        while ((place = ring_reserve(ring)) == NULL)
            sched_yield();
        fill(place, number);
        ring_commit(ring);
    }
    return unused;
}

static void *consume(void *failed) {
    uint8_t expected[STRIDE];
    uint32_t number;
    for (number = 0; number < items; number++) {
        uint8_t *place;
        while ((place = ring_peek(ring)) == NULL)
            sched_yield();
        fill(expected, number);
        if (memcmp(place, expected, STRIDE) != 0 || ring_used(ring) > ring->mask + 1) {
            *(int *)failed = 1;
            fprintf(stderr, "item %u is not what was pushed\n", number);
            /* Go on, or the producer would wait for ever. */
        }
        memset(place, 0xEE, STRIDE);
        ring_release(ring);
    }
    return NULL;
}

int main(int argc, char **argv) {
    pthread_t producer, consumer;
    int failed = 0;
    if (argc != 3)
        return 2;
    items = (uint32_t)strtoul(argv[1], NULL, 10);
    ring = ring_new((uint32_t)strtoul(argv[2], NULL, 10), STRIDE);
    if (ring == NULL)
        return 3;
    /* Both counters wrap on the way. */
    ring->head = ring->tail = ring->tail_seen = ring->head_seen = 0u - items / 2;
    if (pthread_create(&producer, NULL, produce, NULL) != 0
        || pthread_create(&consumer, NULL, consume, &failed) != 0)
        return 4;
    pthread_join(producer, NULL);
    pthread_join(consumer, NULL);
    if (ring_used(ring) != 0)
        failed = 1;
    ring_free(ring);
    return failed;
}
