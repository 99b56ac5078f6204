"""The ring of records: its limits here, its memory order in C under ThreadSanitizer."""

from __future__ import annotations

import collections
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from netcode.errors import ConfigError
from netcode.session.records import RecordRing

HERE = Path(__file__).parent
SESSION = HERE.parent.parent / "netcode" / "session"


def span(size: int) -> int:
    """Bytes of a record in the ring."""
    return (size + 8 + 7) // 8 * 8


class RecordMachine(RuleBasedStateMachine):
    """Against a list, with the room counted as the ring's docstring says."""

    SIZE = 256

    def __init__(self) -> None:
        super().__init__()
        self.ring = RecordRing(self.SIZE)
        self.hidden: list[bytes] = []
        self.shown: collections.deque[bytes] = collections.deque()
        self.head = self.tail = 0  # where in all the bytes ever written
        self.ends: collections.deque[int] = collections.deque()
        self.asleep = False

    @rule(data=st.binary(max_size=120))
    def push(self, data: bytes) -> None:
        to_end = self.SIZE - self.head % self.SIZE
        need = span(len(data)) if span(len(data)) <= to_end else to_end + span(len(data))
        fits = self.SIZE - (self.head - self.tail) >= need
        assert self.ring.push(data) is fits
        if fits:
            self.head += need
            self.hidden.append(data)
            self.ends.append(self.head)

    @rule()
    def show(self) -> None:
        assert self.ring.show() is (self.asleep and bool(self.hidden))
        if self.hidden:
            self.asleep = False
        self.shown += self.hidden
        self.hidden.clear()

    @rule()
    def pop(self) -> None:
        assert self.ring.pop() == (self.shown.popleft() if self.shown else None)
        if len(self.ends) > len(self.hidden) + len(self.shown):
            self.tail = self.ends.popleft()

    @rule(late=st.booleans())
    def sleep(self, late: bool) -> None:
        seen = self.ring.news
        if late and self.hidden:
            self.show()
            assert not self.ring.listen(seen)
        else:
            assert self.ring.listen(seen)
            self.asleep = True

    @rule()
    def wake(self) -> None:
        self.ring.awake()
        self.asleep = False

    @invariant()
    def ahead_is_a_beginning(self) -> None:
        sizes = [len(data) for data in self.shown]
        ahead = self.ring.ahead()
        assert ahead == sizes[: len(ahead)]


TestRecords = RecordMachine.TestCase


def test_misuse_is_refused() -> None:
    for size in (0, 63, 65, 1 << 31):
        with pytest.raises(ConfigError):
            RecordRing(size)
    ring = RecordRing(64)
    assert ring.most == 24
    with pytest.raises(ConfigError, match="at most 24"):
        ring.push(bytes(25))
    # The largest fits wherever it would begin.
    for _ in range(50):
        assert ring.push(bytes(24))
        ring.show()
        assert ring.pop() == bytes(24)
        assert ring.push(b"")
        ring.show()
        assert ring.pop() == b""


def block(name: str) -> str:
    found = re.search(
        r'cdef extern from \*:\n    """\n(.*?)\n    """', (SESSION / name).read_text(), re.S
    )
    assert found is not None
    return textwrap.dedent(found[1]) + "\n"


def compile_stress(folder: Path, *flags: str) -> Path:
    """The C blocks of ring.pxd and records.pxd, and the program that stresses them."""
    compiler = shutil.which("gcc") or shutil.which("clang") or shutil.which("cc")
    if compiler is None or sys.platform == "win32":
        pytest.skip("no gcc or clang")
    for name in ("ring", "records"):
        (folder / f"{name}.h").write_text(block(f"{name}.pxd"))
    program = folder / "records_stress"
    command = [compiler, "-std=c11", "-D_POSIX_C_SOURCE=200809L", "-O2", "-g", "-pthread"]
    command += ["-Wall", "-Wextra", "-Werror", *flags, f"-I{folder}", "-o", str(program)]
    done = subprocess.run(
        [*command, str(HERE / "records_stress.c")], capture_output=True, text=True, check=False
    )
    if done.returncode and "-fsanitize=thread" in flags:
        pytest.skip(f"{compiler} has no ThreadSanitizer: {done.stderr}")
    assert done.returncode == 0, done.stderr
    return program


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_stress(tmp_path_factory.mktemp("stress"))


# In the smallest ring the two threads take turns at every record or two.
@pytest.mark.parametrize(("size", "records"), [(128, 20_000), (1024, 100_000), (1 << 16, 100_000)])
def test_stress_in_c(program: Path, size: int, records: int) -> None:
    subprocess.run([program, str(records), str(size)], check=True, timeout=60)


def sanitized(tmp_path: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    program = compile_stress(tmp_path, "-fsanitize=thread", *flags)
    done = subprocess.run(
        [program, "30000", "1024"], capture_output=True, text=True, timeout=120, check=False
    )
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("ThreadSanitizer cannot run on this kernel: unexpected memory mapping")
    return done


def test_thread_sanitizer_finds_nothing(tmp_path: Path) -> None:
    done = sanitized(tmp_path)
    assert done.returncode == 0, done.stderr


def test_thread_sanitizer_would_find_something(tmp_path: Path) -> None:
    """Without the atomics of the ring it complains: the test above can fail."""
    done = sanitized(
        tmp_path,
        "-D__atomic_load_n(p,o)=*(p)",
        "-D__atomic_store_n(p,v,o)=(*(p)=(v))",
    )
    assert "data race" in done.stderr
