/* W2 and W3 in C, written by hand for the one schema: the native ceiling of what netcode.schema does.
 *
 * The struct is a row of the Entity schema's dtype, and the bytes are exactly those of the schema.
 * What this checks is what the library checks, as a careful C author has to with data from a peer:
 *
 *   encoding   type, hp and every coordinate in range; NaN and infinities refused; a rotation of
 *              any length but 0 is normalised and gets its one canonical code
 *   decoding   end of data, varints (overlong, above 32 bits), codes above their maximum, rotations
 *              whose code is not canonical, padding that is not zero, trailing bytes, the count
 *
 * Flags are C bools: 0 or 1. Errors are told apart no further than yes and no. Little-endian only.
 * Floats that come out are those of the library, bit for bit, though some arithmetic takes a shorter
 * way; tests/test_twin.py holds every code of a coordinate against the library.
 *
 * Plain C, that any compiler takes: no intrinsics. Where data would decide a branch that nothing can
 * predict, there is none.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define TWIN_COLD __attribute__((noinline, cold))
#define TWIN_INLINE static inline __attribute__((always_inline))
#define TWIN_UNLIKELY(x) __builtin_expect(!!(x), 0)
#else
#define TWIN_COLD
#define TWIN_INLINE static inline
#define TWIN_UNLIKELY(x) (x)
#endif

typedef struct {
    uint32_t id;
    uint8_t type;
    float position[3];
    float rotation[4];
    uint8_t moving; /* whether there is a velocity */
    float velocity[3];
    uint16_t hp;
    uint8_t flags[6];
} twin_entity;

enum {
    TWIN_ENTITY_MOST = 22, /* bytes of one encoded entity */
    TWIN_ENTITY_LEAST_BITS = 106,
    TWIN_ENTITY_MOST_BITS = 171,
    TWIN_COUNT_MOST = 5,
    TWIN_SLACK = 8, /* writable bytes behind a writer's buffer */
    MIDDLE = 255    /* the code of 0 in a component of a rotation, which has 9 bits */
};

#define WORLD 1024.0
#define HEIGHT 128.0
#define SPEED 32.0
#define WORLD_STEPS 65534.0
#define HEIGHT_STEPS 16382.0
#define SPEED_STEPS 2046.0

/* ---- bits: the accumulator holds 0 to 7 bits between calls, and each call stores a whole word */

typedef struct {
    uint8_t *at;
    uint64_t word;
    uint32_t used;
} twin_writer;

/* Append up to 56 bits. */
TWIN_INLINE void twin_put(twin_writer *w, uint64_t value, uint32_t bits) {
    uint32_t used = w->used + bits;
    uint64_t word = w->word | value << w->used;
    memcpy(w->at, &word, 8);
    w->at += used >> 3;
    w->word = word >> (used & 56);
    w->used = used & 7;
}

TWIN_INLINE uint64_t twin_load(const uint8_t *data, uint64_t position) {
    uint64_t word;
    memcpy(&word, data + (position >> 3), 8);
    return word >> (position & 7);
}

/* As twin_load, without looking past the last 8 bytes, which begin at ``last``. */
TWIN_INLINE uint64_t twin_load_end(const uint8_t *data, uint64_t position, uint64_t last) {
    uint64_t word, at = position >> 3;
    at = at < last ? at : last;
    memcpy(&word, data + at, 8);
    return word >> ((position - 8 * at) & 63);
}

/* ---- rotations: see netcode/schema/rotation.pxd for the rule */

