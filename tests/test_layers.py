"""The floors and the house rules hold; and the reader that says so can say no."""

from __future__ import annotations

from pathlib import Path

import pytest
from layers import FLOORS, Judge, logical_lines, place_of, read_tree, room_order

ROOT = Path(__file__).parent.parent
OWN_FILES = ("tests", "examples", "benchmarks")


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(read_tree(ROOT))


def test_tree_is_read(judge: Judge) -> None:
    assert {"netcode/__init__.py", "netcode/bits/stream.pxd"} <= set(judge.tree)
    uses = [use for path in judge.tree for use in judge.uses(path)]
    assert any(use.module == "netcode.errors" for use in uses)


def test_floors(judge: Judge) -> None:
    assert list(judge.floors()) == []


def test_rooms_are_named(judge: Judge) -> None:
    assert list(judge.unnamed()) == []


def test_outside_world(judge: Judge) -> None:
    assert list(judge.outside_world()) == []


def test_house_rules(judge: Judge) -> None:
    assert list(judge.house_rules()) == []


def test_file_sizes_outside_the_package() -> None:
    long = {
        path.relative_to(ROOT).as_posix(): lines
        for folder in OWN_FILES
        for path in sorted((ROOT / folder).rglob("*.py"))
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 600
    }
    assert long == {}


# The reader on small false trees


def floors(path: str, line: str, **more: str) -> list[str]:
    return list(Judge({path: line, **more}).floors())


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("netcode/schema/codec.pyx", "from netcode.bits.stream cimport bw_put"),
        ("netcode/schema/codec.pyx", "cimport netcode.bits.stream as stream"),
        ("netcode/session/server.pyx", "from netcode.channel.connection cimport (a,\n  b)"),
        ("netcode/replication/table.py", "from netcode.delta import History"),
        ("netcode/bits/writer.pyx", "from netcode.errors import EncodeError"),
        ("netcode/bits/writer.pyx", "from ..errors import EncodeError"),
        ("netcode/bits/table.py", "if TYPE_CHECKING:\n    from netcode.bits import Writer"),
        ("netcode/bits/table.pyi", "from netcode.bits import Writer"),
        ("netcode/server.py", "import netcode.errors, netcode.io.udp"),
        ("netcode/testing/link.py", "import netcode\nfrom netcode.session import ClientEndpoint"),
        ("netcode/cli/main.py", "from netcode.testing import Link"),
        ("netcode/__init__.py", "from netcode.server import Server"),
        ("netcode/schema/codec.pyx", '"""\nimport netcode.session\n"""\n# import netcode.io'),
        ("netcode/bits/writer.pyx", "text = 'from netcode.io import x'"),
    ],
)
def test_allowed(path: str, line: str) -> None:
    assert floors(path, line) == []


@pytest.mark.parametrize(
    ("path", "line", "why"),
    [
        ("netcode/bits/writer.pyx", "from netcode.schema.codec cimport x", "above"),
        ("netcode/bits/writer.pyx", "from netcode.schema cimport (\n  x,\n  y)", "above"),
        ("netcode/bits/writer.pyx", "def f():\n    import netcode.io as io", "above"),
        ("netcode/bits/writer.pyx", "if x: from netcode.io import y", "above"),
        ("netcode/bits/writer.pyx", "def f():\n    import_module('netcode.io.udp')", "above"),
        ("netcode/bits/table.py", "def f():\n    from netcode.schema import Schema", "above"),
        ("netcode/bits/table.py", "if TYPE_CHECKING:\n    import netcode.session", "above"),
        ("netcode/bits/table.py", "importlib.import_module('netcode.session')", "above"),
        ("netcode/bits/table.pyi", "from netcode.schema import Schema", "above"),
        ("netcode/bits/table.py", "from ..schema import Schema", "above"),
        ("netcode/bits/table.py", "import netcode", "above"),
        ("netcode/bits/table.py", "from netcode import Schema", "above"),
        ("netcode/delta/model.py", "from netcode.channel import ChannelEndpoint", "neighbour"),
        ("netcode/channel/acks.pyx", "from netcode.security.replay cimport x", "neighbour"),
        ("netcode/bits/table.py", "from netcode.bits import Writer", "rooms"),
        ("netcode/io/udp.py", "from netcode.server import Server", "above"),
        ("netcode/errors.py", "from netcode.server import Server", "above"),
        ("netcode/server.py", "from netcode.testing import Link", "edge"),
        ("netcode/__init__.py", "import netcode.testing", "edge"),
        ("netcode/testing/link.py", "from netcode.cli import main", "after testing"),
        ("netcode/novel/x.py", "", "no floor"),
    ],
)
def test_refused(path: str, line: str, why: str) -> None:
    found = floors(path, line)
    assert len(found) == 1
    assert why in found[0]


