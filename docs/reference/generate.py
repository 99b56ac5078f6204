"""Writes the API pages from the code: signatures from the stubs, prose from the docstrings.

python docs/reference/generate.py           write the pages
python docs/reference/generate.py --check   exit with 1 when a page is out of date
"""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FLOORS = ("bits", "schema", "delta", "channel", "security", "session", "replication", "simulation")
MADE = "<!-- Made by docs/reference/generate.py from the docstrings; do not edit. -->"
GIVEN = {"Client", "Player", "Tick", "Request", "Entity", "Received", "Message", "Joined", "Left",
         "Disconnected", "ServerStats", "ConnectionStats", "ChannelStats"}  # fmt: skip
"""Classes whose objects the library makes; their constructors are not shown."""
INTERNAL = {"add", "check", "drop", "finish", "part", "poll", "send_control", "strike", "transmit"}
"""Methods of those classes that the library calls itself."""
HIDDEN_BASES = ("Generic", "ServerLoop", "Instance", "NamedTuple", "Marker")
SECTION = re.compile(r"^(Args|Arguments|Attributes|Parameters|Raises|Returns|Yields):$")


Function = ast.FunctionDef | ast.AsyncFunctionDef


class Source:
    """The definitions of one module, from its stub or its source."""

    def __init__(self, module: ModuleType) -> None:
        base = ROOT / module.__name__.replace(".", "/")
        candidates = (base.with_suffix(".pyi"), base.with_suffix(".py"), base / "__init__.py")
        found = [path for path in candidates if path.exists()]
        self.text = found[0].read_text(encoding="utf-8") if found else ""
        self.body = ast.parse(self.text).body

    def find(self, name: str) -> list[ast.stmt]:
        """The statements that define a name: one, or one for each overload."""
        return [node for node in self.body if name in defined_by(node)]

    def inside(self, node: ast.ClassDef) -> int:
        """The line from which on a class is no longer for its users."""
        lines = self.text.split("\n")
        last = node.end_lineno or node.lineno
        marks = (n for n in range(node.lineno, last) if lines[n - 1].strip() == "# Inside.")
        return next(marks, last + 1)


def defined_by(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.name]
    if isinstance(node, ast.AnnAssign):
        return [ast.unparse(node.target)]
    if isinstance(node, ast.Assign):
        return [ast.unparse(target) for target in node.targets]
    if isinstance(node, ast.If):  # a branch for a platform or a type checker
        return [name for inner in (*node.body, *node.orelse) for name in defined_by(inner)]
    return []


def doc_of(node: ast.AST | None, value: object) -> str:
    """The docstring of a definition: the stub's where it has one, else the object's own."""
    definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    stubbed = ast.get_docstring(node) if isinstance(node, definition) else None
    return stubbed or getattr(value, "__doc__", None) or ""


def prose(doc: str | None, name: str) -> str:
    """A docstring as Markdown."""
    text = inspect.cleandoc(doc or "")
    first, _, rest = text.partition("\n")
    if re.match(rf"(?:\w+\.)*{re.escape(name)}\(", first):  # Cython puts the signature on top
        text = rest.strip()
    lines: list[str] = []
    inside = False
    for line in text.replace("``", "`").split("\n"):
        if SECTION.match(line):
            inside = True
            lines += [f"*{line.removesuffix(':')}:*", ""]
        elif inside and re.match(r"    \S", line):
            head, colon, tail = line.strip().partition(": ")
            lines.append(f"- `{head.strip('`')}`: {tail}" if colon else f"- {line.strip()}")
        elif inside and line.startswith("      "):
            lines.append("  " + line.strip())
        else:
            inside = inside and not line.strip()
            lines.append(line.removesuffix(":") if line.endswith("::") else line)
    return "\n".join(lines).strip()