/* The three codes and the index of the one left out when the choice is close; -1: no rotation. */
static TWIN_COLD int64_t twin_settle(int largest, int a, int b, int c) {
    int part[4], left = 2 * MIDDLE * MIDDLE - a * a - b * b - c * c;
    int root, i, chosen = 0, best = 0, sign;
    int64_t code;
    if (left < 0) return -1;
    root = (int)sqrt((double)left);
    while (root * root > left) root--;
    while ((root + 1) * (root + 1) <= left) root++;
    if (left > root * root + root) root++;
    part[0] = largest == 0 ? root : a;
    part[1] = largest == 1 ? root : largest == 0 ? a : b;
    part[2] = largest == 2 ? root : largest < 2 ? b : c;
    part[3] = largest == 3 ? root : c;
    for (i = 0; i < 4; i++) {
        int size = part[i] < 0 ? -part[i] : part[i];
        if (size > best) {
            best = size;
            chosen = i;
        }
    }
    sign = chosen != largest && part[chosen] < 0 ? -1 : 1;
    code = chosen;
    code |= (int64_t)(sign * part[chosen == 0 ? 1 : 0] + MIDDLE) << 2;
    code |= (int64_t)(sign * part[chosen <= 1 ? 2 : 1] + MIDDLE) << 11;
    code |= (int64_t)(sign * part[chosen <= 2 ? 3 : 2] + MIDDLE) << 20;
    return code;
}

/* The scale of a rotation whose squared length is not 1; 0 when it has none. Components change. */
static TWIN_COLD double twin_scale(double *q, double total) {
    double biggest = 0.0, scale = MIDDLE * 1.4142135623730951;
    int i;
    if (total > 1e-200 && total < 1e200) return scale / sqrt(total);
    for (i = 0; i < 4; i++) {
        if (!(fabs(q[i]) < INFINITY)) return 0.0;
        biggest = fmax(biggest, fabs(q[i]));
    }
    if (biggest == 0.0) return 0.0;
    for (i = 0; i < 4; i++) q[i] /= biggest;
    return scale / sqrt((q[0] * q[0] + q[1] * q[1]) + (q[2] * q[2] + q[3] * q[3]));
}

TWIN_INLINE int twin_max(int a, int b) { return a > b ? a : b; }
TWIN_INLINE int twin_min(int a, int b) { return a < b ? a : b; }

/* 29 bits, or -1. */
TWIN_INLINE int64_t twin_rotation(const float *rotation) {
    double q[4], scale = MIDDLE * 1.4142135623730951, total;
    int32_t r[4], key[4], i, top, second, largest, shift;
    uint64_t lanes, low, turn;
    for (i = 0; i < 4; i++) q[i] = rotation[i];
    total = (q[0] * q[0] + q[1] * q[1]) + (q[2] * q[2] + q[3] * q[3]);
    if (TWIN_UNLIKELY(!(fabs(total - 1.0) <= 1e-7))) {
        scale = twin_scale(q, total);
        if (scale == 0.0) return -1;
    }
    /* Each is 510 more than its component, so positive. */
    for (i = 0; i < 4; i++) r[i] = (int32_t)(q[i] * scale + (2 * MIDDLE + 0.5));
    /* The size, and the first of equals. */
    for (i = 0; i < 4; i++) {
        int part = r[i] - 2 * MIDDLE;
        key[i] = (part < 0 ? -part : part) * 4 + (3 - i);
    }
    top = twin_max(key[0], key[1]);
    second = twin_min(key[0], key[1]);
    i = twin_max(key[2], key[3]);
    second = twin_max(second, twin_min(key[2], key[3]));
    second = twin_max(second, twin_min(top, i));
    top = twin_max(top, i);
    largest = 3 - (top & 3);
    /* Lanes of 16 bits: take one out, turn the signs if that one was negative, close the gaps. */
    lanes = (uint64_t)r[0] | (uint64_t)r[1] << 16 | (uint64_t)r[2] << 32 | (uint64_t)r[3] << 48;
    shift = 16 * largest;
    low = ((uint64_t)1 << shift) - 1;
    turn = (uint64_t)(((int64_t)(lanes >> shift & 0xFFFF) - 2 * MIDDLE) >> 63);
    lanes = (lanes & low) | (lanes >> 16 & ~low & 0xFFFFFFFFFFFFull);
    /* r - 255, or 765 - r, without a branch: nothing could predict it. */
    lanes = (lanes ^ turn) - turn - 0x00FF00FF00FFull + (turn & 0x03FC03FC03FCull);
    lanes = (lanes & 0x1FF) | (lanes >> 7 & 0x1FF << 9) | (lanes >> 14 & 0x1FF << 18);
    if (TWIN_UNLIKELY((top >> 2) <= (second >> 2) + 3)) {
        int a = (int)(lanes & 0x1FF) - MIDDLE, b = (int)(lanes >> 9 & 0x1FF) - MIDDLE;
        int c = (int)(lanes >> 18) - MIDDLE;
        int best = twin_max(a < 0 ? -a : a, twin_max(b < 0 ? -b : b, c < 0 ? -c : c));
        if (2 * MIDDLE * MIDDLE - a * a - b * b - c * c <= best * best + best) {
            return twin_settle(largest, a, b, c);
        }
    }
    return (int64_t)(lanes << 2 | (uint64_t)largest);
}

