import pytest

from netcode.channel import ChannelConfig, DeliveryMode, TransportConfig
from netcode.channel.settings import ChannelSettings
from netcode.errors import ConfigError

LOOSE = ChannelConfig(name="loose", mode=DeliveryMode.UNRELIABLE)
CONTROL = ChannelConfig(name="control")


def test_defaults() -> None:
    config = TransportConfig()
    assert [c.name for c in config.channels] == ["control", "reliable", "unreliable"]
    assert config.channel("unreliable") == 2
    assert config.channels[1].max_message == 65_536
    assert ChannelSettings(config).config is config


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mode": 0}, r"'x'\)\.mode: 0 is not a DeliveryMode"),
        ({"max_message": 0}, r"max_message: 0 is not between 1 and 16777216"),
        ({"max_message": (1 << 24) + 1}, r"max_message: 16777217"),
        ({"max_message": 1.5}, r"max_message: 1.5 is not an int"),
        ({"max_message": True}, r"max_message: True"),
        ({"queue_messages": 0}, r"queue_messages: 0"),
        ({"queue_bytes": 65_535}, r"queue_bytes: 65535 is not between 65536"),
        ({"window_messages": 8193}, r"window_messages: 8193 is not between 1 and 8192"),
        ({"window_bytes": 65_535}, r"window_bytes: 65535 is not between 65536"),
    ],
)
def test_channel_limits(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ChannelConfig(name="x", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"channels": ()}, r"len\(channels\): 0 is not between 1 and 64"),
        ({"channels": (CONTROL,) * 2}, r"same name twice"),
        ({"channels": (LOOSE,)}, r"channels\[0\]: the control channel must be reliable ordered"),
        ({"channels": (CONTROL, 3)}, r"3 is not a ChannelConfig"),
        ({"send_window": 1199}, r"send_window: 1199"),
        ({"send_rate": 10}, r"send_rate: 10"),
        ({"send_rate": float("nan")}, r"send_rate: nan is not finite"),
        ({"max_ack_delay": -0.1}, r"max_ack_delay: -0.1"),
        ({"max_ack_delay": float("nan")}, r"max_ack_delay: nan"),
        ({"ack_every": 0}, r"ack_every: 0"),
        ({"max_packets": 1000}, r"max_packets: 1000 is not a power of two"),
        ({"max_packets": 32}, r"max_packets: 32"),
        ({"reassembly_timeout": 0}, r"reassembly_timeout: 0"),
        ({"frame_bytes": 10}, r"frame_bytes: 10"),
        ({"initial_sequence": -1}, r"initial_sequence: -1"),
    ],
)
def test_transport_limits(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TransportConfig(**fields)  # type: ignore[arg-type]


def test_unknown_channel_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="no channel named 'chat'; there are 'control', 'rel"):
        TransportConfig().channel("chat")


def test_settings_want_a_transport_config() -> None:
    with pytest.raises(TypeError, match="not dict"):
        ChannelSettings({})  # type: ignore[arg-type]


def test_only_the_reliable_modes_are_reliable() -> None:
    assert [mode.reliable for mode in DeliveryMode] == [True, True, False, False]
