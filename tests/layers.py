"""Reads the imports and cimports of a package tree and holds them against the floors.

A module may use the floors below its own and, inside its own folder, the rooms that the
docstring of the folder's ``__init__.py`` names before it. The files directly under netcode/ are
the rooms of the top floor. Nothing inside uses the edge. An import that only a type checker sees
(under TYPE_CHECKING, or in a stub) may name any room of its own folder, and nothing above.

The tree is a mapping of path to text, so that a test can feed it a small false one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

FLOORS = {
    "errors": 0,
    "constants": 0,
    "bits": 1,
    "schema": 2,
    "delta": 3,
    "channel": 3,
    "security": 3,
    "session": 4,
    "replication": 5,
    "simulation": 6,
    "io": 7,
    "shell": 8,
    "__init__": 10,
}
"""Floor of the folders, and of the files under all floors."""

BASE_FILES = ("errors", "constants", "__init__")
"""The keys of FLOORS that are files."""

TOP = 9
"""Floor of every other file directly under netcode/: server, client and connecting."""

EDGE = ("testing", "compat", "metrics", "agones", "bots", "cli", "__main__")
"""Uses any floor and the edge before it; used by nothing inside."""

OUTSIDE_ALLOWED = ("io", "shell", "testing", "cli", "security/aead")
"""Where sockets, clocks, threads and entropy may be named, besides the shells of the top floor."""

OUTSIDE_MODULES = re.compile(
    r"(?:_thread|asyncio|concurrent|datetime|multiprocessing|queue|random|sched|secrets|select|"
    r"selectors|signal|socket|socketserver|ssl|subprocess|threading|time|uuid)(?:\.|$)"
)
OUTSIDE_NAMES = re.compile(r"\bos\.(?:urandom|getrandom)\b|\b(?:np|numpy)\.random\b")
OUTSIDE_CIMPORTS = re.compile(
    r"(?:cpython\.(?:datetime|pythread|time)|libc\.time|posix\.(?:select|signal|time|unistd))$"
)
OUTSIDE_HEADERS = re.compile(
    r"^(?:sys/(?:socket|time|random|epoll|select|uio)|netinet/\w+|arpa/inet|pthread|time|poll|"
    r"winsock2|ws2tcpip|bcrypt|threads|unistd)\.h$"
)

MAX_LINES = 600
SUFFIXES = (".py", ".pyi", ".pyx", ".pxd")


@dataclass(frozen=True, slots=True)
class Use:
    """One thing a module reaches for, and the line where it does."""

    line: int
    module: str
    names: tuple[str, ...] = ()
    """The names taken from ``module``; empty for a plain import."""
    types_only: bool = False
    """Seen by a type checker and never run."""


def read_tree(root: Path, package: str = "netcode") -> dict[str, str]:
    """Every source file of the package as {"netcode/bits/stream.pxd": text}."""
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((root / package).rglob("*"))
        if path.is_file() and path.suffix in (*SUFFIXES, ".pxi") and "__pycache__" not in path.parts
    }


# Reading Python


def python_uses(text: str) -> Iterator[Use]:
    """Imports of a Python file at any depth, import_module("...") and os.urandom included."""
    tree = ast.parse(text)
    unrun = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        types_only = id(node) in unrun
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Use(node.lineno, alias.name, types_only=types_only)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            names = tuple(alias.name for alias in node.names)
            yield Use(node.lineno, module, names, types_only)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in {"import_module", "__import__"} and node.args:
                named = node.args[0]
                if isinstance(named, ast.Constant) and isinstance(named.value, str):
                    yield Use(node.lineno, named.value)
                else:
                    yield Use(node.lineno, "?", ("an import whose name is computed",))
        elif isinstance(node, ast.Attribute) and OUTSIDE_NAMES.fullmatch(ast.unparse(node)):
            yield Use(node.lineno, "?", (ast.unparse(node),))


# Reading Cython

QUIET = re.compile(
    r"\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''"
    r"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|\#[^\n]*",
    re.DOTALL,
)
FROM = re.compile(r"from\s+([.\w]+)\s+c?import\s+\(?(.*?)\)?$")
PLAIN = re.compile(r"c?import\s+(.+)$")
EXTERN = re.compile(r"cdef\s+extern\s+from\s+[\"']<?([^\"'>]+)>?[\"']")
DYNAMIC = re.compile(r"\b(?:import_module|__import__)\(\s*[\"']([.\w]+)[\"']")
INCLUDE = re.compile(r"include\s+[\"']")
# A C scalar, struct or pointer comes back: the error contract has to be written out.
C_FUNCTION = re.compile(r"cp?def\s+(?:inline\s+)?(?:api\s+)?(?P<returns>[\w .*]+?)\b\w+\s*\(.*\)")
C_SCALAR = re.compile(
    r"^(?:const |unsigned |signed )*(?:void|bint|char|short|int|long|float|double|size_t|ssize_t|"
    r"Py_ssize_t|u?int(?:8|16|32|64)_t)\b|\*"
)


def blank(match: re.Match[str]) -> str:
    """A string or comment as nothing, with its line breaks kept."""
    text = match.group()
    return ("" if text.startswith("#") else "''") + "\n" * text.count("\n")


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """(line number, statement) with strings and comments blanked and brackets joined."""
    statement, start, depth = "", 0, 0
    for number, line in enumerate(QUIET.sub(blank, text).split("\n"), 1):
        if not statement:
            start = number
        statement += " " + line.strip().removesuffix("\\")
        depth += sum(line.count(c) for c in "([{") - sum(line.count(c) for c in ")]}")
        if depth > 0 or line.rstrip().endswith("\\"):
            continue
        yield start, " ".join(statement.split())
        statement, depth = "", 0
    if statement:
        yield start, " ".join(statement.split())


def cython_uses(text: str) -> Iterator[Use]:
    """Imports and cimports of a .pyx or .pxd at any depth, and system headers."""
    for number, statement in logical_lines(text):
        for part in re.split(r"[;:]\s+", statement):
            if match := FROM.match(part):
                names = (name.split(" as ")[0].strip() for name in match[2].split(","))
                yield Use(number, match[1], tuple(name for name in names if name))
            elif match := PLAIN.match(part):
                for name in match[1].split(","):
                    yield Use(number, name.split(" as ")[0].strip())
            for match in OUTSIDE_NAMES.finditer(part):
                yield Use(number, "?", (match.group(),))
    for number, line in enumerate(text.split("\n"), 1):
        if match := EXTERN.match(line.strip()):
            yield Use(number, "<header>", (match[1],))
        if match := DYNAMIC.search(line):
            yield Use(number, match[1])


# Judging


def place_of(path: str) -> tuple[str, str]:
    """Folder and room: ("bits", "stream"), ("bits", "__init__"); ("", "server") at the top."""
    parts = [part.partition(".")[0] for part in PurePosixPath(path).parts]
    return (parts[1], parts[2]) if len(parts) > 2 else ("", parts[1])


def floor_of(folder: str, room: str) -> int | None:
    """The floor of a place; None for a folder that has none."""
    if folder:
        return FLOORS.get(folder)
    return FLOORS.get(room, TOP)


def room_order(init_text: str, rooms: set[str]) -> list[str]:
    """The rooms in the order in which the docstring first names them.

    Nothing counts before the word "rooms", where it occurs. In a paragraph that begins with it,
    every word outside parentheses counts; elsewhere a room counts where it stands first on its
    line or between backticks.
    """
    doc = ast.get_docstring(ast.parse(init_text)) or ""
    doc = doc[match.start() :] if (match := re.search(r"\b[Rr]ooms\b", doc)) else doc
    order: list[str] = []
    for paragraph in doc.split("\n\n"):
        listing = paragraph.startswith("Rooms")
        pattern = r"\w+" if listing else r"^[ \t*-]*`*(?:\w+)|`+(?:\w+)(?:\.\w+)*`+"
        text = re.sub(r"\([^()]*\)", "", paragraph) if listing else paragraph
        for match in re.finditer(pattern, text, re.MULTILINE):
            name = match.group().strip(" \t*-`").partition(".")[0]
            if name in rooms and name not in order:
                order.append(name)
    return order


class Judge:
    """Holds one tree against the rules; every method yields "path:line: what is wrong"."""

    def __init__(self, tree: Mapping[str, str]) -> None:
        self.tree = tree
        self.modules = {self.module_name(path) for path in tree}
        self.orders: dict[str, list[str]] = {}
        for folder in sorted({place_of(path)[0] for path in tree}):
            init = tree.get(f"netcode/{folder}/__init__.py".replace("//", "/"), "")
            self.orders[folder] = room_order(init, self.rooms(folder))

    @staticmethod
    def module_name(path: str) -> str:
        parts = PurePosixPath(path).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def rooms(self, folder: str) -> set[str]:
        """The rooms of a folder; at the top, the shells."""
        inside = {place[1] for path in self.tree if (place := place_of(path))[0] == folder}
        return inside - {"__init__", *(() if folder else (*FLOORS, *EDGE))}

    def uses(self, path: str) -> Iterator[Use]:
        text = self.tree[path]
        return python_uses(text) if path.endswith((".py", ".pyi")) else cython_uses(text)

    def targets(self, path: str, use: Use) -> Iterator[str]:
        """The modules of this package that one import reaches, absolute."""
        module = use.module
        if module.startswith("."):
            level = len(module) - len(module.lstrip("."))
            package = list(PurePosixPath(path).parts[:-1])
            base = package[: len(package) - level + 1]
            module = ".".join([*base, *filter(None, [module.lstrip(".")])])
        if module.partition(".")[0] != "netcode":
            return
        if not use.names:
            yield module
        taken = [f"{module}.{name}" for name in use.names]
        yield from dict.fromkeys(name if name in self.modules else module for name in taken)

    def target_place(self, target: str) -> tuple[str, str]:
        """The place of a module of this package, whether or not the tree holds it."""
        _, top, room, *_ = [*target.split("."), "", ""]
        if top in self.orders or top in FLOORS.keys() - set(BASE_FILES):
            return top, room or "__init__"
        return "", top or "__init__"

    def floors(self) -> Iterator[str]:
        """Imports that go up, sideways, past the order of rooms, or to the edge."""
        for path in self.tree:
            folder, room = place_of(path)
            if (folder or room) not in EDGE and floor_of(folder, room) is None:
                yield f"{path}:1: {folder} stands on no floor; give it one in tests/layers.py"
                continue
            for use in self.uses(path):
                types_only = use.types_only or path.endswith(".pyi")
                for target in self.targets(path, use):
                    there = self.target_place(target)
                    if wrong := self.verdict((folder, room), there, types_only):
                        yield f"{path}:{use.line}: uses {target}: {wrong}"

    def verdict(self, here: tuple[str, str], there: tuple[str, str], types_only: bool) -> str:
        """Why one place may not use another; "" when it may."""
        edge = [place[0] or place[1] for place in (here, there)]
        if edge[0] in EDGE:
            if edge[1] in EDGE and EDGE.index(edge[1]) > EDGE.index(edge[0]):
                return f"{edge[1]} comes after {edge[0]} on the edge"
            return (
                "" if here[0] != there[0] or not here[0] else self.inside(here, there, types_only)
            )
        if edge[1] in EDGE:
            return f"{edge[1]} is at the edge; nothing inside uses it"
        floor, other = floor_of(*here), floor_of(*there)
        if floor is None or other is None:
            return "no such folder"
        if other > floor:
            return f"floor {other} is above floor {floor}"
        if other < floor:
            return ""
        if here[0] != there[0]:
            return f"{there[0] or there[1]} is a neighbour on floor {floor}"
        return self.inside(here, there, types_only)

    def inside(self, here: tuple[str, str], there: tuple[str, str], types_only: bool) -> str:
        """The order of rooms in one folder."""
        (folder, room), other = here, there[1]
        order = self.orders[folder]
        if room == "__init__" or other == room or types_only:
            return ""
        if other == "__init__":
            return f"a room imports from rooms, not through {folder}/__init__.py"
        if other in order and room in order and order.index(other) > order.index(room):
            return f"{folder or 'netcode'}/__init__.py names {other} after {room}"
        return ""

    def unnamed(self) -> Iterator[str]:
        """Rooms that the docstring of their folder's __init__.py leaves out."""
        for folder, order in self.orders.items():
            init = f"netcode/{folder}/__init__.py".replace("//", "/")
            for room in sorted(self.rooms(folder) - set(order)):
                yield f"{init}:1: the docstring does not name room {room}"

    def outside_world(self) -> Iterator[str]:
        """Sockets, clocks, threads and entropy named where they may not be."""
        for path in self.tree:
            folder, room = place_of(path)
            place = f"{folder}/{room}/" if folder else ""
            is_shell = not folder and room in self.rooms("")
            if is_shell or place.startswith(tuple(f"{allowed}/" for allowed in OUTSIDE_ALLOWED)):
                continue
            for use in self.uses(path):
                if path == "netcode/__init__.py" and use.module == "?":
                    continue  # of names that its imports for type checkers name, see test_exports
                if named := outside_name(use):
                    allowed = ", ".join(OUTSIDE_ALLOWED)
                    yield f"{path}:{use.line}: names {named}; only shells, {allowed} may"

    def house_rules(self) -> Iterator[str]:
        """Sizes, names, stubs, include and the error contracts of cdef functions."""
        for path, text in self.tree.items():
            file = PurePosixPath(path)
            lines = text.count("\n") + (not text.endswith("\n") and text != "")
            if lines > MAX_LINES:
                yield f"{path}:{lines}: {lines} lines, more than {MAX_LINES}"
            if file.stem.startswith("_") and file.stem not in {"__init__", "__main__"}:
                yield f"{path}:1: underscore file name; what is public is said by __all__"
            if file.suffix == ".pyx" and str(file.with_suffix(".pyi")) not in self.tree:
                yield f"{path}:1: no stub {file.with_suffix('.pyi').name} beside it"
            if file.suffix == ".pxi":
                yield f"{path}:1: include file; share code with cimport"
            if file.suffix in {".pyx", ".pxd"}:
                yield from cython_rules(path, text)