/* 0, or 1 when no rotation has this code. */
TWIN_INLINE int twin_from_rotation(uint64_t code, float *out) {
    const double scale = 0.7071067811865476 / MIDDLE;
    int largest = (int)(code & 3);
    int a = (int)(code >> 2 & 0x1FF) - MIDDLE, b = (int)(code >> 11 & 0x1FF) - MIDDLE;
    int c = (int)(code >> 20 & 0x1FF) - MIDDLE;
    int best = twin_max(a < 0 ? -a : a, twin_max(b < 0 ? -b : b, c < 0 ? -c : c));
    int bad = (a > MIDDLE) | (b > MIDDLE) | (c > MIDDLE);
    double x = a * scale, y = b * scale, z = c * scale;
    if (TWIN_UNLIKELY(2 * MIDDLE * MIDDLE - a * a - b * b - c * c <= best * best + best)) {
        if (bad || twin_settle(largest, a, b, c) != (int64_t)code) return 1;
    }
    out[1 >> largest & 1] = (float)x;
    out[1 + (3 >> largest & 1)] = (float)y;
    out[2 + (7 >> largest & 1)] = (float)z;
    out[largest] = (float)sqrt(1.0 - ((x * x + y * y) + z * z));
    return bad;
}

/* ---- one entity */

/* Code of a coordinate between -end and end; both are float32, so the test is exact. */
#define TWIN_CODE(value, end, steps) \
    ((uint64_t)(uint32_t)(int32_t)(((double)(value) + (end)) * (1.0 / (2 * (end) / (steps))) + 0.5))
#define TWIN_INSIDE(value, end) (fabsf(value) <= (float)(end))
#define TWIN_VALUE(code, end, steps) \
    ((float)((double)((int32_t)(code) - (int32_t)((steps) / 2)) * (2 * (end) / (steps))))

TWIN_INLINE void twin_put_id(twin_writer *w, uint32_t id) {
    uint64_t groups = id;
    uint32_t bits = 8;
    if (id >= 0x80) {
        groups = (id & 0x7F) | 0x80 | (uint64_t)(id >> 7 & 0x7F) << 8;
        bits = 16;
        for (id >>= 14; TWIN_UNLIKELY(id); id >>= 7) {
            groups |= (uint64_t)1 << (bits - 1) | (uint64_t)(id & 0x7F) << bits;
            bits += 8;
        }
    }
    twin_put(w, groups, bits);
}

