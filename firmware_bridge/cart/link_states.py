"""Values of the cart link's table: its states, what can happen, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Union

from firmware_bridge.cart.messages import Body, Event, Hello


class State(str, Enum):
    """Of the link."""

    CLOSED = "closed"
    GREETING = "greeting"
    UP = "up"
    REFUSED = "refused"


class Happening(Enum):
    """What the table is asked about; Hello has five meanings."""

    OPENED = 0  # the transport is there
    LOST = 1  # the transport is gone
    MET = 2  # a Hello that fits, of a peer that has not heard this boot
    HEARD = 3  # a Hello that fits, of a peer that has
    REBORN = 4  # a Hello that fits, of another boot than before; MET or HEARD follows
    MISFIT = 5  # a Hello that is refused, or that refuses
    SAID = 6  # any other message
    GREET_DUE = 7
    HEALTH_DUE = 8
    REPEAT_DUE = 9  # an event was not answered in time
    SPENT = 10  # nor after its repeats
    SILENT = 11  # no good frame for SILENCE_S


@dataclass(frozen=True)
class Delivered:
    """The peer said something to act on: an Input, Led or Buzz once each; PlaneResult, Checklist, Health, TimeSync."""

    body: Body


@dataclass(frozen=True)
class Answered:
    """The peer answered an event of this side."""

    event: Event
    status: int


@dataclass(frozen=True)
class Changed:
    """The link's state changed.

    Attributes:
        state: the new one.
        refusal: why, in REFUSED.
        peer: its last Hello that was heard; None before the first.
    """

    state: State
    refusal: int
    peer: Hello | None


@dataclass(frozen=True)
class Resynced:
    """The peer began anew while this side was up; what it shows by events (a lamp) is to be said again."""


Outcome = Union[Delivered, Answered, Changed, Resynced]
