"""aead: agreement with an independent implementation, refusals, and the self-test at import."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import security as oracle

from netcode.errors import ConfigError, DecodeError
from netcode.security import aead

short = st.binary(max_size=400)
keys = st.binary(min_size=32, max_size=32)


@given(short, st.binary(min_size=12, max_size=12), keys, short)
def test_seal_as_the_oracle(message: bytes, nonce: bytes, key: bytes, ad: bytes) -> None:
    sealed = aead.seal(message, nonce, key, ad)
    assert sealed == oracle.seal(message, nonce, key, ad)
    assert aead.open_sealed(sealed, nonce, key, ad) == message


@given(short, st.binary(min_size=24, max_size=24), keys, short)
def test_xseal_as_the_oracle(message: bytes, nonce: bytes, key: bytes, ad: bytes) -> None:
    sealed = aead.xseal(message, nonce, key, ad)
    assert sealed == oracle.xseal(message, nonce, key, ad)
    assert aead.xopen_sealed(sealed, nonce, key, ad) == message


@given(st.binary(max_size=60), st.integers(0, 10_000), st.booleans())
def test_one_flipped_bit_is_refused(message: bytes, position: int, extended: bool) -> None:
    nonce, key = bytes(24 if extended else 12), bytes(32)
    seal, opener = (aead.xseal, aead.xopen_sealed) if extended else (aead.seal, aead.open_sealed)
    sealed = bytearray(seal(message, nonce, key, b"ad"))
    position %= len(sealed) * 8
    sealed[position // 8] ^= 1 << position % 8
    with pytest.raises(DecodeError):
        opener(sealed, nonce, key, b"ad")


def test_another_key_nonce_or_ad_is_refused() -> None:
    sealed = aead.seal(b"message", bytes(12), bytes(32), b"ad")
    for nonce, key, ad in (
        (b"\1" + bytes(11), bytes(32), b"ad"),
        (bytes(12), bytes(31) + b"\1", b"ad"),
        (bytes(12), bytes(32), b"a"),
        (bytes(12), bytes(32), b""),
    ):
        with pytest.raises(DecodeError, match="not authentic"):
            aead.open_sealed(sealed, nonce, key, ad)


def test_wrong_sizes_and_types() -> None:
    with pytest.raises(ConfigError, match="nonce must be 12 bytes, not 11"):
        aead.seal(b"", bytes(11), bytes(32))
    with pytest.raises(ConfigError, match="nonce must be 24 bytes, not 12"):
        aead.xseal(b"", bytes(12), bytes(32))
    with pytest.raises(ConfigError, match="key must be 32 bytes, not 16"):
        aead.open_sealed(bytes(16), bytes(12), bytes(16))
    with pytest.raises(ConfigError, match="message must be bytes or a contiguous buffer, not str"):
        aead.seal("text", bytes(12), bytes(32))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="contiguous"):
        aead.seal(memoryview(bytes(8))[::2], bytes(12), bytes(32))
    for size in range(16):
        with pytest.raises(DecodeError, match=f"at least 16 bytes, not {size}"):
            aead.open_sealed(bytes(size), bytes(12), bytes(32))


def test_any_buffer_will_do() -> None:
    expected = aead.seal(b"abc", bytes(12), bytes(32))
    assert aead.seal(bytearray(b"abc"), memoryview(bytes(12)), bytearray(32)) == expected


def test_same() -> None:
    assert aead.same(b"", b"")
    assert aead.same(b"abc", bytearray(b"abc"))
    assert not aead.same(b"abc", b"abx")
    assert not aead.same(b"abc", b"ab")


def test_random_bytes_and_keys() -> None:
    assert [len(aead.random_bytes(size)) for size in (0, 1, 32)] == [0, 1, 32]
    assert len(aead.generate_key()) == 32
    assert aead.generate_key() != aead.generate_key()


FAKE = """
import sys, types
import nacl._sodium as real

class Ffi:
    instead = {}
    def __getattr__(self, name):
        return getattr(real.ffi, name)
    def addressof(self, lib, name):
        return real.ffi.addressof(real.lib, self.instead.get(name, name))

class Lib:
    ready = 0
    def sodium_init(self):
        return self.ready

fake = types.SimpleNamespace(ffi=Ffi(), lib=Lib())
sys.modules["nacl._sodium"] = fake
sys.modules["nacl"]._sodium = fake
ENC, DEC = "crypto_aead_{}chacha20poly1305_ietf_encrypt", "crypto_aead_{}chacha20poly1305_ietf_decrypt"
BREAK
try:
    import netcode.security.aead
except ImportError as error:
    print(error)
else:
    print("imported")
"""  # noqa: E501


def import_with(change: str) -> str:
    script = FAKE.replace("BREAK", textwrap.dedent(change))
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_double_is_good_as_long_as_nothing_is_changed() -> None:
    assert import_with("pass") == "imported\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("sys.modules['nacl._sodium'] = None; del sys.modules['nacl']._sodium", "cannot be import"),
        ("fake.lib.ready = -1", "failed to initialise"),
        ("del Lib.sodium_init", "cannot be initialised"),
        ("fake.ffi.instead[ENC.format('')] = 'no_such_function'", "does not offer crypto_aead"),
        ("fake.ffi.instead[ENC.format('')] = 'sodium_memcmp'", "encrypt is a int"),
        ("fake.ffi.instead[ENC.format('')] = ENC.format('x')", "published ciphertext"),
        ("fake.ffi.instead[ENC.format('x')] = ENC.format('')", "published ciphertext"),
        ("fake.ffi.instead[DEC.format('')] = DEC.format('x')", "does not open"),
        ("fake.ffi.instead[DEC.format('x')] = DEC.format('')", "does not open"),
        ("fake.ffi.instead['sodium_memzero'] = 'sodium_memcmp'", "sodium_memzero is a int"),
    ],
)
def test_no_import_without_sound_cryptography(change: str, said: str) -> None:
    output = import_with(change)
    assert said in output
    assert "pynacl>=1.6.2" in output