def outside_name(use: Use) -> str:
    """What of the outside world an import names, or ""."""
    if OUTSIDE_MODULES.match(use.module) or OUTSIDE_CIMPORTS.match(use.module):
        return use.module
    if use.module == "?":
        return use.names[0]
    if use.module == "<header>" and OUTSIDE_HEADERS.match(use.names[0]):
        return use.names[0]
    if use.module == "os" and {"urandom", "getrandom"} & set(use.names):
        return "os.urandom"
    if use.module in {"numpy", "numpy.random"} and (use.module != "numpy" or "random" in use.names):
        return "numpy.random"
    if use.module == "libc.stdlib" and {"rand", "srand", "random"} & set(use.names):
        return "libc.stdlib.rand"
    return ""


def cython_rules(path: str, text: str) -> Iterator[str]:
    extern_indent = -1
    indents = [len(line) - len(line.lstrip()) for line in text.split("\n")]
    for number, statement in logical_lines(text):
        if not statement:
            continue
        if INCLUDE.match(statement):
            yield f"{path}:{number}: include; one .pyx is one module"
        indent = indents[number - 1]
        if extern_indent >= 0 and indent <= extern_indent:
            extern_indent = -1
        if re.match(r"cdef (?:public )?extern\b", statement):
            extern_indent = indent
        match = C_FUNCTION.match(statement)
        if extern_indent >= 0 or not match or "=" in statement.partition("(")[0]:
            continue
        after = statement[statement.rindex(")") :]
        needs = "nogil" in after or C_SCALAR.search(match["returns"].strip())
        if needs and not re.search(r"\b(?:noexcept|except)\b", after):
            yield f"{path}:{number}: cdef function without noexcept or except: {statement[:60]}"
