"""The reference's recorded session, byte for byte, through our server and through our client."""

from __future__ import annotations

from typing import Any

import pytest
import vectors

from netcode.security import ConnectToken, PacketType, open_packet
from netcode.session import ClientConfig, ClientEndpoint, ServerConfig, ServerEndpoint

CLIENT = ("127.0.0.1", 50000)


class Recording:
    """What the reference's two applications did, read back out of the packets they sent."""

    def __init__(self) -> None:
        t: Any = vectors.load("netcode.json", "transcript")
        self.token_bytes = bytes.fromhex(t["connect_token"])
        self.token = ConnectToken.from_bytes(self.token_bytes)
        self.challenge_key = bytes.fromhex(t["challenge_key"])
        self.private_key = bytes.fromhex(t["private_key"])
        self.max_clients: int = t["max_clients"]
        self.states: list[int] = t["client_state_per_tick"]
        self.connected: list[int] = t["server_num_connected_per_tick"]
        self.times = [t["packets"][0]["time"]]
        for _ in self.states[1:]:
            self.times.append(self.times[-1] + t["dt"])
        self.sent: dict[str, list[list[bytes]]] = {"c2s": [], "s2c": []}
        self.payloads: dict[str, list[list[bytes]]] = {"c2s": [], "s2c": []}
        self.leaves: dict[str, set[int]] = {"c2s": set(), "s2c": set()}
        keys = {
            "c2s": self.token.client_to_server_key,
            "s2c": self.token.server_to_client_key,
        }
        for direction, key in keys.items():
            for tick, time in enumerate(self.times):
                packets = [
                    bytes.fromhex(p["packet"])
                    for p in t["packets"]
                    if p["dir"] == direction and abs(p["time"] - time) < t["dt"] / 4
                ]
                payloads = []
                for packet in packets:
                    if packet[0] == 0:
                        continue
                    content = open_packet(packet, protocol_id=t["protocol_id"], key=key)
                    assert content.reason == "ok"
                    if content.type == PacketType.PAYLOAD:
                        payloads.append(content.body)
                    if content.type == PacketType.DISCONNECT:
                        self.leaves[direction].add(tick)
                self.sent[direction].append(packets)
                self.payloads[direction].append(payloads)
        assert sum(map(len, self.sent["c2s"] + self.sent["s2c"])) == len(t["packets"])

    def server(self) -> ServerEndpoint:
        config = ServerConfig(
            protocol_id=self.token.protocol_id,
            private_key=self.private_key,
            addresses=self.token.open_private(self.private_key).servers,
            max_clients=self.max_clients,
            channels=None,
        )
        return ServerEndpoint(
            config, entropy=lambda n: self.challenge_key if n == 32 else bytes(n), epoch=0.0
        )

    def client(self) -> ClientEndpoint:
        config = ClientConfig(token=self.token_bytes, channels=None, answer_at_once=False)
        return ClientEndpoint(config)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return Recording()


def test_server_against_transcript_vector(recording: Recording) -> None:
    server = recording.server()
    delivered = []
    for tick, now in enumerate(recording.times):
        for payload in recording.payloads["s2c"][tick]:
            server.send_payload(0, payload)
        if tick in recording.leaves["s2c"]:
            server.disconnect(0)
        for packet in recording.sent["c2s"][tick]:
            server.receive_datagram(packet, CLIENT, now)
        server.update(now)
        assert [data for data, _ in server.send(now)] == recording.sent["s2c"][tick], tick
        assert len(server.connected) == recording.connected[tick]
        delivered += [data for _, data in server.payloads()]
    assert delivered == [data for tick in recording.payloads["c2s"] for data in tick]


def test_client_against_transcript_vector(recording: Recording) -> None:
    client = recording.client()
    delivered = []
    arriving: list[bytes] = []
    for tick, now in enumerate(recording.times):
        for payload in recording.payloads["c2s"][tick]:
            client.send_payload(payload)
        if tick in recording.leaves["c2s"]:
            client.disconnect()
        for packet in arriving:
            client.receive_datagram(packet, recording.token.servers[0], now)
        client.update(now)
        assert [data for data, _ in client.send(now)] == recording.sent["c2s"][tick], tick
        assert client.state == recording.states[tick]
        arriving = recording.sent["s2c"][tick]
        delivered += [data for _, data in client.payloads()]
    assert delivered == [data for tick in recording.payloads["s2c"] for data in tick]


def test_both_against_transcript_vector(recording: Recording) -> None:
    client, server = recording.client(), recording.server()
    arriving: list[bytes] = []
    for tick, now in enumerate(recording.times):
        for payload in recording.payloads["c2s"][tick]:
            client.send_payload(payload)
        for payload in recording.payloads["s2c"][tick]:
            server.send_payload(0, payload)
        if tick in recording.leaves["c2s"]:
            client.disconnect()
        for packet in arriving:
            client.receive_datagram(packet, recording.token.servers[0], now)
        client.update(now)
        to_server = [data for data, _ in client.send(now)]
        for packet in to_server:
            server.receive_datagram(packet, CLIENT, now)
        server.update(now)
        arriving = [data for data, _ in server.send(now)]
        assert (to_server, arriving) == (
            recording.sent["c2s"][tick],
            recording.sent["s2c"][tick],
        )
