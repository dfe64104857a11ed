"""A box and a cart joined in this process, with a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from firmware_bridge.cart.hello import box_hello, sim_hello
from firmware_bridge.cart.link import Link
from firmware_bridge.cart.link_states import Outcome, State
from firmware_bridge.cart.messages import Hello

Wire = Callable[[bytes], bytes]


def clean(data: bytes) -> bytes:
    return data


@dataclass
class Ends:
    """Both ends of a link."""

    box: Link = field(default_factory=lambda: Link(box_hello(), 0.0))
    cart: Link = field(default_factory=lambda: Link(sim_hello(), 0.0))
    to_cart: Wire = clean
    to_box: Wire = clean
    now_s: float = 0.0
    box_heard: list[Outcome] = field(default_factory=list)
    cart_heard: list[Outcome] = field(default_factory=list)

    def open(self) -> Ends:
        self.box.opened(self.now_s)
        self.cart.opened(self.now_s)
        self.settle()
        assert (self.box.state, self.cart.state) == (State.UP, State.UP)
        self.box_heard.clear()
        self.cart_heard.clear()
        return self

    def new_cart(self, hello: Hello | None = None) -> None:
        """The cart starts anew."""
        self.cart = Link(hello or sim_hello(), self.now_s)
        self.cart.opened(self.now_s)

    def exchange(self) -> bool:
        """What was written arrives; whether there was anything."""
        there, back = self.box.take_written(), self.cart.take_written()
        self.cart.received(self.to_cart(there), self.now_s)
        self.box.received(self.to_box(back), self.now_s)
        self.box_heard += self.box.take_outcomes()
        self.cart_heard += self.cart.take_outcomes()
        return bool(there or back)

    def settle(self) -> None:
        """Until nobody has anything to say."""
        for _ in range(50):
            if not self.exchange():
                return
        raise AssertionError("the ends talk for ever")

    def run(self, seconds: float, step_s: float = 0.01) -> None:
        """Time passes."""
        for _ in range(round(seconds / step_s)):
            self.now_s += step_s
            self.box.tick(self.now_s)
            self.cart.tick(self.now_s)
            self.settle()

    def kinds(self, outcomes: list[Outcome]) -> list[str]:
        return [type(outcome).__name__ for outcome in outcomes]
