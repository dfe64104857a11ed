"""The two threads of the cart's bridge, against a service that takes calls and answers none."""

from __future__ import annotations

import select
import socket
import time
from pathlib import Path

from firmware_bridge.cart.command import clock
from firmware_bridge.cart.line import Waker
from firmware_bridge.cart.messages import Status
from firmware_bridge.cart.plane_check import MAX_ASKED, Asker, Done, Key
from firmware_bridge.cart.shown import Asked
from tests.edge.page.scripted_bedside import ScriptedBedside
from tests.firmware_bridge.bridging import WAIT_S
from tests.firmware_bridge.scripted_service import scripted_service


def test_orders_that_wait_for_a_service_that_hangs_cost_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as end, Waker() as waker:
        end.bind(str(path))
        end.listen(8)
        asker = Asker(path, waker, clock)
        taken = [asker.ask(Key(1, 0), Asked("freeze", {}), clock() + 60)]
        assert select.select([end], [], [], WAIT_S)[0]  # it is under way, and no longer among those that wait
        taken += [asker.ask(Key(1, number), Asked("freeze", {}), clock() + 60) for number in range(1, 10 * MAX_ASKED)]
        assert sum(taken) == MAX_ASKED + 1
        assert taken == sorted(taken, reverse=True)
        asker.end(0.0)


def test_a_press_that_comes_again_through_another_bridge_is_carried_out_once(tmp_path: Path) -> None:
    """The first one was killed when the order was durable and its answer was not with the cart yet."""
    box = ScriptedBedside()
    asked, done = Asked("freeze", {"by": "", "exam": box.open()}), list[Done]()
    with scripted_service(box, tmp_path / "api.sock") as path, Waker() as waker:
        for _ in range(2):
            asker = Asker(path, waker, time.monotonic)
            assert asker.ask(Key(7, 1), asked, time.monotonic() + 60)
            asker.end(10.0)
            done += asker.take_done()
    assert [one.status for one in done] == [Status.OK, Status.OK]
    assert len(box.orders) == 1


def test_a_press_that_the_service_meets_too_late_is_stale_and_not_carried_out(tmp_path: Path) -> None:
    box = ScriptedBedside()
    fields = {"by": "", "exam": box.open()}
    with scripted_service(box, tmp_path / "api.sock") as path, Waker() as waker:
        asker, done = Asker(path, waker, time.monotonic), []
        for number, until_s in ((1, time.monotonic() - 0.1), (2, time.monotonic() + 60)):
            assert asker.ask(Key(1, number), Asked("freeze", fields), until_s)
        while len(done) < 2:
            done += asker.take_done()
            time.sleep(0.01)
        asker.end()
    assert [(one.key.event_id, one.status) for one in done] == [(1, Status.STALE), (2, Status.OK)]
    assert len(box.orders) == 1
