"""What the coder knows of a table: groups of lanes by kind, and where their contexts lie."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t


cdef enum group_kind:
    KIND_VECTOR = 0        # 1 to 3 lanes, a position or another quantity that moves
    KIND_QUATERNION = 1    # 4 lanes: largest, a, b, c
    KIND_ANGLE = 2         # modulo top + 1
    KIND_ENUM = 3
    KIND_FLAGS = 4         # bits that change one by one
    KIND_ID = 5            # any value is as near as any other
    KIND_INT = 6

cdef enum flag_rule:       # what the flag of a group depends on, in shapes without a position
    FLAG_MOVED = 0
    FLAG_OLD = 1           # the old value
    FLAG_STEP = 2          # the last change and the state

cdef enum:
    SHAPE_GROUPS = 64      # further groups would not fit the masks
    SHAPE_LANES = 4
    BUNDLE_CONTEXTS = 3 * 8 * 64


cdef struct lane_group:
    int kind
    int rule               # a flag_rule
    int n                  # lanes
    int bits               # of the widest lane
    uint32_t lane[SHAPE_LANES]
    int64_t top[SHAPE_LANES]
    uint32_t flag          # first context of its changed flag
    uint32_t value         # first context of its values


cdef struct table_shape:
    int n_groups
    int n_lanes
    int position           # group of the body's position, or -1
    int rotation           # group of its quaternion, or -1
    int heading            # group of an angle that says where an entity moves, or -1
    int course             # vector group that it moves, or -1
    int state              # first small enum of a shape without position, or -1
    int bundle             # from this group on all are of kinds that seldom change, or -1
    uint32_t bundled       # first context of whether any of these changed
    uint32_t contexts      # of all


cdef class Shape:
    cdef table_shape c
    cdef lane_group groups[SHAPE_GROUPS]
    cdef readonly tuple spec
    cdef readonly list ends
    cdef uint32_t value_contexts(self, const lane_group *g) noexcept
    cdef int check_roles(self) except -1
    cdef int check_group(self, const lane_group *g, object used) except -1