def shown_arguments(spec: ast.arguments) -> list[str]:
    """The arguments of a function as it is called: without self, with spaces round defaults."""

    def one(arg: ast.arg, default: ast.expr | None, stars: str = "") -> str:
        text = stars + arg.arg + (f": {ast.unparse(arg.annotation)}" if arg.annotation else "")
        equals = " = " if arg.annotation else "="
        return text + (f"{equals}{ast.unparse(default)}" if default else "")

    plain = [*spec.posonlyargs, *spec.args]
    given = [None] * (len(plain) - len(spec.defaults)) + list(spec.defaults)
    parts = [one(arg, default) for arg, default in zip(plain, given, strict=True)]
    if spec.posonlyargs:
        parts.insert(len(spec.posonlyargs), "/")
    if plain and plain[0].arg in {"self", "cls"}:
        del parts[0]
        parts = parts[1:] if parts[:1] == ["/"] else parts
    if spec.vararg:
        parts.append(one(spec.vararg, None, "*"))
    elif spec.kwonlyargs:
        parts.append("*")
    pairs = zip(spec.kwonlyargs, spec.kw_defaults, strict=True)
    parts += [one(arg, default) for arg, default in pairs]
    if spec.kwarg:
        parts.append(one(spec.kwarg, None, "**"))
    return parts


def call(name: str, parts: list[str], result: str = "") -> str:
    """A call on one line, or with one argument a line when it is long."""
    line = f"{name}({', '.join(parts)}){result}"
    if len(line) <= 96:
        return line
    return f"{name}(\n    " + ",\n    ".join(parts) + f",\n){result}"


def signature(node: Function, name: str | None = None) -> str:
    result = f" -> {ast.unparse(node.returns)}" if node.returns and name is None else ""
    head = "async def " if isinstance(node, ast.AsyncFunctionDef) else ""
    return call(head + (name or node.name), shown_arguments(node.args), result)


def is_property(node: Function) -> bool:
    return any(ast.unparse(d).endswith(("property", "getter")) for d in node.decorator_list)


def is_overload(node: Function) -> bool:
    return any(ast.unparse(d).endswith("overload") for d in node.decorator_list)


def own_members(value: type) -> Iterator[tuple[ast.stmt, type]]:
    """What a class offers: its own members, then those of bases that have no entry themselves.

    A comment "# Inside." in a class ends what is for its users.
    """
    top = importlib.import_module("netcode")
    for base in (type(value), *value.__mro__):
        home = base.__module__ or ""
        named = base is not value and base.__name__ in top.__all__
        if not home.startswith("netcode") or (named and getattr(top, base.__name__) is base):
            continue
        source = Source(importlib.import_module(home))
        for node in source.find(base.__name__):
            if isinstance(node, ast.ClassDef):
                functions = [n for n in node.body if isinstance(n, Function)]
                whole = {n.name for n in functions if not is_overload(n)}
                cases = {n for n in functions if is_overload(n) and n.name in whole}
                for member in node.body:
                    if member in cases:
                        continue
                    if member.lineno < source.inside(node):
                        yield member, base


def constructor(node: ast.ClassDef, value: type) -> list[str]:
    """How to make one; empty for what the library makes for you."""
    if node.name in GIVEN:
        return []
    functions = [n for n in node.body if isinstance(n, Function)]
    makers = [n for n in functions if n.name in {"__init__", "__new__"}]
    makers = [n for n in makers if not is_overload(n)] or makers
    decorators = " ".join(ast.unparse(d) for d in node.decorator_list)
    if makers or "dataclass" not in decorators:
        return [signature(maker, node.name) for maker in makers]
    positional, named = [], []
    for field in node.body:
        if isinstance(field, ast.AnnAssign) and "ClassVar" not in ast.unparse(field.annotation):
            text = ast.unparse(field.target) + f": {ast.unparse(field.annotation)}"
            default = default_of(field)
            text += f" = {default}" if default else ""
            own = "kw_only=True" in decorators or "kw_only=True" in ast.unparse(field)
            (named if own else positional).append(text)
    return [call(node.name, [*positional, *(["*"] if named else []), *named])]


def default_of(field: ast.AnnAssign) -> str:
    """The default of a dataclass field as source; "" for none."""
    text = ast.unparse(field.value) if field.value else ""
    if text.startswith("field("):
        match = re.search(r"default=([^,)]+)", text)
        made = re.search(r"default_factory=(\w+)", text)
        return match[1] if match else f"{made[1]}()" if made else ""
    return text


