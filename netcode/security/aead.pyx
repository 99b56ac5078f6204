"""ChaCha20-Poly1305 and XChaCha20-Poly1305 from PyNaCl's libsodium, and the entropy source.

Nothing here is our own cryptography: each function is a pointer into libsodium. Importing this
module checks the pointers and raises ImportError where they are not what they should be.
"""

import os

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uintptr_t
from libc.string cimport memcmp, memcpy

from netcode.errors import ConfigError, DecodeError
from netcode.security.buffers cimport view_exactly, view_of
from netcode.security.protocol cimport KEY_BYTES, NONCE_BYTES, TAG_BYTES, TOKEN_NONCE_BYTES

__all__ = [
    "generate_key",
    "open_sealed",
    "random_bytes",
    "same",
    "seal",
    "xopen_sealed",
    "xseal",
]

cdef object sodium  # the extension module: it must stay loaded as long as the pointers are used

cdef str SEAL = (
    "int(*)(unsigned char *, unsigned long long *, unsigned char *, unsigned long long, "
    "unsigned char *, unsigned long long, unsigned char *, unsigned char *, unsigned char *)"
)
cdef str OPEN = (
    "int(*)(unsigned char *, unsigned long long *, unsigned char *, unsigned char *, "
    "unsigned long long, unsigned char *, unsigned long long, unsigned char *, unsigned char *)"
)
cdef str SIPHASH = "int(*)(unsigned char *, unsigned char *, unsigned long long, unsigned char *)"

cdef str ADVICE = (
    "netcode needs PyNaCl 1.6.2 or newer with its own libsodium "
    '(python -m pip install --upgrade "pynacl>=1.6.2"); it never falls back to other cryptography'
)


cdef object broken(str what):
    return ImportError(f"{what}. {ADVICE}")


cdef uintptr_t pointer(str name, str c_type) except 0:
    """Address of a libsodium function whose C type is exactly ``c_type``."""
    ffi = sodium.ffi
    try:
        function = ffi.addressof(sodium.lib, name)
        found, expected = ffi.typeof(function), ffi.typeof(c_type)
    except Exception as error:
        raise broken(f"PyNaCl does not offer {name}: {error}") from error
    if found != expected:
        raise broken(f"PyNaCl's {name} is a {found.cname}, not a {expected.cname}")
    address = int(ffi.cast("uintptr_t", function))
    if address == 0:
        raise broken(f"PyNaCl's {name} is a null pointer")
    return address


cdef int load() except -1:
    global sodium
    try:
        from nacl import _sodium as module
    except ImportError as error:
        raise broken(f"PyNaCl cannot be imported: {error}") from error
    sodium = module
    try:
        ready = sodium.lib.sodium_init()
    except Exception as error:
        raise broken(f"PyNaCl's libsodium cannot be initialised: {error}") from error
    if ready < 0:
        raise broken("PyNaCl's libsodium failed to initialise")
    prefix = "crypto_aead_chacha20poly1305_ietf_"
    crypto.seal = <seal_function>pointer(prefix + "encrypt", SEAL)
    crypto.open = <open_function>pointer(prefix + "decrypt", OPEN)
    prefix = "crypto_aead_xchacha20poly1305_ietf_"
    crypto.xseal = <seal_function>pointer(prefix + "encrypt", SEAL)
    crypto.xopen = <open_function>pointer(prefix + "decrypt", OPEN)
    crypto.compare = <compare_function>pointer("sodium_memcmp", "int(*)(void *, void *, size_t)")
    crypto.wipe = <wipe_function>pointer("sodium_memzero", "void(*)(void *, size_t)")
    crypto.siphash = <hash_function>pointer("crypto_shorthash_siphash24", SIPHASH)
    return 0


