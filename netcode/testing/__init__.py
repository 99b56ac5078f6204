"""A network in a variable: seeded links, a virtual clock, and endpoints wired together.

Nothing here opens a socket or sleeps. The same seed gives the same bytes at the same times, and
everything that failed a test prints its seed. Imported by nothing else in the library.

Rooms: clock, conditions, script, link, units, scenario, network, peers, proxy, relay.
"""

from netcode.testing.clock import VirtualClock
from netcode.testing.conditions import Conditions
from netcode.testing.link import Link, LinkStats
from netcode.testing.network import Network, SansIO
from netcode.testing.peers import ChannelPair, ChannelPeer
from netcode.testing.proxy import ProxyCore, ProxyStats, WayStats
from netcode.testing.relay import Relay
from netcode.testing.scenario import PRESETS, Scenario
from netcode.testing.script import Script

__all__ = [
    "PRESETS",
    "ChannelPair",
    "ChannelPeer",
    "Conditions",
    "Link",
    "LinkStats",
    "Network",
    "ProxyCore",
    "ProxyStats",
    "Relay",
    "SansIO",
    "Scenario",
    "Script",
    "VirtualClock",
    "WayStats",
]
