"""Where results go besides the page: a cart's lamp, a DICOM outbox. A text like `cart:/dev/ttyACM0` in, a sink out.

`NAME:WHERE` is an entry point of the group "edge.sinks": function(where) -> Sink. The runtime has none of its own.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from edge.service.answer import Answer
from edge.service.plugins import factory_from_text
from edge.service.status import Status
from edge.service.view import View

ENTRY_POINTS = "edge.sinks"


class Sink(Protocol):
    """A context manager that takes results, each sink in a thread of its own (`edge.service.fan_out`).

    It may block and it may raise: both are counted, and only this sink misses something. What it has not taken when the
    next of the same kind comes is gone: the latest wins. Entered before the service is ready, left in its own thread.
    """

    def __enter__(self) -> Sink: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def take_answer(self, answer: Answer) -> None:
        """A frame was answered."""
        ...

    def take_status(self, status: Status) -> None:
        """The service's state, at every change and each second: a heartbeat."""
        ...

    def take_view(self, view: View) -> None:
        """Everything to show, the checklist of the open exam with it; at every change, at most ten times a second."""
        ...


def open_sink(text: str) -> Sink:
    """Make a sink.

    Raises:
        UsageError: no sink has that name.
        DeviceError: a package that it needs is not installed.
    """
    factory, where = factory_from_text(text, "sink", {}, ENTRY_POINTS)
    sink: Sink = factory(where)
    return sink


def check_sink(text: str) -> None:
    """Refuse a text that names no sink; nothing is made.

    Raises:
        UsageError: no sink has that name.
        DeviceError: a package that it needs is not there.
    """
    factory_from_text(text, "sink", {}, ENTRY_POINTS)