cdef bytes KEY = bytes(range(0x80, 0xA0))
cdef bytes AD = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
cdef bytes TEXT = (
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
    b"sunscreen would be it."
)
# RFC 8439, 2.8.2, and draft-irtf-cfrg-xchacha-03, A.3.1: ciphertext and tag.
cdef bytes NONCE = bytes.fromhex("070000004041424344454647")
cdef bytes SEALED = bytes.fromhex(
    "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92"
    "728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b"
    "4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691"
)
cdef bytes XNONCE = bytes(range(0x40, 0x58))
cdef bytes XSEALED = bytes.fromhex(
    "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda"
    "7e39ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b23835"
    "65d3fff921f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49"
)


cdef bytes HASHED = bytes.fromhex("e545be4961ca29a1")  # SipHash-2-4 of 15 bytes, as published


cdef int run(bint extended, bint opening, uint8_t *out, const uint8_t *data, int size, int ad_size,
             bytes nonce) noexcept:
    cdef const uint8_t *n = <const uint8_t *>PyBytes_AS_STRING(nonce)
    cdef const uint8_t *key = <const uint8_t *>PyBytes_AS_STRING(KEY)
    cdef const uint8_t *ad = <const uint8_t *>PyBytes_AS_STRING(AD)
    if opening:
        if extended:
            return xaead_open(out, data, size, ad, ad_size, n, key)
        return aead_open(out, data, size, ad, ad_size, n, key)
    if extended:
        return xaead_seal(out, data, size, ad, ad_size, n, key)
    return aead_seal(out, data, size, ad, ad_size, n, key)


cdef int check(bint extended, bytes nonce, bytes sealed) except -1:
    """One published vector both ways, then refusals of every kind of forgery."""
    cdef uint8_t out[256]
    cdef uint8_t bad[256]
    cdef const uint8_t *good = <const uint8_t *>PyBytes_AS_STRING(sealed)
    cdef const uint8_t *text = <const uint8_t *>PyBytes_AS_STRING(TEXT)
    cdef int size = <int>len(TEXT)
    cdef int total = size + TAG_BYTES
    cdef int i
    cdef str name = "XChaCha20-Poly1305" if extended else "ChaCha20-Poly1305"
    if run(extended, False, out, text, size, 12, nonce) or memcmp(out, good, total):
        raise broken(f"libsodium's {name} does not give the published ciphertext")
    if run(extended, True, out, good, total, 12, nonce) or memcmp(out, text, size):
        raise broken(f"libsodium's {name} does not open the published ciphertext")
    for i in range(total):
        memcpy(bad, good, total)
        bad[i] ^= <uint8_t>(1 << (i & 7))
        if run(extended, True, out, bad, total, 12, nonce) == 0:
            raise broken(f"libsodium's {name} opened a forged message")
    if run(extended, True, out, good, total, 11, nonce) == 0:
        raise broken(f"libsodium's {name} ignores the associated data")
    return 0


cdef int check_others() except -1:
    """The compare, wipe and hash functions; the hash by the vector of the SipHash paper."""
    cdef uint8_t data[16]
    cdef uint8_t other[16]
    cdef uint8_t out[8]
    cdef int i
    for i in range(16):
        data[i] = other[i] = <uint8_t>i
    crypto.siphash(out, data, 15, other)
    if out[:8] != HASHED:
        raise broken("libsodium's SipHash-2-4 does not give the published value")
    other[15] ^= 1
    if not same_bytes(data, other, 15) or same_bytes(data, other, 16):
        raise broken("libsodium's sodium_memcmp is wrong")
    wipe(data, 16)
    if data[:16] != bytes(16):
        raise broken("libsodium's sodium_memzero is wrong")
    return 0


load()
check(False, NONCE, SEALED)
check(True, XNONCE, XSEALED)
check_others()


def random_bytes(size: int) -> bytes:
    """Return ``size`` bytes (0 or more) from the operating system's secure source."""
    return os.urandom(size)


def generate_key() -> bytes:
    """Return a new random key of 32 bytes."""
    return os.urandom(KEY_BYTES)


