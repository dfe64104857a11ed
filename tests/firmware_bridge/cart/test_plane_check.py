"""The two threads of the cart's bridge, against a service that takes calls and answers none."""

from __future__ import annotations

import socket
from pathlib import Path

from firmware_bridge.cart.line import Waker
from firmware_bridge.cart.plane_check import MAX_ASKED, Asker, Key
from firmware_bridge.cart.shown import Asked


def test_orders_that_wait_for_a_service_that_hangs_cost_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as end, Waker() as waker:
        end.bind(str(path))
        end.listen(8)
        asker = Asker(path, waker)
        taken = [asker.ask(Key(1, number), Asked("freeze", {})) for number in range(10 * MAX_ASKED)]
        assert MAX_ASKED <= sum(taken) <= MAX_ASKED + 1  # one may be under way
        assert taken == sorted(taken, reverse=True)
        asker.end(0.0)
