"""Packets, acks, channels and fragments: reliable UDP for bytes of any schema.

Rooms, from the ground up: sequence, acks, config, settings, inbox, frames, recovery, congestion,
path, outgoing, incoming, state, sender, judge, receiver, connection, stats, endpoint, notes,
transfers.
"""

from netcode.channel.config import ChannelConfig, DeliveryMode, TransportConfig
from netcode.channel.endpoint import ChannelEndpoint, Frame, Message
from netcode.channel.frames import REFUSALS
from netcode.channel.notes import TransferReason
from netcode.channel.stats import ChannelStats
from netcode.channel.transfers import Transfers

__all__ = [
    "REFUSALS",
    "ChannelConfig",
    "ChannelEndpoint",
    "ChannelStats",
    "DeliveryMode",
    "Frame",
    "Message",
    "TransferReason",
    "Transfers",
    "TransportConfig",
]