def same(a, b) -> bool:
    """Whether two buffers are equal, in a time that depends on their sizes alone."""
    cdef const uint8_t[::1] x = view_of(a, "a")
    cdef const uint8_t[::1] y = view_of(b, "b")
    if x.shape[0] != y.shape[0]:
        return False
    return x.shape[0] == 0 or same_bytes(&x[0], &y[0], <size_t>x.shape[0])


cdef const uint8_t *start(const uint8_t[::1] view) noexcept nogil:
    return &view[0] if view.shape[0] else NULL


cdef bytes seal_with(bint extended, message, nonce, key, ad):
    cdef const uint8_t[::1] m = view_of(message, "message")
    cdef const uint8_t[::1] a = view_of(ad, "ad")
    cdef const uint8_t[::1] n = view_exactly(
        nonce, TOKEN_NONCE_BYTES if extended else NONCE_BYTES, "nonce")
    cdef const uint8_t[::1] k = view_exactly(key, KEY_BYTES, "key")
    cdef bytes out = PyBytes_FromStringAndSize(NULL, m.shape[0] + TAG_BYTES)
    cdef uint8_t *o = <uint8_t *>PyBytes_AS_STRING(out)
    cdef int status
    with nogil:
        if extended:
            status = xaead_seal(o, start(m), m.shape[0], start(a), a.shape[0], &n[0], &k[0])
        else:
            status = aead_seal(o, start(m), m.shape[0], start(a), a.shape[0], &n[0], &k[0])
    if status != 0:
        raise ConfigError(f"libsodium cannot seal {m.shape[0]} bytes")
    return out


cdef bytes open_with(bint extended, sealed, nonce, key, ad):
    cdef const uint8_t[::1] s = view_of(sealed, "sealed")
    cdef const uint8_t[::1] a = view_of(ad, "ad")
    cdef const uint8_t[::1] n = view_exactly(
        nonce, TOKEN_NONCE_BYTES if extended else NONCE_BYTES, "nonce")
    cdef const uint8_t[::1] k = view_exactly(key, KEY_BYTES, "key")
    if s.shape[0] < TAG_BYTES:
        raise DecodeError(f"a sealed message has at least {TAG_BYTES} bytes, not {s.shape[0]}")
    cdef bytes out = PyBytes_FromStringAndSize(NULL, s.shape[0] - TAG_BYTES)
    cdef uint8_t *o = <uint8_t *>PyBytes_AS_STRING(out)
    cdef int status
    with nogil:
        if extended:
            status = xaead_open(o, start(s), s.shape[0], start(a), a.shape[0], &n[0], &k[0])
        else:
            status = aead_open(o, start(s), s.shape[0], start(a), a.shape[0], &n[0], &k[0])
    if status != 0:
        raise DecodeError("not authentic: another key, nonce or associated data, or altered bytes")
    return out


def seal(message, nonce, key, ad=b"") -> bytes:
    """Encrypt and sign by ChaCha20-Poly1305-IETF; return ciphertext and tag, 16 bytes longer.

    ``nonce`` has 12 bytes and must never be used twice under one ``key`` (32 bytes). ``ad`` is
    signed but not contained. ConfigError for a wrong size.
    """
    return seal_with(False, message, nonce, key, ad)


def open_sealed(sealed, nonce, key, ad=b"") -> bytes:
    """Return the message inside what ``seal`` made; DecodeError when it is not authentic."""
    return open_with(False, sealed, nonce, key, ad)


def xseal(message, nonce, key, ad=b"") -> bytes:
    """``seal`` by XChaCha20-Poly1305-IETF, whose 24-byte ``nonce`` may be chosen at random."""
    return seal_with(True, message, nonce, key, ad)


def xopen_sealed(sealed, nonce, key, ad=b"") -> bytes:
    """Return the message inside what ``xseal`` made; DecodeError when it is not authentic."""
    return open_with(True, sealed, nonce, key, ad)