def test_a_name_that_is_a_module_is_that_module() -> None:
    more = {"netcode/errors.py": "", "netcode/session/pool.pxd": ""}
    assert floors("netcode/bits/a.py", "from netcode import errors", **more) == []
    assert floors("netcode/bits/a.py", "from netcode.session import pool", **more) != []


ROOMS = '"""Bits.\n\n    first   one\n    second  two, after ``third``\n"""\n'


@pytest.mark.parametrize(
    ("path", "line", "count"),
    [
        ("netcode/bits/second.pyx", "from netcode.bits.first cimport x", 0),
        ("netcode/bits/third.pyx", "from .second import x", 0),
        ("netcode/bits/first.pyx", "from netcode.bits.second cimport x", 1),
        ("netcode/bits/first.pyx", "from netcode.bits cimport second, third", 2),
        ("netcode/bits/second.pyx", "from . import third", 1),
        ("netcode/bits/second.pyx", "from netcode.bits import Writer", 1),
        ("netcode/bits/second.pyx", "from netcode.bits.second cimport x", 0),
    ],
)
def test_order_of_rooms(path: str, line: str, count: int) -> None:
    tree = {f"netcode/bits/{room}.pxd": "" for room in ("first", "second", "third")}
    tree["netcode/bits/__init__.py"] = ROOMS + "from netcode.bits.first import A\n"
    found = Judge({**tree, path: line})
    assert len(list(found.floors())) == count
    assert list(found.unnamed()) == []


def test_order_of_shells() -> None:
    tree = {
        "netcode/__init__.py": '"""Netcode.\n\n``events``, ``client``, ``server``\n"""',
        "netcode/client.py": "import netcode.events\nif TYPE_CHECKING:\n    import netcode.server",
        "netcode/server.py": "from netcode.client import Client",
        "netcode/events.py": "",
        "netcode/errors.py": "",
    }
    assert list(Judge(tree).floors()) == list(Judge(tree).unnamed()) == []
    tree["netcode/events.py"] = "from netcode.server import Server"
    tree["netcode/late.py"] = "import netcode"
    found = Judge(tree)
    assert ["names server after events" in line for line in found.floors()] == [True, False]
    assert ["room late" in line for line in found.unnamed()] == [True]


@pytest.mark.parametrize(
    ("doc", "order"),
    [
        ("Floor.\n\nRooms, lowest first: b, a (over c),\nc and d.", "bacd"),
        ("Floor a.\n\nRooms: ``b`` (a), ``a``.\n\nThe ``d`` is last.", "bad"),
        ("Floor of b.\n\n    a   one\n    b   over c\n", "ab"),
        ("The C side is in ``b.pxd`` and ``c.pxd``.", "bc"),
        ("Use ``d``.\n\nThe rooms of this floor:\n\n``b``   over ``c``\n``a``   two", "bca"),
        ("Nothing.", ""),
    ],
)
def test_order_of_rooms_is_read(doc: str, order: str) -> None:
    assert room_order(f'"""{doc}"""', {"a", "b", "c", "d"}) == list(order)


def test_unnamed_room() -> None:
    tree = {"netcode/bits/__init__.py": ROOMS, "netcode/bits/fourth.pyx": ""}
    assert "fourth" in next(Judge(tree).unnamed())