def class_page(node: ast.ClassDef, value: type) -> Iterator[str]:
    """The class line, its docstring, then each public member."""
    bases = [base for base in map(ast.unparse, node.bases) if not base.startswith(HIDDEN_BASES)]
    head = f"class {node.name}" + (f"({', '.join(bases)})" if bases else "")
    yield "```text\n" + "\n".join([head, *constructor(node, value)]) + "\n```\n"
    doc = doc_of(node, value)
    yield prose(doc, node.name) + "\n"
    told = arguments(doc, "Attributes") | arguments(doc, "Args")
    rows: dict[str, str] = {}
    for member, base in own_members(value):
        if isinstance(member, ast.ClassDef):
            continue
        name = defined_by(member)[0] if defined_by(member) else "_"
        if name.startswith("_") or name in rows or name in told:
            continue
        if name in INTERNAL and node.name in {*GIVEN, "Server"}:
            continue
        if isinstance(member, Function):
            here = inspect.getattr_static(base, name, None)
            text = " ".join(prose(doc_of(member, here), name).split("\n\n")[0].split())
            shown = " ".join(signature(member).split()).replace("( ", "(").replace(", )", ")")
            if is_property(member):
                shown = name + (f": {ast.unparse(member.returns)}" if member.returns else "")
        elif isinstance(member, ast.AnnAssign) or issubclass(value, enum.Enum):
            text = field_docs(node).get(name, "")
            shown = name
            if isinstance(member, ast.AnnAssign):
                shown += f": {ast.unparse(member.annotation)}"
        else:
            continue
        if text or isinstance(member, ast.Assign):
            rows[name] = f"- `{shown}`" + (f": {text}" if text else "")
    if rows:
        yield "\n".join(rows.values()) + "\n"


