"""What the coder knows of a table: groups of lanes by kind, and where their contexts lie."""

cimport cython
from libc.stdint cimport uint32_t

from netcode.delta.contexts cimport NODES, RESIDUAL_CONTEXTS, TREE_BITS
from netcode.errors import ConfigError

__all__ = ["KINDS", "Shape"]

KINDS = {
    "vector": KIND_VECTOR,
    "quaternion": KIND_QUATERNION,
    "angle": KIND_ANGLE,
    "enum": KIND_ENUM,
    "flags": KIND_FLAGS,
    "id": KIND_ID,
    "int": KIND_INT,
}

SELDOM = ("enum", "flags", "id")
"""Kinds whose values stay for long: groups of these come last, and share a flag of their own."""

LANE_KINDS = {
    "bool": "flags",
    "present": "flags",
    "flags": "flags",
    "enum": "enum",
    "angle": "angle",
    "quantized": "vector",
}


def group_lanes(lanes):
    """Groups of a schema's lanes, in order: (kind, lanes, largest codes)."""
    groups = []
    at = 0
    while at < len(lanes):
        lane = lanes[at]
        n = 1
        kind = LANE_KINDS.get(lane.kind, "int")
        if lane.kind == "largest":
            kind = "quaternion"
            n = 4
        elif kind == "vector" and (lane.name == "x" or lane.name.endswith(".x")):
            while n < 3 and at + n < len(lanes) and lanes[at + n].kind == "quantized" and (
                lanes[at + n].name == lane.name[:-1] + "xyz"[n]
            ):
                n += 1
        tops = [item.max for item in lanes[at : at + n]]
        if kind in ("angle", "flags") and tops[0] & (tops[0] + 1):
            kind = "int"
        # a lane of one code says nothing, whatever its neighbours in the group do
        told = [k for k in range(n) if tops[k]]
        if told:
            groups.append((kind, tuple(at + k for k in told), tuple(tops[k] for k in told)))
        at += n
    return groups


cdef enum:
    ENTITY_CONTEXTS = 1024
    FLAG_CONTEXTS = 1024


