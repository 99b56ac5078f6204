"""What makes the world feel immediate: clock, interpolation, prediction.

Pure functions of what they are given: no clock is read here. Rooms, lowest first:
``clock`` (the server's time as seen here), ``interpolation`` (others, slightly in the
past), ``prediction`` (one's own entities, now).
"""

from netcode.simulation.clock import ServerClock
from netcode.simulation.interpolation import Mode, Modes, blend, mix, modes_of
from netcode.simulation.prediction import Predictor

__all__ = ["Mode", "Modes", "Predictor", "ServerClock", "blend", "mix", "modes_of"]