def field_docs(node: ast.ClassDef) -> dict[str, str]:
    """Docstrings under the fields of a class."""
    found = {}
    for field, after in itertools.pairwise(node.body):
        if (
            isinstance(field, ast.AnnAssign | ast.Assign)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            text = " ".join(inspect.cleandoc(after.value.value).split())
            found[defined_by(field)[0]] = text.replace("``", "`")
    return found


def entry(package: ModuleType, name: str) -> Iterator[str]:
    value = getattr(package, name)
    home = importlib.import_module(getattr(value, "__module__", None) or package.__name__)
    if not home.__name__.startswith("netcode"):
        home = package
    nodes = Source(home).find(name) or find_below(package, name)
    yield f"### `{name}`\n"
    node = nodes[0] if nodes else None
    if isinstance(node, ast.ClassDef) and isinstance(value, type):
        yield from class_page(node, value)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        found = [n for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
        shown = [signature(n) for n in [n for n in found if not is_overload(n)] or found]
        yield "```text\n" + "\n".join(shown) + "\n```\n"
        yield prose(doc_of(node, value), name) + "\n"
    elif isinstance(value, ModuleType):
        yield prose(value.__doc__, name).split("\n\n")[0] + "\n"
    else:
        shown = repr(value)
        yield f"```text\n{name} = {shown}\n```\n" if len(shown) < 90 else ""


def find_below(package: ModuleType, name: str) -> list[ast.stmt]:
    """A constant or alias: the module that a package takes it from."""
    for node in Source(package).body:
        if isinstance(node, ast.ImportFrom) and any(a.name == name for a in node.names):
            return Source(importlib.import_module(node.module or "")).find(name)
    return []


def groups(package: ModuleType) -> Iterator[tuple[str, list[str]]]:
    """The names of __all__ under the comments that group them."""
    text = (ROOT / package.__name__.replace(".", "/") / "__init__.py").read_text(encoding="utf-8")
    match = re.search(r"__all__ = [\[(](.*?)^[\])]", text, re.DOTALL | re.MULTILINE)
    title, names = "", []
    for line in match[1].split("\n") if match else []:
        found = re.findall(r"\"(\w+)\"", line.partition("#")[0])
        if not found and line.strip().startswith("#"):
            if names:
                yield title, names
            title, names = line.strip().strip("# "), []
        names += found
    if not match:
        names = list(getattr(package, "__all__", []))
    if names:
        yield title, names


def top_page() -> str:
    package = importlib.import_module("netcode")
    out = ["# API", "", MADE, ""]
    out += [
        "Every name of `import netcode as nc`. The floors have names of their own on top of these:",
        "see [the floors](api-floors.md). Times are in seconds and sizes in bytes unless a name",
        "says otherwise.",
        "",
    ]
    for title, names in groups(package):
        out += [f"## {title[:1].upper()}{title[1:]}", ""] if title else []
        for name in names:
            out += entry(package, name)
    return tidy("\n".join(out))


def packages() -> list[str]:
    """Every package below netcode: the floors in their order, then the others."""
    found = (ROOT / "netcode").rglob("*/__init__.py")
    names = sorted(path.parent.relative_to(ROOT / "netcode").as_posix() for path in found)
    order = [*FLOORS, *(name for name in names if name not in FLOORS)]
    return [name.replace("/", ".") for name in order]


def floors_page() -> str:
    top = importlib.import_module("netcode")
    out = ["# API of the floors", "", MADE, ""]
    out += [
        "What each floor offers beyond [the top](api.md): for engines, tests, bots and tools.",
        "",
    ]
    for folder in packages():
        package = importlib.import_module(f"netcode.{folder}")
        names = list(getattr(package, "__all__", []))
        if not names:
            continue
        out += [f"## netcode.{folder}", "", prose(package.__doc__, folder), ""]
        above = [
            n for n in names if getattr(top, n, None) is getattr(package, n) and n in top.__all__
        ]
        if above:
            shown = ", ".join(f"[`{name}`](api.md#{name.lower()})" for name in above)
            out += [f"Also at the top: {shown}.", ""]
        for name in names:
            if name not in above:
                out += entry(package, name)
    return tidy("\n".join(out))


def arguments(doc: str | None, heading: str) -> dict[str, str]:
    """The items of a section such as "Args:" in a docstring."""
    found: dict[str, str] = {}
    names: list[str] = []
    inside = False
    for line in inspect.cleandoc(doc or "").replace("``", "`").split("\n"):
        if line == f"{heading}:":
            inside = True
        elif inside and line and not line.startswith(" "):
            break
        elif inside and (match := re.match(r"    ([\w, ]+): (.*)$", line)):
            names = match[1].split(", ")
            found |= dict.fromkeys(names, match[2])
        elif inside and line.strip():
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found


def defaults(node: ast.FunctionDef) -> dict[str, str]:
    """The defaults of a function's arguments, as source; "" for none."""
    spec = node.args
    given = [None] * (len(spec.args) - len(spec.defaults)) + list(spec.defaults)
    pairs = [
        *zip(spec.args, given, strict=True),
        *zip(spec.kwonlyargs, spec.kw_defaults, strict=True),
    ]
    return {arg.arg: ast.unparse(value) if value else "" for arg, value in pairs}


def table(rows: Iterator[tuple[str, str, str]]) -> list[str]:
    out = ["| option | default | meaning |", "|---|---|---|"]
    for name, default, meaning in rows:
        shown = f"`{default}`" if default else "required"
        out.append(f"| `{name}` | {shown} | {meaning} |".replace("||", "or"))
    return [*out, ""]


def function_rows(module: str, path: list[str], doc: str | None) -> Iterator[tuple[str, str, str]]:
    body = Source(importlib.import_module(module)).body
    for name in path:
        found = [n for n in body if name in defined_by(n)]
        node = next((n for n in found if not getattr(n, "decorator_list", [])), found[-1])
        body = getattr(node, "body", [])
    assert isinstance(node, ast.FunctionDef)
    values, meanings = defaults(node), arguments(doc, "Args")
    for name, default in values.items():
        if name in meanings:
            yield name, default, meanings[name]


def config_rows(value: type) -> Iterator[tuple[str, str, str]]:
    home = importlib.import_module(value.__module__)
    node = Source(home).find(value.__name__)[0]
    assert isinstance(node, ast.ClassDef)
    meanings = field_docs(node) or arguments(value.__doc__, "Attributes")
    for field in node.body:
        if isinstance(field, ast.AnnAssign):
            name = ast.unparse(field.target)
            yield name, default_of(field), meanings.get(name, "")


def configuration_page() -> str:
    top = importlib.import_module("netcode")
    session = importlib.import_module("netcode.session")
    connect = importlib.import_module("netcode.joining")
    out = ["# Configuration", "", MADE, ""]
    out += [
        "Times are in seconds and sizes in bytes. A wrong option is a `ConfigError` at once.",
        "",
    ]
    out += ["## Server", "", "What `netcode.Server(address, ...)` takes.", ""]
    out += table(function_rows("netcode.server", ["Server", "__init__"], top.Server.__doc__))
    out += ["## connect", "", "What `netcode.connect(address, ...)` takes, and so does"]
    out += ["`netcode.asyncio.connect`.", ""]
    prepared = function_rows("netcode.joining", ["prepare"], top.connect.__doc__)
    options = {name: default for name, default, _ in prepared}
    meanings = arguments(connect.connect.__doc__, "Args")
    options = {"address": "None", "input": "None", **options}
    out += table((name, options.get(name, ""), meanings[name]) for name in meanings)
    for value, about in (
        (
            top.TransportConfig,
            "The channels of a connection and what they share; `channels=` above.",
        ),
        (top.ChannelConfig, "One channel."),
        (
            top.ServerLimits,
            "What one address and one client may cost; `limits=` of `Server`, and fields of "
            "`ServerConfig`.",
        ),
        (
            session.ServerConfig,
            "The sans-IO `ServerEndpoint`; `Server` fills it in. It has the fields of "
            "`ServerLimits` too.",
        ),
        (session.ClientConfig, "The sans-IO `ClientEndpoint`; `connect()` fills it in."),
    ):
        out += [f"## {value.__name__}", "", about, "", *table(config_rows(value))]
    return tidy("\n".join(out))


UNINTERESTING = ("_", "POLL", "SIO_", "GAIN", "SNAP", "REVISION", "TICK_SAMPLES", "INBOX")
COMPILED_LIMITS = (
    ("delta", "HISTORY_TICKS", "Ticks a server keeps; a baseline is at most one less old."),
    ("delta", "SECTION_MAX_BYTES", "One section; with its packet it fits a datagram."),
)


def limits_page() -> str:
    """Every documented constant of the package."""
    out = ["# Limits", "", MADE, ""]
    out += ["What is bounded, and why. Limits that you can choose are in"]
    out += ["[the configuration](configuration.md); `ServerLimits` there says what one address and"]
    out += ["one client may cost a server.", ""]
    for folder in ("", *FLOORS, "io"):
        rows = []
        for path in sorted((ROOT / "netcode" / folder).glob("*.py")):
            body = ast.parse(path.read_text(encoding="utf-8")).body
            for node, after in itertools.pairwise(body):
                target = (
                    getattr(node, "target", None) or (getattr(node, "targets", None) or [None])[0]
                )
                value = getattr(node, "value", None)
                name = ast.unparse(target) if target is not None else ""
                documented = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                shown = name.isupper() and not name.startswith(UNINTERESTING)
                if shown and value is not None and documented:
                    module = ".".join(filter(None, ["netcode", folder, path.stem]))
                    number = getattr(importlib.import_module(module), name)
                    if isinstance(number, int | float):
                        meaning = " ".join(inspect.cleandoc(str(after.value.value)).split())
                        figure = f"{number:,}" if isinstance(number, int) else f"{number:g}"
                        rows.append(f"| `{name}` | {figure} | {meaning.replace('``', '`')} |")
        for home, name, why in COMPILED_LIMITS:
            if home == folder:
                number = getattr(importlib.import_module(f"netcode.{folder}"), name)
                rows.append(f"| `{name}` | {number:,} | {why} |")
        if rows:
            title = f"netcode.{folder}" if folder else "Shared, and the top floor"
            out += [f"## {title}", "", "| limit | value | why |", "|---|---|---|", *rows, ""]
    return tidy("\n".join(out))


def tidy(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def main() -> int:
    stale = []
    pages = {
        "api.md": top_page,
        "api-floors.md": floors_page,
        "configuration.md": configuration_page,
        "limits.md": limits_page,
    }
    for path, make in pages.items():
        text = make()
        page = HERE / path
        if "--check" in sys.argv:
            if not page.exists() or page.read_text(encoding="utf-8") != text:
                stale.append(path)
        else:
            page.write_text(text, encoding="utf-8")
    for path in stale:
        print(f"{path} is out of date: python docs/reference/generate.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
