"""Probabilities that follow what a section brings, and start from the model's in each.

Every context is an average over the model's probability, which counts as so many decisions, and
the decisions of this section so far (the estimator of Krichevsky and Trofimov, with a prior).
Cells are marked with the section that they are of, so that none has to be cleared.
"""

from libc.stdint cimport int32_t, uint16_t, uint32_t
from libc.string cimport memset


cdef enum:
    ADAPTIVE_LEAST = 16        # as LEAST and MOST of tables.py
    ADAPTIVE_MOST = 65520
    ADAPTIVE_LONGEST = 256     # decisions that count at most, the model's among them


cdef struct adaptive_cell:
    uint32_t section
    uint16_t p                 # probability of a 0, in 1/65536
    uint16_t seen


cdef struct adaptive_tables:
    adaptive_cell *cells       # one for each context; NULL: the tables are frozen
    uint32_t contexts
    uint32_t section           # number of the present one, from 1
    uint16_t worth             # decisions that the model's probability counts as


cdef inline void adaptive_open(adaptive_tables *t) noexcept nogil:
    """Begin a section."""
    t.section += 1
    if t.section == 0 and t.cells != NULL:
        memset(t.cells, 0, t.contexts * sizeof(adaptive_cell))
        t.section = 1


cdef inline adaptive_cell *adaptive_at(
    adaptive_tables *t, uint32_t context, uint16_t p
) noexcept nogil:
    """The cell of a context, whose probability is ``p`` when the section begins."""
    cdef adaptive_cell *cell = &t.cells[context]
    if cell.section != t.section:
        cell.section = t.section
        cell.p = p
        cell.seen = t.worth
    return cell


cdef inline void adaptive_learn(adaptive_cell *cell, int bit) noexcept nogil:
    """One more decision."""
    cdef int32_t p = cell.p
    if cell.seen < ADAPTIVE_LONGEST:
        cell.seen += 1
    p += ((0 if bit else 65536) - p) // <int32_t>cell.seen
    cell.p = <uint16_t>(
        ADAPTIVE_LEAST if p < ADAPTIVE_LEAST else ADAPTIVE_MOST if p > ADAPTIVE_MOST else p
    )
