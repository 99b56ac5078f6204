"""Trained models of tables: read at both ends, named in the hello, one chosen for a client."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from netcode.delta.model import Model, shape_hash
from netcode.delta.shape import Shape
from netcode.errors import ConfigError
from netcode.replication.hello import MAX_MODELS, ModelName
from netcode.schema import Schema

__all__ = ["ModelSource", "Models", "TableModels", "shown"]

ModelSource = Model | bytes | str | os.PathLike[str]
"""A model, the bytes of its file, or the file's path."""

SHOWN: Final = 4
"""Models of an end that a line of the log names; of more, how many."""


class TableModels:
    """The models that one end has of one table, the preferred first.

    Each is for one version of the schema, or for several that do not differ in lanes.

    Raises:
        ConfigError: a file is no model, is for another schema, or there are more than 8.
        OSError: a file cannot be read.
    """

    def __init__(self, schema: type[Schema], sources: Sequence[ModelSource]) -> None:
        if isinstance(sources, (str, bytes, os.PathLike, Model)):
            raise ConfigError(f"models of {schema.__name__} are a list, not one {sources!r:.40}")
        if len(sources) > MAX_MODELS:
            raise ConfigError(
                f"{len(sources)} models of {schema.__name__}; the limit is {MAX_MODELS}"
            )
        self.schema = schema
        self.shapes: dict[int, Shape] = {}
        for version in reversed(schema.schema_versions):
            try:
                self.shapes[version] = Shape.of(schema.codec_for(version))
            except ConfigError:
                continue  # its rows can only be plain
        self.models: dict[int, Model] = {}
        for source in sources:
            model = self.read(source)
            self.models[model.hash] = model
        self.names = tuple(ModelName(key, model.name) for key, model in self.models.items())

    def read(self, source: ModelSource) -> Model:
        """The model of a source, for one of the versions."""
        if isinstance(source, Model):
            if all(shape_hash(each) != shape_hash(source.shape) for each in self.shapes.values()):
                raise ConfigError(f"the model {source.name!r} is not for {self.schema.__name__}")
            return source
        what, data = "a model", source
        if not isinstance(data, bytes):
            what, data = str(data), Path(data).read_bytes()
        reason = "no version of it has lanes to predict"
        for version in sorted(self.shapes):  # what is said last is about the newest
            try:
                return Model.from_bytes(data, self.shapes[version])
            except ConfigError as error:
                reason = str(error)
        raise ConfigError(f"{what}, for {self.schema.__name__}: {reason}")

    def fitting(self, version: int) -> dict[int, Model]:
        """By hash, those for a version of the schema."""
        if version not in self.shapes:
            return {}
        wanted = shape_hash(self.shapes[version])
        return {
            key: model for key, model in self.models.items() if shape_hash(model.shape) == wanted
        }

    def name_of(self, model: Model) -> ModelName:
        """What the hello calls one of these."""
        return next(ModelName(key, each.name) for key, each in self.models.items() if each is model)

    def choose(self, version: int, offered: Sequence[ModelName]) -> Model | None:
        """The most preferred that is offered too; None: the untrained tables it is."""
        theirs = {each.hash for each in offered}
        fitting = self.fitting(version).items()
        return next((model for key, model in fitting if key in theirs), None)


class Models:
    """The models of one end, by schema.

    Raises:
        ConfigError: models of a schema that is not in ``tables``; or as TableModels.
    """

    def __init__(
        self,
        tables: Sequence[type[Schema]] = (),
        given: Mapping[type[Schema], Sequence[ModelSource] | TableModels] | None = None,
    ) -> None:
        self.tables: dict[type[Schema], TableModels] = {}
        for schema, sources in (given or {}).items():
            if schema not in tables:
                raise ConfigError(f"models for {schema.__name__}, which is not in tables=")
            made = sources if isinstance(sources, TableModels) else TableModels(schema, sources)
            if made.models:
                self.tables[schema] = made

    def of(self, schema: type[Schema]) -> TableModels:
        """Those of a table, maybe none."""
        return self.tables.get(schema) or TableModels(schema, ())

    def names(self, schema: type[Schema]) -> tuple[ModelName, ...]:
        """What the hello says of a table."""
        return self.tables[schema].names if schema in self.tables else ()

    def preferred(self, schema: type[Schema], version: int) -> ModelName | None:
        """The one that a client of a version would best have."""
        fitting = self.of(schema).fitting(version) if schema in self.tables else {}
        return next((ModelName(key, model.name) for key, model in fitting.items()), None)


def shown(names: Sequence[ModelName]) -> str:
    """Models in words; a peer's names are quoted."""
    words = [f"{each.name!r} ({each.hash:016x})" for each in names[:SHOWN]]
    if len(names) > SHOWN:
        words.append(f"{len(names) - SHOWN} more")
    return ", ".join(words) or "none"
