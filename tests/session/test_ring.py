"""The ring between two threads: its limits here, its memory order in C under ThreadSanitizer."""

from __future__ import annotations

import collections
import re
import shutil
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from netcode.errors import ConfigError
from netcode.session.ring import Ring

HERE = Path(__file__).parent
RING = HERE.parent.parent / "netcode" / "session" / "ring.pxd"


class RingMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.ring = Ring(4, 20)
        self.model: collections.deque[bytes] = collections.deque()

    @rule(data=st.binary(max_size=16))
    def push(self, data: bytes) -> None:
        assert self.ring.push(data) is (len(self.model) < 4)
        if len(self.model) < 4:
            self.model.append(data)

    @rule()
    def pop(self) -> None:
        assert self.ring.pop() == (self.model.popleft() if self.model else None)
        assert len(self.ring) == len(self.model)


TestRing = RingMachine.TestCase


def test_misuse_is_refused() -> None:
    for slots, stride in ((0, 32), (3, 32), (1 << 25, 32), (4, 4), (4, 65_537)):
        with pytest.raises(ConfigError):
            Ring(slots, stride)
    with pytest.raises(ConfigError, match="at most 28"):
        Ring(2, 32).push(bytes(29))


def test_two_threads_of_python() -> None:
    ring, got, count = Ring(8, 16), list[int](), 300

    def consume() -> None:
        while len(got) < count:
            data = ring.pop()
            if data is not None:
                got.append(int.from_bytes(data, "little"))

    thread = threading.Thread(target=consume)
    thread.start()
    for number in range(count):
        while not ring.push(number.to_bytes(4, "little")):
            pass
    thread.join(20)
    assert got == list(range(count))


def compile_stress(folder: Path, *flags: str) -> Path:
    """The C block of ring.pxd as ring.h, and the program that stresses it."""
    compiler = shutil.which("gcc") or shutil.which("clang") or shutil.which("cc")
    if compiler is None or sys.platform == "win32":
        pytest.skip("no gcc or clang")
    block = re.search(r'cdef extern from \*:\n    """\n(.*?)\n    """', RING.read_text(), re.S)
    assert block is not None
    (folder / "ring.h").write_text(textwrap.dedent(block[1]) + "\n")
    program = folder / "ring_stress"
    command = [compiler, "-std=c11", "-D_POSIX_C_SOURCE=200809L", "-O2", "-g", "-pthread"]
    command += ["-Wall", "-Wextra", "-Werror", *flags, f"-I{folder}", "-o", str(program)]
    done = subprocess.run(
        [*command, str(HERE / "ring_stress.c")], capture_output=True, text=True, check=False
    )
    if done.returncode and "-fsanitize=thread" in flags:
        pytest.skip(f"{compiler} has no ThreadSanitizer")
    assert done.returncode == 0, done.stderr
    return program


# In a ring of one slot each element waits for the other thread to get a processor.
@pytest.mark.parametrize(("slots", "count"), [(1, 5_000), (2, 10_000), (1024, 200_000)])
def test_stress_in_c(tmp_path: Path, slots: int, count: int) -> None:
    program = compile_stress(tmp_path)
    subprocess.run([program, str(count), str(slots)], check=True, timeout=100)


def test_thread_sanitizer_finds_nothing(tmp_path: Path) -> None:
    program = compile_stress(tmp_path, "-fsanitize=thread")
    done = subprocess.run(
        [program, "50000", "16"], capture_output=True, text=True, timeout=120, check=False
    )
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("ThreadSanitizer cannot run on this kernel: unexpected memory mapping")
    assert done.returncode == 0, done.stderr


def test_thread_sanitizer_would_find_something(tmp_path: Path) -> None:
    """Without the atomics it complains: the test above can fail."""
    program = compile_stress(
        tmp_path,
        "-fsanitize=thread",
        "-D__atomic_load_n(p,o)=*(p)",
        "-D__atomic_store_n(p,v,o)=(*(p)=(v))",
    )
    done = subprocess.run(
        [program, "20000", "16"], capture_output=True, text=True, timeout=120, check=False
    )
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("ThreadSanitizer cannot run on this kernel: unexpected memory mapping")
    assert "data race" in done.stderr