/* 0, or 1 when the schema refuses it. */
TWIN_INLINE int twin_put_entity(twin_writer *w, const twin_entity *e) {
    uint64_t tail, word;
    int64_t rotation = twin_rotation(e->rotation);
    const float *p = e->position, *v = e->velocity;
    int good = TWIN_INSIDE(p[0], WORLD) & TWIN_INSIDE(p[1], WORLD) & TWIN_INSIDE(p[2], HEIGHT);
    good &= (e->type < 64) & (e->hp <= 1000) & (rotation >= 0);
    if (TWIN_UNLIKELY(!good)) return 1;
    memcpy(&tail, &e->hp, 8);
    tail = (tail & 0x3FF) | (tail >> 16) * 0x0102040810204080ull >> 56 << 10;
    twin_put_id(w, e->id);
    word = e->type;
    word |= TWIN_CODE(p[0], WORLD, WORLD_STEPS) << 6;
    word |= TWIN_CODE(p[1], WORLD, WORLD_STEPS) << 22;
    word |= TWIN_CODE(p[2], HEIGHT, HEIGHT_STEPS) << 38;
    twin_put(w, word, 52);
    if (!e->moving) {
        twin_put(w, (uint64_t)rotation | tail << 30, 46);
        return 0;
    }
    good = TWIN_INSIDE(v[0], SPEED) & TWIN_INSIDE(v[1], SPEED) & TWIN_INSIDE(v[2], SPEED);
    if (TWIN_UNLIKELY(!good)) return 1;
    twin_put(w, (uint64_t)rotation | (uint64_t)1 << 29, 30);
    word = TWIN_CODE(v[0], SPEED, SPEED_STEPS);
    word |= TWIN_CODE(v[1], SPEED, SPEED_STEPS) << 11;
    word |= TWIN_CODE(v[2], SPEED, SPEED_STEPS) << 22;
    twin_put(w, word | tail << 33, 49);
    return 0;
}

/* The rest of an id of three to five groups; 0 bits when it is none. */
static TWIN_COLD uint32_t twin_long_id(uint64_t word, uint32_t *id) {
    uint64_t value = 0;
    uint32_t bits = 0;
    for (;;) {
        uint64_t group = word >> bits & 0xFF;
        value |= (group & 0x7F) << (bits / 8 * 7);
        bits += 8;
        if (group < 0x80) {
            if (group == 0 || value >> 32) return 0;
            *id = (uint32_t)value;
            return bits;
        }
        if (bits == 40) return 0;
    }
}

/* The position behind the entity, or 0 when it is refused. ``end``: heed ``last``. Reads zeros or
 * old bits behind the end, so the caller compares the position with it. */
TWIN_INLINE uint64_t twin_take_entity(
    const uint8_t *data, uint64_t at, uint64_t last, int end, twin_entity *e
) {
    uint64_t word = end ? twin_load_end(data, at, last) : twin_load(data, at);
    uint64_t tail, x, y, z;
    uint32_t id = word & 0x7F;
    int bad;
    if (word & 0x80) {
        if (!(word & 0x8000)) {
            id |= (uint32_t)(word >> 8 & 0x7F) << 7;
            if (TWIN_UNLIKELY(id < 0x80)) return 0;
            at += 16;
        } else {
            uint32_t bits = twin_long_id(word, &id);
            if (bits == 0) return 0;
            at += bits;
        }
    } else at += 8;
    e->id = id;
    word = end ? twin_load_end(data, at, last) : twin_load(data, at);
    at += 52;
    e->type = word & 63;
    x = word >> 6 & 0xFFFF;
    y = word >> 22 & 0xFFFF;
    z = word >> 38 & 0x3FFF;
    bad = (x > WORLD_STEPS) | (y > WORLD_STEPS) | (z > HEIGHT_STEPS);
    e->position[0] = TWIN_VALUE(x, WORLD, WORLD_STEPS);
    e->position[1] = TWIN_VALUE(y, WORLD, WORLD_STEPS);
    e->position[2] = TWIN_VALUE(z, HEIGHT, HEIGHT_STEPS);
    word = end ? twin_load_end(data, at, last) : twin_load(data, at);
    bad |= twin_from_rotation(word & 0x1FFFFFFF, e->rotation);
    if (word & 0x20000000) {
        word = end ? twin_load_end(data, at + 30, last) : twin_load(data, at + 30);
        at += 79;
        x = word & 0x7FF;
        y = word >> 11 & 0x7FF;
        z = word >> 22 & 0x7FF;
        tail = word >> 33;
        bad |= (x > SPEED_STEPS) | (y > SPEED_STEPS) | (z > SPEED_STEPS);
        e->moving = 1;
        e->velocity[0] = TWIN_VALUE(x, SPEED, SPEED_STEPS);
        e->velocity[1] = TWIN_VALUE(y, SPEED, SPEED_STEPS);
        e->velocity[2] = TWIN_VALUE(z, SPEED, SPEED_STEPS);
    } else {
        at += 46;
        tail = word >> 30;
        e->moving = 0;
        memset(e->velocity, 0, sizeof e->velocity);
    }
    bad |= (tail & 0x3FF) > 1000;
    /* hp and the flags, one byte each, are one word. */
    tail = (tail & 0x3FF) | ((tail >> 10 & 0x3F) * 0x810204081ull & 0x010101010101ull) << 16;
    memcpy(&e->hp, &tail, 8);
    return bad ? 0 : at;
}

