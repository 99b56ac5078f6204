"""Talks to any netcode 1.02 peer in raw payloads: what a bot or a gateway for a game in C, C++,
Rust or C# is built on.

    python peer.py server 127.0.0.1:40000             # answers every payload with itself
    python peer.py client 127.0.0.1:40000             # sends one payload a tick, counts answers
    python peer.py client "[::1]:5000" --dialect renet --development-key

The key is 64 hex digits in NETCODE_KEY. Exit code 1 when no connection came about.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from netcode.io import Transport, open_udp, split_address
from netcode.security import ConnectToken, Dialect, random_bytes
from netcode.session import (
    ClientConfig,
    ClientDisconnected,
    ClientEndpoint,
    ClientState,
    DatagramBatch,
    Disconnected,
    ServerConfig,
    ServerEndpoint,
)

DIALECTS = {each.name: each for each in (Dialect.STANDARD, Dialect.RENET, Dialect.LIGHTYEAR)}
TICK = 1 / 60


def pump(endpoint: ClientEndpoint | ServerEndpoint, socket: Transport, now: float) -> bool:
    """Take in what arrived and run the timers; whether a connection ended."""
    batch = DatagramBatch()
    if socket.receive_into(batch):
        endpoint.receive(batch, now)
    endpoint.update(now)
    ended = False
    for event in endpoint.events():
        print(f"{now:.2f} s  {event}", flush=True)
        ended = ended or isinstance(event, ClientDisconnected | Disconnected)
    return ended


def run_client(options: argparse.Namespace, key: bytes) -> int:
    host, _ = split_address(options.address)
    dialect = DIALECTS[options.dialect]
    token = ConnectToken.create(
        protocol_id=options.protocol_id,
        private_key=key,
        client_id=int.from_bytes(random_bytes(8), "little"),
        servers=options.address,
        unix_now=time.time(),
        timeout=5,
        dialect=dialect,
    )
    client = ClientEndpoint(ClientConfig(token=token, channels=None, dialect=dialect))
    payload = bytes(number & 255 for number in range(options.size))
    sent = received = same = 0
    start = time.monotonic()
    socket = open_udp(("::" if ":" in host else "0.0.0.0", 0))
    try:
        while client.state > ClientState.DISCONNECTED:
            now = time.monotonic() - start
            pump(client, socket, now)
            for _, data in client.payloads():
                received += 1
                same += data == payload
            if now > options.seconds:
                client.disconnect()
            elif client.state == ClientState.CONNECTED:
                client.send_payload(payload)
                sent += 1
            socket.send(client.send(now))
            time.sleep(TICK)
    finally:
        socket.close()
    if not sent:
        print(
            f"no connection with {options.address} ({client.state.name}): nobody is there, or it "
            "has another key, protocol id or address, or speaks another dialect",
            file=sys.stderr,
        )
        return 1
    print(f"sent {sent} payloads of {options.size} bytes, received {received}, equal {same}")
    return 0


def run_server(options: argparse.Namespace, key: bytes) -> int:
    socket = open_udp(split_address(options.address))
    config = ServerConfig(
        protocol_id=options.protocol_id,
        private_key=key,
        addresses=options.address,
        channels=None,
        dialect=DIALECTS[options.dialect],
        loopback_only=options.development_key,
    )
    server = ServerEndpoint(config, entropy=random_bytes, epoch=time.time())
    start = time.monotonic()
    echoed = 0
    try:
        while (now := time.monotonic() - start) < options.seconds:
            ended = pump(server, socket, now)
            if options.once and ended and not server.connected:
                break
            for index, data in server.payloads():
                if index in server.connected:
                    server.send_payload(index, data)
                    echoed += 1
            socket.send(server.send(now))
            socket.wait(TICK)
        server.disconnect_all()
        socket.send(server.send(now))
    finally:
        socket.close()
    print(f"echoed {echoed} payloads")
    print("refused:", {name: n for name, n in server.counters.items() if n and "request" in name})
    return 0 if server.counters["connected"] else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("role", choices=("client", "server"))
    parser.add_argument("address", help="IP:PORT")
    parser.add_argument("--protocol-id", type=lambda text: int(text, 0), default=0)
    parser.add_argument("--dialect", choices=sorted(DIALECTS), default="standard")
    parser.add_argument("--size", type=int, default=1200, help="bytes of a payload")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long it goes on")
    parser.add_argument("--once", action="store_true", help="server: end with the last client")
    parser.add_argument(
        "--development-key", action="store_true", help="the dialect's, which everybody has"
    )
    options = parser.parse_args()
    if options.development_key:
        key = DIALECTS[options.dialect].development_key
    elif "NETCODE_KEY" in os.environ:
        key = bytes.fromhex(os.environ["NETCODE_KEY"])
    else:
        parser.error("set NETCODE_KEY to the 64 hex digits of the key, or --development-key")
    return (run_client if options.role == "client" else run_server)(options, key)


if __name__ == "__main__":
    sys.exit(main())