@pytest.mark.parametrize(
    ("path", "line", "count"),
    [
        ("netcode/session/server.pyx", "import time", 1),
        ("netcode/session/server.pyx", "def f():\n    from time import monotonic", 1),
        ("netcode/session/server.pyx", "import socket, struct", 1),
        ("netcode/session/server.pyx", "cdef extern from '<sys/socket.h>' nogil:\n    pass", 1),
        ("netcode/session/server.pyx", "cdef extern from '<string.h>' nogil:\n    pass", 0),
        ("netcode/session/server.pyx", "x = os.urandom(4)", 1),
        ("netcode/session/server.pyx", "from libc.time cimport time", 1),
        ("netcode/session/token.py", "import os\nos.urandom(3)", 1),
        ("netcode/session/token.py", "from os import urandom", 1),
        ("netcode/session/token.py", "import numpy as np\nnp.random.default_rng()", 1),
        ("netcode/session/token.py", "from asyncio import Event", 1),
        ("netcode/metrics.py", "import threading", 1),
        ("netcode/security/token.py", "import secrets", 1),
        ("netcode/security/aead.pyx", "import os\nos.urandom(3)", 0),
        ("netcode/io/thread.pyx", "import threading, time, socket", 0),
        ("netcode/asyncio.py", "import asyncio", 0),
        ("netcode/constants.py", "import time", 1),
        ("netcode/__init__.py", "import time", 1),
        ("netcode/testing/clock.py", "import time", 0),
        ("netcode/session/server.pyx", "from netcode.session.time cimport x", 0),
    ],
)
def test_outside_world_is_seen(path: str, line: str, count: int) -> None:
    assert len(list(Judge({path: line}).outside_world())) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("cdef inline int f(int x) noexcept nogil:\n    return 1", 0),
        ("cdef int f(int x) except -1:\n    return 1", 0),
        ("cdef bytes f(int x):\n    return b''", 0),
        ("cdef Thing f(self):\n    return 1", 0),
        ("cdef int f(int x):\n    return 1", 1),
        ("cdef void f(\n    int x,\n) nogil:\n    pass", 1),
        ("cdef const uint8_t *f(int x):\n    return NULL", 1),
        ("cdef uint64_t value = <uint64_t>(3)", 0),
        ("cdef extern from 'a.h':\n    int f(int x)\n    cdef int g(int y)\n", 0),
        ("cdef extern from 'a.h':\n    int f(int x)\ncdef int g(int y):\n    pass", 1),
        ("cdef class A:\n    cdef int f(self):\n        return 1", 1),
        ("include 'x.pxi'", 1),
    ],
)
def test_cython_rules(text: str, count: int) -> None:
    tree = {"netcode/bits/a.pyx": text, "netcode/bits/a.pyi": ""}
    assert len(list(Judge(tree).house_rules())) == count


def test_house_rules_are_seen() -> None:
    tree = {
        "netcode/bits/_private.py": "",
        "netcode/bits/nostub.pyx": "",
        "netcode/bits/long.py": "x = 1\n" * 601,
        "netcode/bits/fits.py": "x = 1\n" * 600,
        "netcode/bits/shared.pxi": "",
        "netcode/bits/__init__.py": "",
    }
    found = list(Judge(tree).house_rules())
    assert [line.partition(":")[0].rpartition("/")[2] for line in found] == [
        "_private.py",
        "nostub.pyx",
        "long.py",
        "shared.pxi",
    ]


def test_logical_lines_keep_their_numbers() -> None:
    text = 'a = """\n\n"""\nfrom x import (  # why\n    y,\n)\nb = c \\\n  + d\n'
    lines = [(number, line) for number, line in logical_lines(text) if line]
    assert lines == [(1, "a = ''"), (4, "from x import ( y, )"), (7, "b = c + d")]


def test_places() -> None:
    assert place_of("netcode/bits/stream.pxd") == ("bits", "stream")
    assert place_of("netcode/compat/serialize/ops.py") == ("compat", "serialize")
    assert place_of("netcode/server.py") == ("", "server")
    assert place_of("netcode/__init__.py") == ("", "__init__")


def test_floors_are_the_folders() -> None:
    folders = {
        path.name for path in (ROOT / "netcode").iterdir() if (path / "__init__.py").exists()
    }
    assert {"bits", "schema", "delta", "channel", "security", "session"} <= folders & set(FLOORS)
