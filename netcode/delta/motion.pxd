"""Bodies: entities of a section that move, in coding order, with what predicts them."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from netcode.delta.integer cimport quaternion
from netcode.delta.order cimport NEIGHBOURS, chunk, grid, nearest
from netcode.delta.shape cimport lane_group


cdef enum:
    HOLD = 0
    LINEAR = 1
    NEAR = 2               # as the nearest, the second ... coded body moved
    EXPERTS = 8
    ERROR_MAX = 1 << 20    # sixteenths


cdef struct body:
    # what those read that it is near to
    int64_t before[3]                  # position codes in B, A, T, sixteenths
    int64_t now[3]
    int64_t then[3]
    quaternion turn_now                # B to A
    quaternion turn_then               # A to T
    int32_t error[2]                   # of HOLD and LINEAR, predicting T
    int32_t q_error[2]
    int32_t mix_error                  # what that of the mix was
    int32_t q_mix_error
    int32_t mix_log                    # eighths of an octave of it
    int32_t q_mix_log
    int32_t place[3]                   # in A, whole codes, shifted
    bint changed                       # coded, and differs from A
    int near_n
    # its own
    bint turned                        # has a quaternion that moved in (B, A)
    uint32_t slot
    uint32_t index                     # in the section
    int32_t near[NEIGHBOURS]           # bodies before this one, nearest in A first
    int32_t far[NEIGHBOURS]            # distances beside the reach, 1/256
    quaternion q_before                # of the two signs that nearer to q_now
    quaternion q_now
    quaternion q_then                  # the same


cdef struct trial:                     # of the body that is being coded
    int64_t guess[EXPERTS][3]          # sixteenths of codes
    quaternion q_guess[EXPERTS]
    int64_t dry[EXPERTS]               # error of predicting A from B; none for LINEAR
    int64_t q_dry[EXPERTS]
    int64_t mix[3]
    quaternion q_mix
    bint mixed                         # q_mix is known
    int64_t expected                   # error of the mix
    int64_t q_expected
    int64_t spread                     # of the experts about the mix
    int64_t q_spread


cdef struct motion:
    body *bodies
    trial now
    int n
    int num                            # ticks T - A and A - B
    int den
    int place_shift                    # of places, down to PLACE_BITS
    chunk chunk
    grid grid
    bint history                       # there is a B
    int64_t reach                      # distance at which a neighbour counts half
    int64_t near_unit                  # 2**30 / reach
    int64_t ahead                      # num / den, 1/65536
    int64_t error_sum                  # of mixes so far
    int64_t q_error_sum
    int64_t q_per_error                # their quotient, 1/4096
    int64_t q_top                      # largest quaternion code, 0 = no quaternion
    int64_t q_unit                     # sixteenths of a code, of a sum of differences: 1/2**30


cdef void motion_open(motion *m, int bits) noexcept nogil
cdef void body_place(
    motion *m, body *x, const lane_group *p, const lane_group *q,
    const int32_t *a, const int32_t *b, uint32_t capacity
) noexcept nogil
cdef void set_near(motion *m, int i, const nearest *near, int first) noexcept nogil
cdef void set_reach(motion *m, int64_t sum_inverse, int64_t n) noexcept nogil
cdef void consult(motion *m, int i) noexcept nogil
cdef void blend_position(motion *m, int i) noexcept nogil
cdef void blend_rotation(motion *m, int i) noexcept nogil
cdef void judge(motion *m, int i) noexcept nogil
cdef void find_near(motion *m, int i) noexcept nogil
