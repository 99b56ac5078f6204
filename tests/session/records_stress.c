/* The ring of records and the bell of netcode/session/records.pxd between two threads, alone, with
   the records that commands are: test_records.py compiles this with the C blocks of ring.pxd and
   records.pxd (as ring.h and records.h) and runs it, under ThreadSanitizer where there is one.

   Usage: records_stress ITEMS BYTES. The consumer sleeps in read() whenever the bell lets it, so a
   wake-up that is lost hangs. Some records point to memory that the consumer frees. */

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "ring.h"

#include "records.h"

typedef struct {
    uint8_t kind;      /* 1: far */
    uint8_t channel;
    uint16_t unused;
    uint32_t handle;
    uint32_t count;
    uint32_t size;
} command;

static netcode_records *ring;
static netcode_bell bell;
static uint32_t items, most;
static int pipes[2];
static int failed;

static uint32_t size_of(uint32_t number) {
    return (number * 2654435761u >> 16) % (most + 1);
}

static void fill(uint8_t *place, uint32_t number, uint32_t size) {
    memset(place, (int)(number * 2246822519u >> 24), size);
}

static void show(void) {
    if (records_show(ring) && bell_tell(&bell) && write(pipes[1], "!", 1) != 1)
        failed = 2;
}

static void *produce(void *unused) {
    uint32_t number;
    for (number = 0; number < items; number++) {
        uint32_t size = size_of(number);
        int far = number % 7 == 3;
        uint32_t more = far ? (uint32_t)sizeof(void *) : size;
        command *m;
        while ((m = (command *)records_reserve(ring, (uint32_t)sizeof(command) + more + 16)) == NULL) {
            show();
            sched_yield();
        }
        memset(m, 0, sizeof(command));
        m->kind = (uint8_t)far;
        m->handle = number;
        m->size = size;
        if (far) {
            uint8_t *copy = (uint8_t *)malloc(size ? size : 1);
            fill(copy, number, size);
            memcpy(m + 1, &copy, sizeof copy);
        } else {
            fill((uint8_t *)(m + 1), number, size);
        }
        records_commit(ring, (uint32_t)sizeof(command) + more); /* less than was reserved */
        if (number % 13 == 0)
            show();
    }
    show();
    return unused;
}

static void check(const command *m, uint32_t length, uint32_t number, uint8_t *expected) {
    uint32_t size = size_of(number);
    const uint8_t *data = (const uint8_t *)(m + 1);
    uint8_t *far = NULL;
    fill(expected, number, size);
    if (m->kind) {
        memcpy(&far, m + 1, sizeof far);
        data = far;
    }
    if (m->handle != number || m->size != size || memcmp(data, expected, size) != 0
        || length != sizeof(command) + (m->kind ? sizeof(void *) : size)) {
        fprintf(stderr, "record %u is not what was pushed\n", number);
        failed = 1;
    }
    free(far);
}

static void *consume(void *expected) {
    uint32_t number = 0, size, seen;
    while (number < items) {
        uint8_t *place;
        uint32_t cursor = ring->at;
        char some[64];
        seen = bell_news(&bell);
        while (number < items && (place = records_peek(ring, &size)) != NULL) {
            uint32_t other;
            cursor = ring->at;
            if (records_ahead(ring, &cursor, &other) != place || other != size)
                failed = 3;
            check((command *)place, size, number++, (uint8_t *)expected);
            memset(place, 0xEE, size);
            records_step(ring, size);
            if (number % 5 == 0)
                records_give(ring);
        }
        records_give(ring);
        if (number < items && bell_listen(&bell, seen)) {
            struct pollfd all;
            all.fd = pipes[0];
            all.events = POLLIN;
            /* A bell that came too late for one sleep ends the next: that is no news, and no loss. */
            if (poll(&all, 1, 20000) != 1) {
                fprintf(stderr, "slept through the news after record %u\n", number);
                failed = 4;
                number = items;
            } else if (read(pipes[0], some, sizeof some) < 1) {
                failed = 5;
            }
            bell_awake(&bell);
        }
    }
    return NULL;
}

int main(int argc, char **argv) {
    pthread_t producer, consumer;
    uint8_t *expected;
    if (argc != 3 || pipe(pipes) != 0)
        return 2;
    items = (uint32_t)strtoul(argv[1], NULL, 10);
    ring = records_new((uint32_t)strtoul(argv[2], NULL, 10));
    if (ring == NULL)
        return 3;
    most = records_most(ring) - (uint32_t)sizeof(command) - 16;
    expected = (uint8_t *)malloc(most + 1);
    /* The counters wrap on the way. */
    ring->head = ring->told = ring->shown = ring->tail = ring->tail_seen = ring->at
        = ring->shown_seen = 0u - (ring->mask + 1) * 2;
    if (pthread_create(&producer, NULL, produce, NULL) != 0
        || pthread_create(&consumer, NULL, consume, expected) != 0)
        return 4;
    pthread_join(producer, NULL);
    pthread_join(consumer, NULL);
    free(expected);
    records_free(ring);
    return failed;
}
