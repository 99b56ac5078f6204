"""The op program of one schema class in memory, and the errors of its runs."""

from typing import final

from netcode.schema.program import Program

@final
class Assembly:
    def __new__(cls, made: type, schema: str, compiled: Program) -> Assembly: ...
