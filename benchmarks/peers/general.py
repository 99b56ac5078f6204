"""General serializers: no quantising, each in the fastest form that its users have.

msgspec gets Struct classes (array-like, not tracked by the collector); protobuf gets messages
built beforehand, from a descriptor made here; the others get tuples, and return tuples or lists.
"""

from __future__ import annotations

import dataclasses
import pickle
import types
import typing
from typing import Any

import workloads as w

from peers import Codec

INPUTS = [dataclasses.astuple(item) for item in w.INPUTS]
ENTITIES = [dataclasses.astuple(item) for item in w.ENTITIES]
CHAT = dataclasses.astuple(w.CHAT)

TUPLES: dict[str, list[Any]] = {
    "w1": INPUTS,
    "w2": ENTITIES,
    "w3": [ENTITIES],
    "w4": [w.W4_VALUES],
    "w5": [CHAT],
}


def msgspec_codec(workload: str) -> Codec:
    import msgspec

    def struct(cls: type) -> Any:
        fields = list(typing.get_type_hints(cls).items())
        return msgspec.defstruct(cls.__name__, fields, array_like=True, gc=False)

    if workload == "w4":
        numbers = msgspec.msgpack.Decoder(list[int])
        return Codec(TUPLES[workload], msgspec.msgpack.Encoder().encode, numbers.decode)
    kind = struct({"w1": w.Input, "w5": w.Chat}.get(workload, w.Entity))
    objects: list[Any] = [kind(*item) for item in TUPLES["w2" if workload == "w3" else workload]]
    if workload == "w3":
        kind, objects = types.GenericAlias(list, (kind,)), [objects]
    return Codec(objects, msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(kind).decode)


def msgpack_codec(workload: str) -> Codec:
    import msgpack  # type: ignore[import-untyped]

    # Floats of 32 bits, as its users would choose here.
    packer = msgpack.Packer(use_single_float=True)
    return Codec(TUPLES[workload], packer.pack, lambda data: msgpack.unpackb(data, use_list=False))


def cbor2_codec(workload: str) -> Codec:
    import cbor2

    return Codec(TUPLES[workload], cbor2.dumps, cbor2.loads)


def orjson_codec(workload: str) -> Codec:
    import orjson

    return Codec(TUPLES[workload], orjson.dumps, orjson.loads)


def pickle_codec(workload: str) -> Codec:
    return Codec(TUPLES[workload], lambda item: pickle.dumps(item, protocol=5), pickle.loads)


def protobuf_classes() -> dict[str, Any]:
    """Message classes from a descriptor; no protoc."""
    from google.protobuf import (  # type: ignore[import-untyped]
        descriptor_pb2,
        descriptor_pool,
        message_factory,
    )

    kinds = {
        "bool": descriptor_pb2.FieldDescriptorProto.TYPE_BOOL,
        "uint": descriptor_pb2.FieldDescriptorProto.TYPE_UINT32,
        "float": descriptor_pb2.FieldDescriptorProto.TYPE_FLOAT,
        "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
        "Entity": descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE,
    }
    messages = {
        "Input": ["seq uint", "tick uint"]
        + [f"b{i} bool" for i in range(8)]
        + ["stick_x float", "stick_y float", "yaw float"],
        "Entity": ["id uint", "type uint", "position float*", "rotation float*"]
        + ["velocity float*", "hp uint"]
        + [f"f{i} bool" for i in range(6)],
        "Snapshot": ["entities Entity*"],
        "Numbers": ["values uint*"],
        "Chat": ["sender uint", "channel uint", "text string", "to uint*"],
    }
    file = descriptor_pb2.FileDescriptorProto(
        name="netcode_benchmark.proto", package="netcode_benchmark", syntax="proto3"
    )
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for index, text in enumerate(fields, 1):
            field, kind = text.split()
            message.field.add(
                name=field,
                number=index,
                type=kinds[kind.rstrip("*")],
                type_name=".netcode_benchmark.Entity" if kind.startswith("Entity") else None,
                label=3 if kind.endswith("*") else 1,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"netcode_benchmark.{name}")
        )
        for name in messages
    }


def protobuf_codec(workload: str) -> Codec:
    classes = protobuf_classes()

    def entity(item: w.Entity) -> dict[str, Any]:
        values = {f.name: getattr(item, f.name) for f in dataclasses.fields(item)}
        return values | {"velocity": item.velocity or ()}

    if workload == "w1":
        kind = classes["Input"]
        objects = [kind(**dataclasses.asdict(item)) for item in w.INPUTS]
    elif workload == "w5":
        kind = classes["Chat"]
        objects = [kind(**dataclasses.asdict(w.CHAT))]
    elif workload == "w4":
        kind = classes["Numbers"]
        objects = [kind(values=w.W4_VALUES)]
    elif workload == "w2":
        kind = classes["Entity"]
        objects = [kind(**entity(item)) for item in w.ENTITIES]
    else:
        kind = classes["Snapshot"]
        objects = [kind(entities=[classes["Entity"](**entity(item)) for item in w.ENTITIES])]
    return Codec(objects, kind.SerializeToString, kind.FromString)


def __getattr__(name: str) -> Any:
    """``msgspec_w2`` and so on: one function of no arguments for each peer and workload."""
    peer, _, workload = name.rpartition("_")
    make = globals().get(f"{peer}_codec")
    if make is None or workload not in TUPLES:
        raise AttributeError(name)
    return lambda: make(workload)
