"""Peers that do not fit: refused with the reason, and nothing of theirs is acted on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from firmware_bridge.cart.hello import box_hello, name_of, refusal_text, sim_hello
from firmware_bridge.cart.link import Link
from firmware_bridge.cart.link_states import Changed, Delivered, State
from firmware_bridge.cart.messages import Button, Input, Refusal, Role
from tests.firmware_bridge.cart.two_ends import Ends

PRESS = Input(0, Button.FREEZE, True, 1000, 0)

MISFITS = [
    ({"major": 2}, Refusal.MAJOR, "speaks version 2.0 of the link, this box 1.0"),
    ({"schema_hash": 5}, Refusal.SCHEMA, "another cart.proto (0000000000000005"),
    ({"role": Role.BOX}, Refusal.ROLE, "a box too"),
    ({"role": Role.UNKNOWN}, Refusal.ROLE, "a box too"),
]


@pytest.mark.parametrize(("changes", "refusal", "words"), MISFITS)
def test_a_cart_that_does_not_fit_is_refused_with_its_reason(
    changes: dict[str, int], refusal: Refusal, words: str
) -> None:
    ends = Ends()
    ends.box.opened(0.0)
    ends.new_cart(replace(sim_hello(), **changes))  # type: ignore[arg-type]
    ends.settle()
    assert (ends.box.state, ends.cart.state) == (State.REFUSED, State.REFUSED)
    last = ends.box_heard[-1]
    assert isinstance(last, Changed)
    assert last.refusal == refusal
    assert words in refusal_text(last.refusal, last.peer)
    ends.run(2.0)
    assert ends.box.state is State.REFUSED
    ends.new_cart()
    ends.run(1.5)
    assert (ends.box.state, ends.cart.state) == (State.UP, State.UP)


def test_a_line_that_echoes_is_refused() -> None:
    box = Link(box_hello(), 0.0)
    box.opened(0.0)
    box.received(box.take_written(), 0.0)
    assert box.state is State.REFUSED


def test_a_strangers_name_is_no_line_of_a_log_and_no_order_to_a_terminal() -> None:
    assert name_of(replace(sim_hello(), firmware='cart 1\n{"event": "key"}\x1b[2J')) == 'cart 1?{"event": "key"}?[2J'
    assert name_of(replace(sim_hello(), firmware="x" * 99)) == "x" * 31
    assert name_of(None) == ""


def test_nothing_is_acted_on_before_the_ends_agree() -> None:
    ends = Ends().open()
    stranger = Link(replace(box_hello(), heard_boot_id=1), 0.0)
    stranger.opened(0.0)
    ends.cart.post(PRESS, 0.0)
    stranger.received(ends.cart.take_written(), 0.0)
    assert not [o for o in stranger.take_outcomes() if isinstance(o, Delivered)]
