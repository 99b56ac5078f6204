from typing_extensions import Buffer

from netcode.compat.reliable.config import PacketHeader

__all__ = ["read_header", "write_header"]

def write_header(sequence: int, ack: int, ack_bits: int) -> bytes: ...
def read_header(data: Buffer) -> PacketHeader: ...
