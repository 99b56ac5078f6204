"""A client that goes on from another address: a handshake beside the connection that is silent.

The connection stays as it is, under its old keys and from its old address, until the server has
accepted the new one: if it is heard again before, it goes on there. So there are two ways in and
two ways out, and no packet is tried under two keys.
"""

from libc.stdint cimport uint8_t, uint32_t

from netcode.security.address cimport net_address
from netcode.session.batch cimport datagrams
from netcode.session.client_core cimport client_core


# Keep a resume token (RESUME_TOKEN_BYTES), in the place of the oldest; 0, or -1 out of memory.
cdef int roaming_keep(client_core *k, const uint8_t *token) noexcept nogil

# Forget and wipe all tokens.
cdef void roaming_free(client_core *k) noexcept nogil

# Begin an attempt, ``wanted`` though the old address may be heard yet; False when there is no
# connection or no token.
cdef bint roaming_begin(client_core *k, bint wanted) noexcept nogil

# Begin, give up or try again, as the time says.
cdef void roaming_update(client_core *k) noexcept nogil

# One datagram at the new address, whatever its bytes are.
cdef void roaming_receive(client_core *k, const net_address *source, const uint8_t *data,
                          uint32_t size) noexcept nogil

# Put what is due from the new address into its batch.
cdef void roaming_send(client_core *k) noexcept nogil

# When roaming_update or roaming_send next has something to do; infinity: never.
cdef double roaming_deadline(const client_core *k) noexcept nogil