/* 1 when the last byte has only zeros behind the data, which ends in it. */
TWIN_INLINE int twin_finished(const uint8_t *data, size_t size, uint64_t at) {
    return (at + 7) >> 3 == size && (at & 7 ? data[size - 1] >> (at & 7) == 0 : 1);
}

/* ---- W2: a message of one entity; sizes in bytes, 0 for what is refused */

TWIN_INLINE size_t twin_encode(const twin_entity *e, uint8_t *out) {
    twin_writer w = {out, 0, 0};
    if (twin_put_entity(&w, e)) return 0;
    w.at[0] = (uint8_t)w.word;
    return (size_t)(w.at - out) + (w.used != 0);
}

TWIN_INLINE int twin_decode(const uint8_t *data, size_t size, twin_entity *e) {
    uint64_t at;
    if (size < 8) return 0;
    at = twin_take_entity(data, 0, size - 8, 1, e);
    return at != 0 && at <= (uint64_t)size * 8 && twin_finished(data, size, at);
}

/* ---- W3: a count, and the entities bit behind bit */

static size_t twin_encode_many(const twin_entity *e, uint32_t count, uint8_t *out) {
    twin_writer w = {out, 0, 0};
    uint32_t i, left = count;
    for (; left >= 0x80; left >>= 7) *w.at++ = (uint8_t)(left | 0x80);
    *w.at++ = (uint8_t)left;
    for (i = 0; i < count; i++) {
        if (TWIN_UNLIKELY(twin_put_entity(&w, e + i))) return 0;
    }
    w.at[0] = (uint8_t)w.word;
    return (size_t)(w.at - out) + (w.used != 0);
}

/* The count, at most ``most``; -1 for what is refused. */
static int64_t twin_decode_many(const uint8_t *data, size_t size, twin_entity *e, uint32_t most) {
    uint64_t at = 0, end = (uint64_t)size * 8, last = size - 8;
    uint32_t i = 0, shift = 0;
    uint64_t count = 0;
    for (;; shift += 7) {
        uint8_t group;
        if (i == size || shift == 35) return -1;
        group = data[i++];
        count |= (uint64_t)(group & 0x7F) << shift;
        if (group < 0x80) {
            if (group == 0 && shift) return -1;
            break;
        }
    }
    at = (uint64_t)i * 8;
    if (count > most || count * TWIN_ENTITY_LEAST_BITS > end - at) return -1;
    i = 0;
    while (i < count && end - at >= TWIN_ENTITY_MOST_BITS + 64) {
        at = twin_take_entity(data, at, 0, 0, e + i);
        if (TWIN_UNLIKELY(at == 0)) return -1;
        i++;
    }
    for (; i < count; i++) {
        at = twin_take_entity(data, at, last, 1, e + i);
        if (at == 0 || at > end) return -1;
    }
    return twin_finished(data, size, at) ? (int64_t)count : -1;
}
