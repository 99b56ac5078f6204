"""Authenticated encryption: the libsodium inside PyNaCl, reached through function pointers.

Importing the module checks the pointers' C types and runs published test vectors through them;
a process in which that fails cannot import netcode.security. There is no fall-back.
"""

from libc.stdint cimport uint8_t, uint64_t

from netcode.security.protocol cimport TAG_BYTES

ctypedef int (*seal_function)(
    unsigned char *, unsigned long long *, const unsigned char *, unsigned long long,
    const unsigned char *, unsigned long long, const unsigned char *, const unsigned char *,
    const unsigned char *) noexcept nogil
ctypedef int (*open_function)(
    unsigned char *, unsigned long long *, unsigned char *, const unsigned char *,
    unsigned long long, const unsigned char *, unsigned long long, const unsigned char *,
    const unsigned char *) noexcept nogil
ctypedef int (*compare_function)(const void *, const void *, size_t) noexcept nogil
ctypedef void (*wipe_function)(void *, size_t) noexcept nogil
ctypedef int (*hash_function)(
    unsigned char *, const unsigned char *, unsigned long long,
    const unsigned char *) noexcept nogil


cdef struct crypto_functions:
    seal_function seal       # ChaCha20-Poly1305-IETF
    open_function open
    seal_function xseal      # XChaCha20-Poly1305-IETF
    open_function xopen
    compare_function compare
    wipe_function wipe
    hash_function siphash    # SipHash-2-4, 64 bits


cdef crypto_functions crypto  # filled and tested when the module is imported


cdef inline int aead_seal(uint8_t *out, const uint8_t *message, uint64_t size, const uint8_t *ad,
                          uint64_t ad_size, const uint8_t *nonce,
                          const uint8_t *key) noexcept nogil:
    """Write ``size + TAG_BYTES`` bytes; 0, or -1. 12-byte nonce; ``out == message`` is allowed."""
    return crypto.seal(out, NULL, message, size, ad, ad_size, NULL, nonce, key)


cdef inline int aead_open(uint8_t *out, const uint8_t *sealed, uint64_t size, const uint8_t *ad,
                          uint64_t ad_size, const uint8_t *nonce,
                          const uint8_t *key) noexcept nogil:
    """Write ``size - TAG_BYTES`` bytes; 0, or -1 when not authentic, and then ``out`` is zeros.

    12-byte nonce; ``out == sealed`` is allowed, but a refusal then destroys the input.
    """
    if size < TAG_BYTES:
        return -1
    return crypto.open(out, NULL, NULL, sealed, size, ad, ad_size, nonce, key)


cdef inline int xaead_seal(uint8_t *out, const uint8_t *message, uint64_t size, const uint8_t *ad,
                           uint64_t ad_size, const uint8_t *nonce,
                           const uint8_t *key) noexcept nogil:
    """``aead_seal`` with a 24-byte nonce."""
    return crypto.xseal(out, NULL, message, size, ad, ad_size, NULL, nonce, key)


cdef inline int xaead_open(uint8_t *out, const uint8_t *sealed, uint64_t size, const uint8_t *ad,
                           uint64_t ad_size, const uint8_t *nonce,
                           const uint8_t *key) noexcept nogil:
    """``aead_open`` with a 24-byte nonce."""
    if size < TAG_BYTES:
        return -1
    return crypto.xopen(out, NULL, NULL, sealed, size, ad, ad_size, nonce, key)


cdef inline bint same_bytes(const uint8_t *a, const uint8_t *b, size_t size) noexcept nogil:
    """Whether both are equal, in a time that depends on ``size`` alone."""
    return crypto.compare(a, b, size) == 0


cdef inline void wipe(void *data, size_t size) noexcept nogil:
    """Overwrite a secret with zeros; the compiler cannot leave it out."""
    crypto.wipe(data, size)


cdef inline uint64_t keyed_hash(const uint8_t *data, size_t size,
                                const uint8_t *key) noexcept nogil:
    """SipHash-2-4 under a 16-byte key: no peer who lacks the key can choose collisions."""
    cdef uint64_t value = 0
    crypto.siphash(<unsigned char *>&value, data, size, key)
    return value
