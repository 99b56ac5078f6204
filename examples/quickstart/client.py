"""Run this beside the server: python examples/quickstart/client.py"""

import time

import netcode as nc
from shared import Input, Ship, step

with nc.connect("127.0.0.1:40000", input=Input, tables=[Ship], predict=step) as client:
    while client.connected:
        client.update(Input(thrust=True, turn=1))
        for entity in client.view(Ship):  # mine: predicted; others: interpolated
            print(f"{entity.state.x:6.1f} {entity.state.y:6.1f}", "mine" if entity.mine else "")
        time.sleep(1 / 60)
