"""Quantised snapshots, the sections that carry them, and what a client holds.

Rooms, each using only those above it:

    section  format, limits, reasons for refusing
    layout   lanes and fields of a table
    history  the server's ring of snapshots
    held     the client's states, per slot, by tick

The value coder, a section's changes against two baselines, in its own rooms:

    adaptive    probabilities that follow what a section brings
    rangecoder  binary decisions to bytes and back
    integer     logarithms, roots and quaternions that both ends compute alike
    contexts    residuals as decisions
    shape       groups of lanes by kind, and where their contexts lie
    heading     an angle that leads a vector
    gaps        how far many places are from one
    order       coding order and neighbours
    values      the values of one group
    course      the values of a vector that an angle leads
    motion      bodies: what neighbours and their own past predict
    changes     one section, encoded, decoded or counted by the same lines
    tokens      residuals in one step of the range coder
    coder       the class around it
    tables      probabilities for a schema nobody trained
    model       the frozen model and its file
    train       recordings to models

Sections, plain and predicted:

    slotset    which slots, by gaps or as runs
    predicted  slot set and changes in one run of the coder, both ways
    encoder    snapshots to sections
    decoder    sections to held states
"""

from netcode.delta.decoder import Decoder
from netcode.delta.encoder import encode_sections
from netcode.delta.held import Held
from netcode.delta.history import History
from netcode.delta.layout import Layout
from netcode.delta.section import HISTORY_TICKS, REASONS, SECTION_MAX_BYTES

__all__ = [
    "HISTORY_TICKS",
    "REASONS",
    "SECTION_MAX_BYTES",
    "Decoder",
    "Held",
    "History",
    "Layout",
    "encode_sections",
]
