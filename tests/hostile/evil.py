"""Peers that hold valid keys and mean harm: a server and a client with every byte in their hands.

Their endpoints have no channels, so what they send as a payload is a transport packet, whatever
it is; a ChannelEndpoint beside them makes the packets that are well-formed.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from virtual_game import ADDRESS

from netcode.channel import ChannelEndpoint, Message
from netcode.io import MemoryNetwork
from netcode.security import ConnectToken
from netcode.security.dialect import DEVELOPMENT_KEY
from netcode.session import (
    ClientConfig,
    ClientConnected,
    ClientEndpoint,
    DatagramBatch,
    ServerConfig,
    ServerEndpoint,
)
from netcode.shell.channels import ChannelNames
from netcode.shell.host import VIRTUAL_EPOCH

__all__ = ["EvilClient", "EvilServer"]


class EvilServer:
    """A server whose clients' messages go to ``on_message(index, data)``."""

    def __init__(self, network: MemoryNetwork, seed: int = 1) -> None:
        self.network = network
        self.transport = network.bind(ADDRESS)
        self.endpoint = ServerEndpoint(
            ServerConfig(protocol_id=0, private_key=DEVELOPMENT_KEY, addresses=[ADDRESS],
                         max_clients=8, channels=None),
            entropy=random.Random(seed).randbytes,
            epoch=VIRTUAL_EPOCH,
        )  # fmt: skip
        self.channels: dict[int, ChannelEndpoint] = {}
        self.on_message: Callable[[int, Message], None] = lambda index, message: None
        self.on_connect: Callable[[int], None] = lambda index: None
        network.background.append(self.act)

    def act(self) -> None:
        now, batch = self.network.now(), DatagramBatch()
        if self.transport.receive_into(batch):
            self.endpoint.receive(batch, now)
        self.endpoint.update(now)
        for event in self.endpoint.events():
            if isinstance(event, ClientConnected):
                self.channels[event.index] = ChannelEndpoint(ChannelNames(None).config)
                self.on_connect(event.index)
            else:
                self.channels.pop(event.index, None)
        for index, data in self.endpoint.payloads():
            if index in self.channels:
                self.channels[index].receive(data, now)
                for item in self.channels[index].drain():
                    if isinstance(item, Message):
                        self.on_message(index, item)
        self.flush()

    def flush(self) -> None:
        now = self.network.now()
        for index, channel in self.channels.items():
            if index in self.endpoint.connected:
                for packet in channel.build_all(now):
                    self.endpoint.send_payload(index, packet)
        self.transport.send(self.endpoint.send(now))


class EvilClient:
    """A client that connects to ADDRESS; ``pump`` moves its datagrams."""

    def __init__(self, network: MemoryNetwork, client_id: int, **options: object) -> None:
        self.network = network
        self.transport = network.bind(("127.0.0.1", 0))
        settings: dict = {
            "protocol_id": 0,
            "private_key": DEVELOPMENT_KEY,
            "client_id": client_id,
            "servers": [ADDRESS],
            "unix_now": VIRTUAL_EPOCH + network.now(),
            "entropy": random.Random(client_id).randbytes,
        }
        token = ConnectToken.create(**settings | options)
        self.endpoint = ClientEndpoint(
            ClientConfig(token=token, channels=None), entropy=random.Random(client_id).randbytes
        )
        self.channel = ChannelEndpoint(ChannelNames(None).config)

    @property
    def connected(self) -> bool:
        return self.endpoint.state == 3

    def pump(self) -> list[object]:
        """Receive and send; what the server's channels delivered."""
        now, batch = self.network.now(), DatagramBatch()
        if self.transport.receive_into(batch):
            self.endpoint.receive(batch, now)
        self.endpoint.update(now)
        for _, data in self.endpoint.payloads():
            self.channel.receive(data, now)
        if self.connected:
            for packet in self.channel.build_all(now):
                self.endpoint.send_payload(packet)
        self.transport.send(self.endpoint.send(now))
        return list(self.channel.drain())

    def close(self) -> None:
        self.endpoint.disconnect()
        self.transport.send(self.endpoint.send(self.network.now()))
        self.transport.close()
