"""Reading a class statement: from a schema's body to its fields, its codec and its methods."""

from __future__ import annotations

import builtins
import re
import sys
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from netcode.errors import EncodeError, SchemaError
from netcode.schema.codec import Codec
from netcode.schema.instance import Instance
from netcode.schema.kinds import Field, NestedKind
from netcode.schema.limits import MAX_BITS, MAX_DEPTH, MAX_FIELDS
from netcode.schema.program import Program, build
from netcode.schema.resolve import flat, resolve, since_of

__all__ = ["Body", "Compiled", "add_methods", "compile_fields", "fresh", "read_body"]

CLASS_VAR = re.compile(r"\s*(\w+\s*\.\s*)*ClassVar\b")


@dataclass(frozen=True, slots=True)
class Body:
    """What a class statement says."""

    schema: str
    own: dict[str, Any]
    """The annotations of its own fields, not evaluated."""
    others: dict[str, Any]
    """Those of its class variables."""
    defaults: dict[str, Any]
    inherited: tuple[Field, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All fields in wire order; one that is annotated again keeps its place."""
        return tuple(dict.fromkeys((*(field.name for field in self.inherited), *self.own)))


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the fields of a class come to."""

    fields: tuple[Field, ...]
    kind: NestedKind
    program: Program
    codec: Codec


def read_body(
    name: str, parents: list[Any], namespace: dict[str, Any], reserved: frozenset[str]
) -> Body:
    """Take the fields out of a class body, and put slots in.

    Raises:
        SchemaError: a name is taken, or a default cannot be meant.
    """
    if len(parents) > 1:
        names = " and ".join(parent.__name__ for parent in parents)
        raise SchemaError(f"{name}: a schema inherits from one schema, not from {names}")
    if "__slots__" in namespace:
        raise SchemaError(f"{name}: __slots__ is made from the fields")
    annotations = annotations_of(namespace)
    others = {key: hint for key, hint in annotations.items() if is_class_var(hint)}
    own = {key: hint for key, hint in annotations.items() if key not in others}
    defaults = {}
    for field in own:
        check_name(name, field, reserved)
        if field in namespace:
            defaults[field] = namespace.pop(field)
    body = Body(name, own, others, defaults, parents[0].fields)
    for inherited in body.inherited:
        if inherited.name in namespace:
            raise SchemaError(
                f"{name}.{inherited.name}: it is a field of {parents[0].__name__}; "
                "to give it another default, write its annotation again"
            )
    if len(body.names) > MAX_FIELDS:
        raise SchemaError(
            f"{name} has {len(body.names)} fields, at most {MAX_FIELDS} are possible; "
            "move some into a nested schema"
        )
    taken = {field.name for field in body.inherited}
    namespace["__slots__"] = tuple(field for field in own if field not in taken)
    namespace["__match_args__"] = body.names
    return body


def annotations_of(namespace: dict[str, Any]) -> Mapping[str, Any]:
    """The annotations in a class body, which may be strings or forward references."""
    found: Mapping[str, Any] = namespace.get("__annotations__", {})
    if sys.version_info >= (3, 14) and not found:
        import annotationlib

        annotate = annotationlib.get_annotate_from_class_namespace(namespace)
        if annotate is not None:
            form = annotationlib.Format.FORWARDREF
            found = annotationlib.call_annotate_function(annotate, form)
    return found


def is_class_var(hint: Any) -> bool:
    if isinstance(hint, str):
        return CLASS_VAR.match(hint) is not None
    return hint is ClassVar or typing.get_origin(hint) is ClassVar


def check_name(schema: str, field: str, reserved: frozenset[str]) -> None:
    if field.startswith("_"):
        raise SchemaError(f"{schema}.{field}: names of fields do not begin with an underscore")
    if field in reserved:
        raise SchemaError(
            f"{schema}.{field}: every schema has {field} for its own use, as well as "
            f"{', '.join(sorted(reserved - {field}))}"
        )


def evaluate(cls: type, own: dict[str, Any], surroundings: Mapping[str, Any]) -> dict[str, Any]:
    """The annotations as types; strings see the module, ``surroundings`` and the class itself."""
    holder = type(cls.__name__, (), {"__annotations__": own, "__module__": cls.__module__})
    module = sys.modules.get(cls.__module__)
    names = {**surroundings, cls.__name__: cls}
    try:
        return typing.get_type_hints(
            holder, vars(module) if module else {}, names, include_extras=True
        )
    except NameError as error:
        raise SchemaError(
            f"{cls.__name__}: an annotation names {error.name!r}, which is not defined here"
        ) from error
    except (SyntaxError, TypeError) as error:
        raise SchemaError(f"{cls.__name__}: an annotation is no type: {error}") from error


def compile_fields(cls: Any, body: Body, surroundings: Mapping[str, Any]) -> Compiled:
    """Resolve the annotations, compile the codec and try the defaults.

    Raises:
        SchemaError: anything is wrong; names the class and the field.
    """
    hints = evaluate(cls, body.own, surroundings)
    cls.__annotations__ = {**body.others, **hints}  # so that others need not evaluate them
    inherited = {field.name: field for field in body.inherited}
    fields = tuple(make_field(cls, body, name, hints, inherited) for name in body.names)
    kind = NestedKind(cls, fields)
    if kind.depth > MAX_DEPTH:
        raise SchemaError(f"{body.schema} is nested deeper than {MAX_DEPTH} levels")
    if kind.bits_max > MAX_BITS:
        raise SchemaError(
            f"{body.schema}: an object can take {kind.bits_max // 8:,} bytes, "
            f"at most {MAX_BITS // 8:,} are possible"
        )
    program = build(cls, fields)
    codec = Codec(cls, body.schema, program, kind.dtype)
    check_defaults(body.schema, fields, codec)
    return Compiled(fields, kind, program, codec)


def make_field(
    cls: type, body: Body, name: str, hints: dict[str, Any], inherited: dict[str, Field]
) -> Field:
    if name not in hints:
        return inherited[name]
    where = f"{body.schema}.{name}"
    if cls in flat(hints[name]):
        raise SchemaError(f"{where}: a schema cannot contain itself")
    kind = resolve(hints[name], where)
    since = since_of(hints[name], where)
    return Field(name, kind, name in body.defaults, body.defaults.get(name), since)


def check_defaults(schema: str, fields: tuple[Field, ...], codec: Codec) -> None:
    before = ""
    newest = fields[0] if fields else None
    for i, field in enumerate(fields):
        if newest is not None and field.since < newest.since:
            raise SchemaError(
                f"{schema}.{field.name}: a field of version {field.since} cannot follow "
                f"{newest.name}, which is there since {newest.since}: fields are added at the end"
            )
        newest = field
        if not field.has_default:
            if field.since > 1:
                raise SchemaError(
                    f"{schema}.{field.name}: a field since version {field.since} needs a default, "
                    "which is its value where an older peer sent none"
                )
            if before:
                raise SchemaError(
                    f"{schema}.{field.name}: a field without a default cannot follow {before}, "
                    "which has one"
                )
            continue
        before = field.name
        try:
            codec.check(i, field.default)
        except EncodeError as error:
            raise SchemaError(
                f"{schema}.{field.name}: the default does not fit: {error}"
            ) from error


def fresh(value: Any) -> Any:
    """The value itself, or a copy where it can be changed."""
    if isinstance(value, list):
        return [fresh(item) for item in value]
    return cast(Any, value).copy() if isinstance(value, Instance) else value


def add_methods(cls: Any, fields: tuple[Field, ...], namespace: Mapping[str, Any]) -> None:
    """``__init__`` and ``__eq__`` as one would write them by hand, unless one has."""
    this = "self" if "self" not in cls.__match_args__ else "_self"
    values: dict[str, Any] = {"_fresh": fresh}
    parameters = [this]
    lines = []
    for i, field in enumerate(fields):
        value = field.name
        if field.has_default:
            values[f"_default{i}"] = field.default
            parameters.append(f"{field.name}=_default{i}")
            if isinstance(field.default, (list, Instance)):
                value = f"_fresh({value}) if {value} is _default{i} else {value}"
        else:
            parameters.append(field.name)
        lines.append(f"    {this}.{field.name} = {value}\n")
    if hasattr(cls, "__post_init__"):
        lines.append(f"    {this}.__post_init__()\n")
    equal = " and ".join(f"self.{f.name} == other.{f.name}" for f in fields) or "True"
    source = (
        f"def __init__({', '.join(parameters)}):\n{''.join(lines) or '    pass'}\n"
        "def __eq__(self, other):\n"
        "    if other.__class__ is not self.__class__:\n"
        "        return NotImplemented\n"
        f"    return {equal}\n"
    )
    builtins.exec(source, values)
    values["__init__"].__annotations__ = {"return": None}
    for name in ("__init__", "__eq__"):
        if name not in namespace:
            values[name].__qualname__ = f"{cls.__qualname__}.{name}"
            values[name].__module__ = cls.__module__
            setattr(cls, name, values[name])
    if "__hash__" not in namespace:
        cls.__hash__ = None  # a class with __eq__ whose objects change has none
