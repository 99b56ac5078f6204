"""Gaps between one place and many, with AVX2 where the processor has it: the same numbers."""

from libc.stdint cimport int32_t


cdef extern from *:
    """
    /* One source, compiled twice: only how many numbers an instruction takes differs. */
    #define NC_GAP_LOOPS(name, attribute) \\
    attribute static void nc_keys_##name(const int32_t *xs, const int32_t *ys, const int32_t *zs, \\
            int n, int32_t x, int32_t y, int32_t z, int32_t *keys) { \\
        for (int i = 0; i < n; i++) \\
            keys[i] = nc_gap(xs[i] - x, ys[i] - y, zs[i] - z) << 8 | i; \\
    } \\
    attribute static int32_t nc_least_##name(const int32_t *xs, const int32_t *ys, \\
            const int32_t *zs, int from, int n, int32_t x, int32_t y, int32_t z, int32_t *best) { \\
        int32_t least = 0x7FFFFFFF; \\
        for (int i = from; i < n; i++) { \\
            int32_t gap = nc_gap(xs[i] - x, ys[i] - y, zs[i] - z), key; \\
            gap = gap < best[i] ? gap : best[i]; \\
            best[i] = gap; \\
            key = gap << 8 | i; \\
            least = key < least ? key : least; \\
        } \\
        return least; \\
    }

    #if defined(_MSC_VER)
    #define NC_INLINE static __forceinline
    #else
    #define NC_INLINE static inline __attribute__((always_inline))
    #endif

    NC_INLINE int32_t nc_gap(int32_t x, int32_t y, int32_t z) {
        int32_t most;
        x = x < 0 ? -x : x;
        y = y < 0 ? -y : y;
        z = z < 0 ? -z : z;
        most = x > y ? x : y;
        most = most > z ? most : z;
        return (5 * most + 3 * (x + y + z)) >> 3;
    }

    NC_GAP_LOOPS(base, )
    static int nc_wide = 0;
    #if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
    NC_GAP_LOOPS(wide, __attribute__((target("avx2"))))
    #else
    #define nc_keys_wide nc_keys_base
    #define nc_least_wide nc_least_base
    #endif
    #define nc_keys (nc_wide ? nc_keys_wide : nc_keys_base)
    #define nc_least (nc_wide ? nc_least_wide : nc_least_base)
    """
    int wide "nc_wide"     # of this module: may the wide loops run?

    int32_t gap_of "nc_gap"(int32_t x, int32_t y, int32_t z) noexcept nogil
    # Length of a difference, within 8 %: the longest component and 3/8 of the others.

    void gap_keys "nc_keys"(
        const int32_t *xs, const int32_t *ys, const int32_t *zs, int n,
        int32_t x, int32_t y, int32_t z, int32_t *keys
    ) noexcept nogil
    # gap << 8 | index for each of n places.

    int32_t gap_least "nc_least"(
        const int32_t *xs, const int32_t *ys, const int32_t *zs, int start, int n,
        int32_t x, int32_t y, int32_t z, int32_t *best
    ) noexcept nogil
    # Lower each best[start .. n] to the gap to here; the least gap << 8 | index.