@cython.final
@cython.auto_pickle(False)
cdef class Shape:
    """Groups in coding order. Enums, flags and ids at the end share a flag: did any change?

    Args:
        groups: ``(kind, lanes, largest codes)`` each: kind a key of ``KINDS``, lanes and largest
            codes sequences of the same length (vector 1 to 3, quaternion 4, others 1).
        position: index of the vector group that says where the entity is; default none.
        rotation: index of the quaternion group that turns with it; default none.
        heading: index of an angle group that says where an entity moves.
        course: index of the vector group that it moves; it must come after.
    """

    def __cinit__(self, groups, position=-1, rotation=-1, heading=-1, course=-1):
        cdef uint32_t at = ENTITY_CONTEXTS
        cdef lane_group *g
        cdef int i, j
        used = set()
        self.ends = [ENTITY_CONTEXTS]
        self.spec = tuple((kind, tuple(lanes), tuple(tops)) for kind, lanes, tops in groups)
        if not 1 <= len(self.spec) <= SHAPE_GROUPS:
            raise ConfigError(f"{len(self.spec)} groups; a shape has 1 to {SHAPE_GROUPS}")
        self.c.n_groups = len(self.spec)
        self.c.position = position
        self.c.rotation = rotation
        self.c.heading = heading
        self.c.state = -1
        self.c.course = course
        for i, (kind, lanes, tops) in enumerate(self.spec):
            g = &self.groups[i]
            g.kind = KINDS[kind]
            g.rule = FLAG_STEP if g.kind in (KIND_ANGLE, KIND_INT) else FLAG_MOVED
            g.n = len(lanes)
            fits = 1 <= g.n <= 3 if g.kind == KIND_VECTOR else g.n == (
                4 if g.kind == KIND_QUATERNION else 1
            )
            if not fits or len(tops) != g.n:
                raise ConfigError(f"a group of kind {kind} cannot have {g.n} lanes")
            for j in range(g.n):
                g.lane[j] = lanes[j]
                g.top[j] = tops[j]
                g.bits = max(g.bits, int(tops[j]).bit_length())
                self.c.n_lanes = max(self.c.n_lanes, g.lane[j] + 1)
            self.check_group(g, used)
            if g.kind == KIND_ENUM and g.bits <= TREE_BITS and self.c.state < 0 and position < 0:
                self.c.state = i
            if g.kind == KIND_ENUM and g.bits <= TREE_BITS:
                g.rule = FLAG_OLD
            g.flag = at
            at += FLAG_CONTEXTS
            g.value = at
            # whole blocks, see tokens.py
            at += (self.value_contexts(g) + NODES - 1) // NODES * NODES
            self.ends.append(at)
        self.c.bundle = self.c.n_groups
        while self.c.bundle and self.spec[self.c.bundle - 1][0] in SELDOM:
            self.c.bundle -= 1
        if not 0 < self.c.bundle < self.c.n_groups - 1:
            self.c.bundle = -1
        self.c.bundled = at
        if self.c.bundle > 0:
            at += BUNDLE_CONTEXTS
        self.c.contexts = at
        self.check_roles()

    cdef int check_roles(self) except -1:
        """Raise when a role is played by the wrong kind of group."""
        cdef table_shape *c = &self.c
        roles = ((c.position, KIND_VECTOR), (c.rotation, KIND_QUATERNION),
                 (c.heading, KIND_ANGLE), (c.course, KIND_VECTOR))
        for role, kind in roles:
            if not -1 <= role < c.n_groups or (role >= 0 and self.groups[role].kind != kind):
                raise ConfigError(f"group {role} cannot play the role given to it")
        if (c.heading >= 0) != (c.course >= 0) or c.heading > c.course:
            raise ConfigError("a heading needs a course, which comes after it")
        if c.course >= 0 and self.groups[c.course].n < 2:
            raise ConfigError("a course has 2 or 3 lanes")
        if c.rotation >= 0 and (c.position < 0 or c.rotation < c.position):
            raise ConfigError("a rotation needs a position, which comes before it")
        if c.course >= 0 and c.position >= 0:
            raise ConfigError("a shape has a position or a course, not both")
        return 0

    cdef int check_group(self, const lane_group *g, object used) except -1:
        """Raise when lanes or largest codes do not suit the kind."""
        cdef int i
        for i in range(g.n):
            if g.lane[i] in used:
                raise ConfigError(f"lane {g.lane[i]} is in two groups")
            used.add(g.lane[i])
            if not 1 <= g.top[i] <= 0xFFFFFFFF:
                raise ConfigError(f"lane {g.lane[i]} has the largest code {g.top[i]}")
        if g.kind in (KIND_ANGLE, KIND_FLAGS) and g.top[0] & (g.top[0] + 1):
            raise ConfigError("angles and flags have largest codes of all ones")
        if g.kind == KIND_QUATERNION and (
            g.top[0] != 3 or g.top[1] >= 1 << 18 or g.top[1] != g.top[2] or g.top[1] != g.top[3]
        ):
            raise ConfigError("a quaternion has the largest codes 3, n, n, n, n below 2**18")
        return 0

    @classmethod
    def of(cls, schema, source=None):
        """The shape of a schema's table (anything with ``lanes``).

        With ``source``, as of ``Layout``, lanes are looked for where that says: the coder then
        reads an older version out of the newest one's codes, and writes the same bytes.

        Lanes ``name.x``, ``name.y``, ``name.z`` make a vector, and so do the fields ``x``, ``y``,
        ``z``. The first vector is the position when a rotation stands beside it; with an angle
        beside it, it is the course of that angle. Enums, flags and ids come last.
        """
        found = group_lanes(schema.lanes)
        vectors = (group for group in found if group[0] == "vector" and len(group[1]) > 1)
        vector = next(vectors, None)
        rotation = next((group for group in found if group[0] == "quaternion"), None)
        angle = next((group for group in found if group[0] == "angle"), None)
        leading = []
        roles = {}
        if vector is not None and rotation is not None:
            leading = [vector, rotation]
            roles = {"position": 0, "rotation": 1}
        elif vector is not None and angle is not None:
            leading = [angle, vector]
            roles = {"heading": 0, "course": 1}
        elif vector is not None:
            leading = [vector]
            roles = {"position": 0}
        others = [group for group in found if group not in leading]
        found = leading + sorted(others, key=lambda group: group[0] in SELDOM)
        if source is not None:
            found = [(kind, [source[i] for i in lanes], tops) for kind, lanes, tops in found]
        return cls(found, **roles)

    cdef uint32_t value_contexts(self, const lane_group *g) noexcept:
        if g.kind == KIND_ENUM:
            return 1 << (2 * g.bits) if g.bits <= TREE_BITS else 256
        if g.kind == KIND_FLAGS:
            return 32 * 4
        if g.kind == KIND_ID:
            return 4
        if g.kind == KIND_QUATERNION:
            return RESIDUAL_CONTEXTS + 64
        return RESIDUAL_CONTEXTS

    @property
    def roles(self):
        """Groups of position, rotation, heading and course; -1 = none."""
        return self.c.position, self.c.rotation, self.c.heading, self.c.course

    @property
    def bundle(self):
        """Number of the first of the groups at the end that share a flag; -1 = none."""
        return self.c.bundle

    @property
    def contexts(self):
        """How many contexts a model of this shape has."""
        return self.c.contexts
